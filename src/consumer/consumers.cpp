#include "consumer/consumers.h"

#include <algorithm>
#include <utility>

#include "stele/limits.h"

namespace stele::consumer {
namespace {

std::unexpected<Refusal> refuse(Errc code, std::string message) {
  return std::unexpected{Refusal{.error = {.code = code, .message = std::move(message)}}};
}

std::unexpected<Refusal> refuse(const Error& error) {
  return std::unexpected{Refusal{.error = error}};
}

std::unexpected<Refusal> unknown(std::string_view name) {
  return std::unexpected{Refusal{
      .code = Refusal::Code::unknown,
      .error = {.code = Errc::not_found,
                .message = "There is no consumer \"" + std::string{name.substr(0, name_size_max)} +
                           "\". PUT /v1/consumers/{name} makes one."}}};
}

std::unexpected<Refusal> foreign(std::string_view name, std::string_view why) {
  return std::unexpected{Refusal{
      .code = Refusal::Code::foreign,
      .error = {.code = Errc::invalid,
                .message = "The cursor is not one of consumer \"" + std::string{name} +
                           "\" as it reads now: " + std::string{why} +
                           ". Read again, and acknowledge with the cursor of that answer."}}};
}

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '~' || c == '-';
}

Answer<void> check_consumer_name(std::string_view name) {
  if (!name.empty() && name.size() <= name_size_max && std::ranges::all_of(name, is_name_byte)) {
    return {};
  }
  return refuse(Errc::invalid,
                "A consumer's name must be 1 to 64 characters of [A-Za-z0-9._~-]; this one has " +
                    std::to_string(name.size()) + " bytes.");
}

Answer<void> check_reader(const Reader& reader) {
  const bool printable =
      std::ranges::all_of(reader.name, [](char c) { return c > ' ' && c < '\x7f'; });
  if (!reader.name.empty() && reader.name.size() <= reader_size_max && printable) return {};
  return refuse(Errc::invalid,
                "A reader's name must be 1 to 128 printable ASCII characters without blanks.");
}

/// In order and none twice, so that equal filters are equal.
Answer<void> normalize(Filter& filter) {
  const auto one = [](std::string_view what, std::vector<std::string>& names,
                      std::size_t size_max) -> Answer<void> {
    if (names.size() > limits::filter_names_max) {
      return refuse(Errc::invalid, "A consumer's filter has " + std::to_string(names.size()) + " " +
                                       std::string{what} + " names; at most " +
                                       std::to_string(limits::filter_names_max) + " are allowed.");
    }
    for (const std::string& name : names) {
      if (auto good = check_name(what, name, size_max); !good) return refuse(good.error());
    }
    std::ranges::sort(names);
    const auto [first, last] = std::ranges::unique(names);
    names.erase(first, last);
    return {};
  };
  if (auto good = one("category", filter.categories, limits::stream_name_size_max); !good) {
    return good;
  }
  if (auto good = one("type", filter.types, limits::type_size_max); !good) return good;
  return one("tag", filter.tags, limits::tag_size_max);
}

bool same(const Definition& a, const Definition& b) {
  return a.start == b.start && a.filter.categories == b.filter.categories &&
         a.filter.types == b.filter.types && a.filter.tags == b.filter.tags;
}

}  // namespace

struct Consumers::Consumer {
  struct Held {
    Reader reader;
    Lease lease;
  };

  std::string name;
  std::mutex mutex;
  Kept kept;                   // Guarded by mutex: as it stands on disk.
  Position skipped_to{};       // Guarded by mutex: the filter passes over all up to here.
  std::optional<Held> held;    // Guarded by mutex.
  std::optional<Error> fault;  // Guarded by mutex: damaged or diverged.
  bool checked = false;        // Guarded by mutex: compared with the log.
  bool skip_unsaved = false;   // Guarded by mutex: a save of `skipped_to` failed, said once.
  bool removed = false;        // Guarded by mutex.

  [[nodiscard]] Position place() const { return std::max(kept.checkpoint.position, skipped_to); }

  /// Takes over what moves. The definition stays untouched: reads look at it without the mutex.
  void moved_to(const Kept& next) {
    kept.reading = next.reading;
    kept.checkpoint = next.checkpoint;
    kept.acknowledged_at = next.acknowledged_at;
  }
};

Consumers::Consumers(Parts parts, std::unique_ptr<Keeper> keeper,
                     std::unique_ptr<RandomSource> random)
    : parts_{parts}, keeper_{std::move(keeper)}, random_{std::move(random)} {}

Consumers::~Consumers() = default;

Result<void> Consumers::load() {
  auto found = keeper_->load();
  if (!found) return std::unexpected{found.error()};
  const std::lock_guard lock{mutex_};
  for (Found& each : *found) {
    auto consumer = std::make_shared<Consumer>();
    consumer->name = each.name;
    if (each.kept) {
      consumer->kept = std::move(*each.kept);
    } else {
      consumer->fault = each.kept.error();
      parts_.logger.error("A consumer cannot be read.",
                          {{"consumer", each.name}, {"detail", each.kept.error().message}});
    }
    consumers_.emplace(each.name, std::move(consumer));
  }
  return {};
}

Consumers::ConsumerRef Consumers::find(std::string_view name) const {
  const std::lock_guard lock{mutex_};
  const auto found = consumers_.find(name);
  return found == consumers_.end() ? nullptr : found->second;
}

std::size_t Consumers::count() const {
  const std::lock_guard lock{mutex_};
  return consumers_.size();
}

Answer<void> Consumers::check_writable() const {
  if (!parts_.read_only) return {};
  return refuse(Errc::read_only,
                "The server was started read-only: it gives a consumer's events, but makes, "
                "moves and removes none.");
}

Answer<Checkpoint> Consumers::place_of(const Start& start) const {
  Position position{};
  if (start.kind == Start::Kind::end) position = parts_.store.log_end();
  if (start.kind == Start::Kind::position) position = start.position;
  auto place = parts_.store.checkpoint_at(position);
  if (place) return *place;
  if (place.error().code != Errc::diverged) return refuse(place.error());
  return refuse(Errc::invalid,
                "Position " + std::to_string(number(position)) + " lies beyond the log's end, " +
                    std::to_string(number(parts_.store.log_end())) + ". Give one up to there.");
}

Answer<bool> Consumers::put(std::string_view name, Definition definition) {
  if (auto good = check_consumer_name(name); !good) return std::unexpected{good.error()};
  if (auto good = normalize(definition.filter); !good) return std::unexpected{good.error()};
  const std::lock_guard changing{changes_};
  if (const ConsumerRef found = find(name)) {
    const std::lock_guard lock{found->mutex};
    if (found->fault && found->fault->code == Errc::corrupt) return refuse(*found->fault);
    if (same(found->kept.definition, definition)) return false;
    return std::unexpected{
        Refusal{.code = Refusal::Code::exists,
                .error = {.code = Errc::invalid,
                          .message = "The consumer \"" + std::string{name} +
                                     "\" exists with another filter or start. To move it, seek; "
                                     "for another filter, delete it first or take another name."},
                .found = found->kept.definition}};
  }
  if (auto good = check_writable(); !good) return std::unexpected{good.error()};
  if (count() >= consumers_max) {
    return refuse(Errc::invalid, "There are " + std::to_string(consumers_max) +
                                     " consumers, the most that one log may have. Delete one.");
  }
  auto place = place_of(definition.start);
  if (!place) return std::unexpected{place.error()};
  auto consumer = std::make_shared<Consumer>();
  const Timestamp now = parts_.clock.now();
  consumer->name = name;
  consumer->checked = true;
  consumer->kept = {.name = std::string{name},
                    .id = make_uuid_v7(now, *random_),
                    .definition = std::move(definition),
                    .checkpoint = *place,
                    .created_at = now};
  if (auto created = keeper_->create(consumer->kept); !created) return refuse(created.error());
  const std::lock_guard lock{mutex_};
  consumers_.emplace(name, std::move(consumer));
  return true;
}

Answer<void> Consumers::remove(std::string_view name) {
  const std::lock_guard changing{changes_};
  const ConsumerRef found = find(name);
  if (!found) return unknown(name);
  if (auto good = check_writable(); !good) return good;
  {
    const std::lock_guard lock{found->mutex};
    if (auto removed = keeper_->remove(name); !removed) return refuse(removed.error());
    found->removed = true;
  }
  const std::lock_guard lock{mutex_};
  consumers_.erase(std::string{name});
  return {};
}

Status Consumers::status_unlocked(Consumer& consumer) const {
  static_cast<void>(check_unlocked(consumer));  // So that a divergence is shown.
  Status out{.name = consumer.name,
             .definition = consumer.kept.definition,
             .position = consumer.place(),
             .log_end = parts_.store.log_end(),
             .created_at = consumer.kept.created_at,
             .fault = consumer.fault};
  if (out.log_end > out.position) out.lag_events = number(out.log_end) - number(out.position);
  if (micros(consumer.kept.acknowledged_at) != 0) {
    out.acknowledged_at = consumer.kept.acknowledged_at;
  }
  if (consumer.held && consumer.held->lease.until > parts_.clock.now() &&
      !(consumer.held->reader.is_gone && consumer.held->reader.is_gone())) {
    out.lease = consumer.held->lease;
  }
  return out;
}

Answer<Status> Consumers::status(std::string_view name) {
  const ConsumerRef found = find(name);
  if (!found) return unknown(name);
  const std::lock_guard lock{found->mutex};
  return status_unlocked(*found);
}

std::vector<Status> Consumers::list(std::string_view after, std::size_t limit) {
  std::vector<ConsumerRef> chosen;
  {
    const std::lock_guard lock{mutex_};
    for (auto at = consumers_.upper_bound(after); at != consumers_.end() && chosen.size() < limit;
         ++at) {
      chosen.push_back(at->second);
    }
  }
  std::vector<Status> out;
  out.reserve(chosen.size());
  for (const ConsumerRef& each : chosen) {
    const std::lock_guard lock{each->mutex};
    out.push_back(status_unlocked(*each));
  }
  return out;
}

/// Whether it may be read: there, whole, and of this log.
Answer<void> Consumers::check_unlocked(Consumer& consumer) const {
  if (consumer.removed) return unknown(consumer.name);
  if (consumer.fault) return refuse(*consumer.fault);
  if (consumer.checked) return {};
  if (auto good = parts_.store.check(consumer.kept.checkpoint); !good) {
    Error error = good.error();
    if (error.code != Errc::diverged) return refuse(error);
    error.message = "Consumer \"" + consumer.name +
                    "\" remembers a place that this log does not have: it was restored or "
                    "repaired since, or is another log. Seek to a place of this log, such as "
                    "the beginning.";
    consumer.fault = error;
    return refuse(error);
  }
  consumer.checked = true;
  return {};
}

Answer<void> Consumers::lease_unlocked(Consumer& consumer, const Reader& reader,
                                       std::chrono::microseconds wait) const {
  const Timestamp now = parts_.clock.now();
  std::optional<Consumer::Held>& held = consumer.held;
  // A lease longer than any was made under a clock that has gone back since: it counts no more.
  const bool in_force = held && held->lease.until > now &&
                        held->lease.until - now <= lease_time + wait_max &&
                        !(held->reader.is_gone && held->reader.is_gone());
  const bool own = held && held->reader.name == reader.name;
  if (in_force && !own) {
    return std::unexpected{Refusal{
        .code = Refusal::Code::busy,
        .error = {.code = Errc::held,
                  .message = "Consumer \"" + consumer.name + "\" is read by \"" +
                             held->lease.reader + "\" since " + to_rfc3339(held->lease.since) +
                             ". It is free 30 s after that reader's last read."},
        .holder = held->lease}};
  }
  const Timestamp since = in_force ? held->lease.since : now;
  held = Consumer::Held{
      .reader = reader,
      .lease = {.reader = reader.name, .since = since, .until = now + wait + lease_time}};
  return {};
}

Answer<Given> Consumers::read(std::string_view name, const Reader& reader, std::size_t limit,
                              std::chrono::microseconds wait, const Visit& visit) {
  if (auto good = check_reader(reader); !good) return std::unexpected{good.error()};
  const ConsumerRef found = find(name);
  if (!found) return unknown(name);
  Consumer& consumer = *found;
  Given given;
  Position begin{};
  {
    const std::lock_guard lock{consumer.mutex};
    if (auto good = check_unlocked(consumer); !good) return std::unexpected{good.error()};
    if (auto leased = lease_unlocked(consumer, reader, wait); !leased) {
      return std::unexpected{leased.error()};
    }
    begin = consumer.place();
    given.cursor = {.consumer = consumer.kept.id, .reading = consumer.kept.reading};
  }
  const Filter& filter = consumer.kept.definition.filter;  // Does not change once made.
  Position at = begin;
  std::optional<Position> first;
  bool full = limit == 0;
  while (!full) {
    const auto page = parts_.store.read_all(at, filter, std::min(limit - given.events, visit_step));
    if (!page) return refuse(page.error());
    given.log_end = page->log_end;
    const Position before = at;
    for (const EventView& event : page->events) {
      if (!first) first = event.position;
      at = event.position;
      const bool more = visit(event);
      full = ++given.events == limit || !more;
      if (full) break;
    }
    if (!full) at = std::max(at, page->looked_to);
    if (at == before || at >= page->log_end || page->events.empty()) break;
  }
  given.position = given.cursor.position = at;
  const std::lock_guard lock{consumer.mutex};
  skip_unlocked(consumer, given.cursor.reading, first ? Position{number(*first) - 1} : at);
  if (given.events > 0 && consumer.held && consumer.held->reader.name == reader.name) {
    consumer.held->lease.until = parts_.clock.now() + lease_time;
  }
  return given;
}

/// Remembers that nothing up to `to` matches.
void Consumers::skip_unlocked(Consumer& consumer, std::uint64_t reading, Position to) {
  // A seek or an acknowledgement may have moved the consumer meanwhile.
  if (consumer.removed || consumer.kept.reading != reading || to <= consumer.place()) return;
  consumer.skipped_to = to;
  const std::uint64_t unsaved = number(to) - number(consumer.kept.checkpoint.position);
  if (parts_.read_only || unsaved < skip_save_step) return;
  Kept next = consumer.kept;
  auto place = parts_.store.checkpoint_at(to);
  auto saved = place ? Result<void>{} : Result<void>{std::unexpected{place.error()}};
  if (place) {
    next.checkpoint = *place;
    saved = keeper_->save(next);
  }
  if (saved) consumer.moved_to(next);
  if (!saved && !consumer.skip_unsaved) {
    parts_.logger.warning(
        "How far a consumer's filter has passed is not on disk; after a restart "
        "it looks again.",
        {{"consumer", consumer.name}, {"detail", saved.error().message}});
  }
  consumer.skip_unsaved = !saved;
}

/// Puts `next` on disk, then in force.
Answer<void> Consumers::move_unlocked(Consumer& consumer, const Kept& next) {
  if (auto saved = keeper_->save(next); !saved) return refuse(saved.error());
  consumer.moved_to(next);
  return {};
}

Answer<Position> Consumers::ack(std::string_view name, const Cursor& cursor) {
  const ConsumerRef found = find(name);
  if (!found) return unknown(name);
  Consumer& consumer = *found;
  const std::lock_guard lock{consumer.mutex};
  if (auto good = check_unlocked(consumer); !good) return std::unexpected{good.error()};
  if (cursor.consumer != consumer.kept.id) {
    return foreign(name,
                   "it was given by another consumer, or by one of this name that was "
                   "deleted since");
  }
  if (cursor.reading != consumer.kept.reading) return foreign(name, "there was a seek since");
  if (auto good = check_writable(); !good) return std::unexpected{good.error()};
  if (cursor.position <= consumer.place()) return consumer.place();
  auto place = parts_.store.checkpoint_at(cursor.position);
  if (!place) {
    if (place.error().code != Errc::diverged) return refuse(place.error());
    return foreign(name, "it names a position beyond the log's end");
  }
  Kept next = consumer.kept;
  next.checkpoint = *place;
  next.acknowledged_at = parts_.clock.now();
  if (auto moved = move_unlocked(consumer, next); !moved) {
    return std::unexpected{moved.error()};
  }
  return consumer.place();
}

Answer<Position> Consumers::seek(std::string_view name, const Start& start) {
  const ConsumerRef found = find(name);
  if (!found) return unknown(name);
  if (auto good = check_writable(); !good) return std::unexpected{good.error()};
  Consumer& consumer = *found;
  const std::lock_guard lock{consumer.mutex};
  if (consumer.removed) return unknown(name);
  if (consumer.fault && consumer.fault->code != Errc::diverged) return refuse(*consumer.fault);
  auto place = place_of(start);
  if (!place) return std::unexpected{place.error()};
  Kept next = consumer.kept;
  next.checkpoint = *place;
  next.reading += 1;
  if (auto moved = move_unlocked(consumer, next); !moved) {
    return std::unexpected{moved.error()};
  }
  consumer.skipped_to = Position{};
  consumer.fault.reset();
  consumer.checked = true;
  return consumer.place();
}

}  // namespace stele::consumer
