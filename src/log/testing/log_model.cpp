#include "log/testing/log_model.h"

#include <algorithm>
#include <variant>

namespace stele::log::testing {
namespace {

constexpr std::size_t page_limit = 37;  // Odd and small, so that pages end everywhere.
constexpr std::size_t stream_limit = 10'000;

struct Found {
  std::string print;
  AppendId append;
  EventId id;
  std::string stream;
  std::uint64_t version = 0;
  std::string content;  // Of what was asked for.
  std::string type;
  std::vector<std::string> tags;
  Timestamp recorded_at{};
};

std::string content_of(std::string_view stream, std::string_view type, std::string_view data,
                       std::string_view metadata, const std::vector<std::string>& tags) {
  std::string content;
  for (const std::string_view part : {stream, type, metadata, data}) {
    content += std::to_string(part.size()) + ":";
    content += part;
  }
  for (const std::string& tag : tags) content += "#" + tag;
  return content;
}

std::vector<std::string> tags_of(const EventView& event) {
  std::vector<std::string> tags;
  for (const std::string_view tag : event.tags) tags.emplace_back(tag);
  return tags;
}

bool as_expected(const Expected& expected, std::uint64_t version, Tip tip) {
  switch (expected.kind) {
    case Expected::Kind::any:
      return true;
    case Expected::Kind::none:
      return version == 0;
    case Expected::Kind::some:
      return version != 0;
    case Expected::Kind::exactly:
      return version == number(expected.version) && (!expected.tip || *expected.tip == tip);
  }
  return false;
}

bool matches(const QueryItem& item, const Found& event) {
  return (item.types.empty() || std::ranges::count(item.types, event.type) > 0) &&
         std::ranges::all_of(item.tags, [&](const std::string& tag) {
           return std::ranges::count(event.tags, tag) > 0;
         });
}

class Comparison {
 public:
  Comparison(const Log& log, const Facts& facts) : log_{log}, facts_{facts} {}

  std::vector<std::string> run() {
    if (!scan()) return problems_;
    check_order();
    check_seen();
    check_appends();
    check_accepted();
    check_streams();
    check_filters();
    return problems_;
  }

 private:
  void complain(std::string problem) { problems_.push_back(std::move(problem)); }
  // Of a call that failed: one that says that the log is damaged is no silent loss.
  void complain(const std::string& problem, const Error& error) {
    problems_.push_back((error.code == Errc::corrupt ? std::string{told_prefix} : std::string{}) +
                        problem + " fails: " + error.message);
  }

  bool scan() {
    Position after{};
    while (true) {
      const auto page = log_.read_all(after, Filter{}, page_limit);
      if (!page) {
        complain("A scan after " + std::to_string(number(after)), page.error());
        return false;
      }
      for (const EventView& event : page->events) {
        if (number(event.position) != events_.size() + 1) {
          complain("Position " + std::to_string(number(event.position)) + " comes after " +
                   std::to_string(events_.size()) + ".");
          return false;
        }
        Found found{.print = fingerprint(event),
                    .append = event.append_id,
                    .id = event.id,
                    .stream = std::string{event.stream},
                    .version = number(event.version),
                    .content = {},
                    .type = std::string{event.type},
                    .tags = tags_of(event),
                    .recorded_at = event.recorded_at};
        found.content =
            content_of(event.stream, event.type, event.data, event.metadata, found.tags);
        events_.push_back(std::move(found));
      }
      if (page->looked_to >= page->log_end) break;
      if (page->looked_to <= after) {
        complain("A read after " + std::to_string(number(after)) + " gets nowhere.");
        return false;
      }
      after = page->looked_to;
    }
    if (number(log_.log_end()) != events_.size()) {
      complain("The log's end is told as " + std::to_string(number(log_.log_end())) + " but " +
               std::to_string(events_.size()) + " events are there.");
    }
    return true;
  }

  void check_order() {
    std::set<EventId> ids;
    Timestamp last{};
    for (std::size_t i = 0; i < events_.size(); ++i) {
      const Found& event = events_[i];
      streams_[event.stream].push_back(i);
      if (event.version != streams_[event.stream].size()) {
        complain("Version " + std::to_string(event.version) + " of \"" + event.stream +
                 "\" is its event number " + std::to_string(streams_[event.stream].size()) + ".");
      }
      if (!ids.insert(event.id).second) complain("Event id " + event.id.text() + " stands twice.");
      if (event.recorded_at < last) {
        complain("Time goes back at position " + std::to_string(i + 1) + ".");
      }
      last = event.recorded_at;
    }
  }

  void check_seen() {
    if (facts_.seen.size() > events_.size() || number(facts_.end_told) > events_.size()) {
      complain(std::to_string(facts_.seen.size()) + " events were seen and " +
               std::to_string(number(facts_.end_told)) + " told, but " +
               std::to_string(events_.size()) + " are there.");
      return;
    }
    for (std::size_t i = 0; i < facts_.seen.size(); ++i) {
      if (facts_.seen[i] != events_[i].print) {
        complain("The event at position " + std::to_string(i + 1) + " is not what was seen.");
      }
    }
    for (const Told& told : facts_.told) {
      const auto& indexes = streams_[told.stream];
      if (number(told.version) == 0) continue;
      if (number(told.version) > indexes.size() ||
          tip_of(events_[indexes[number(told.version) - 1]].id) != told.tip) {
        complain("\"" + told.stream + "\" was told to be at version " +
                 std::to_string(number(told.version)) + ", tip " + to_hex(told.tip) +
                 ", which is not there.");
      }
    }
  }

  // An append is there whole or not at all.
  void check_appends() {
    std::map<AppendId, std::vector<std::size_t>> places;
    for (std::size_t i = 0; i < events_.size(); ++i) places[events_[i].append].push_back(i);
    for (const auto& [id, indexes] : places) {
      const auto asked = facts_.asked.find(id);
      if (asked == facts_.asked.end()) {
        complain("Append " + id.text() + " was never asked for.");
        continue;
      }
      if (facts_.refused.contains(id)) complain("Append " + id.text() + " was refused.");
      std::vector<std::string> contents;
      for (const PlannedStream& stream : asked->second->streams) {
        for (const PlannedEvent& event : stream.events) {
          contents.push_back(
              content_of(stream.name, event.type, event.data, event.metadata, event.tags));
        }
      }
      std::vector<std::string> found;
      for (const std::size_t i : indexes) found.push_back(events_[i].content);
      if (found != contents || indexes.back() - indexes.front() + 1 != indexes.size()) {
        complain("Append " + id.text() + " is not there whole: " + std::to_string(found.size()) +
                 " events of " + std::to_string(contents.size()) + ".");
      }
      check_demands(*asked->second, indexes.front());
    }
  }

  // What the append demanded was true at its place, the events before `place`.
  void check_demands(const Planned& planned, std::size_t place) {
    for (const PlannedStream& stream : planned.streams) {
      const auto& indexes = streams_[stream.name];
      const auto before =
          static_cast<std::size_t>(std::ranges::lower_bound(indexes, place) - indexes.begin());
      const Tip tip = before == 0 ? Tip{} : tip_of(events_[indexes[before - 1]].id);
      if (!as_expected(stream.expected, before, tip)) {
        complain("Append " + planned.id.text() + " was accepted while \"" + stream.name +
                 "\" was not as it expected.");
      }
    }
    if (!planned.condition) return;
    for (std::size_t i = number(planned.condition->after); i < place; ++i) {
      for (const QueryItem& item : planned.condition->fail_if) {
        if (matches(item, events_[i])) {
          complain("Append " + planned.id.text() + " was accepted against its condition.");
          return;
        }
      }
    }
  }

  void check_accepted() {
    for (const auto& [id, answer] : facts_.accepted) {
      const auto found = log_.find_append(id);
      if (!found) {
        complain("Finding append " + id.text(), found.error());
        continue;
      }
      if (!found->has_value()) {
        complain("Append " + id.text() + ", accepted at position " +
                 std::to_string(number(answer.first)) + ", is not found.");
        continue;
      }
      const Appended& again = **found;
      if (again.first != answer.first || again.last != answer.last ||
          again.recorded_at != answer.recorded_at || again.streams != answer.streams ||
          again.digest != answer.digest || !again.replayed) {
        complain("Append " + id.text() + " is found with another answer than the first.");
      }
      if (number(answer.last) > events_.size() || events_[number(answer.first) - 1].append != id ||
          events_[number(answer.last) - 1].append != id) {
        complain("Append " + id.text() + " is not at its positions.");
      }
    }
  }

  void check_streams() {
    for (const auto& [stream, indexes] : streams_) {
      if (indexes.empty()) continue;
      const auto tip = log_.stream_tip(stream);
      const StreamState wanted{.version = Version{indexes.size()},
                               .tip = tip_of(events_[indexes.back()].id)};
      if (!tip) {
        complain("The tip of \"" + stream + "\"", tip.error());
      } else if (*tip != wanted) {
        complain("The tip of \"" + stream + "\" is wrong.");
      }
      for (const Direction direction : {Direction::forward, Direction::backward}) {
        const auto page = log_.read_stream(stream, Version{}, stream_limit, direction);
        if (!page) {
          complain("Reading \"" + stream + "\"", page.error());
          continue;
        }
        std::vector<std::string> prints;
        for (const EventView& event : page->events) prints.push_back(fingerprint(event));
        if (direction == Direction::backward) std::reverse(prints.begin(), prints.end());
        bool same = prints.size() == indexes.size();
        for (std::size_t i = 0; same && i < prints.size(); ++i) {
          same = prints[i] == events_[indexes[i]].print;
        }
        if (!same) {
          complain("\"" + stream + "\" reads as " + std::to_string(prints.size()) +
                   " events, not the " + std::to_string(indexes.size()) + " of the scan.");
        }
      }
    }
  }

  template <typename Matches>
  void check_filter(const std::string& what, const Filter& filter, const Matches& matches) {
    std::vector<std::string> wanted;
    for (const Found& event : events_) {
      if (matches(event)) wanted.push_back(event.print);
    }
    std::vector<std::string> found;
    for (Position after{}; number(after) < events_.size();) {
      const auto page = log_.read_all(after, filter, page_limit);
      if (!page) {
        complain("A read by " + what, page.error());
        return;
      }
      if (page->looked_to <= after) {
        complain("A read by " + what + " gets nowhere.");
        return;
      }
      for (const EventView& event : page->events) found.push_back(fingerprint(event));
      after = page->looked_to;
    }
    if (found != wanted) {
      complain("A read by " + what + " finds " + std::to_string(found.size()) + " events, not " +
               std::to_string(wanted.size()) + ".");
    }
  }

  void check_filters() {
    std::set<std::string> types;
    std::set<std::string> tags;
    std::set<std::string> categories;
    for (const Found& event : events_) {
      types.insert(event.type);
      tags.insert(event.tags.begin(), event.tags.end());
      categories.insert(std::string{category_of(event.stream)});
    }
    for (const std::string& type : types) {
      check_filter("type " + type, Filter{.types = {type}},
                   [&](const Found& event) { return event.type == type; });
    }
    for (const std::string& tag : tags) {
      check_filter("tag " + tag, Filter{.tags = {tag}},
                   [&](const Found& event) { return std::ranges::count(event.tags, tag) > 0; });
    }
    for (const std::string& category : categories) {
      check_filter("category " + category, Filter{.categories = {category}},
                   [&](const Found& event) { return category_of(event.stream) == category; });
    }
  }

  const Log& log_;
  const Facts& facts_;
  std::vector<Found> events_;
  std::map<std::string, std::vector<std::size_t>> streams_;
  std::vector<std::string> problems_;
};

}  // namespace

Request::Request(const Planned& planned) {
  for (const PlannedStream& stream : planned.streams) {
    std::vector<std::vector<std::string_view>> tags;
    for (const PlannedEvent& event : stream.events) {
      tags.emplace_back(event.tags.begin(), event.tags.end());
    }
    tags_.push_back(std::move(tags));
  }
  for (std::size_t s = 0; s < planned.streams.size(); ++s) {
    std::vector<NewEvent> events;
    for (std::size_t e = 0; e < planned.streams[s].events.size(); ++e) {
      const PlannedEvent& event = planned.streams[s].events[e];
      events.push_back({.type = event.type,
                        .data = event.data,
                        .content_type = "application/octet-stream",
                        .metadata = event.metadata,
                        .tags = tags_[s][e]});
    }
    events_.push_back(std::move(events));
  }
  for (std::size_t s = 0; s < planned.streams.size(); ++s) {
    streams_.push_back({.stream = planned.streams[s].name,
                        .expected = planned.streams[s].expected,
                        .events = events_[s]});
  }
  request_ = {.id = planned.id,
              .streams = streams_,
              .condition = planned.condition,
              .digest = planned.digest};
}

void LogModel::complain_unlocked(std::string problem) { problems_.push_back(std::move(problem)); }

void LogModel::asked(std::shared_ptr<const Planned> planned) {
  const std::lock_guard lock{mutex_};
  facts_.asked.try_emplace(planned->id, planned);
  facts_.refused.erase(planned->id);
}

void LogModel::answered(const AppendId& id, const Result<AppendOutcome>& outcome) {
  const std::lock_guard lock{mutex_};
  const Planned& planned = *facts_.asked.at(id);
  const bool known = facts_.accepted.contains(id);
  if (!outcome) {
    const Errc code = outcome.error().code;
    if (code == Errc::log_full || code == Errc::read_only || code == Errc::overloaded ||
        code == Errc::shutting_down) {
      if (!known && !facts_.doubtful.contains(id)) facts_.refused.insert(id);
    } else if (code == Errc::outcome_unknown || code == Errc::unavailable) {
      facts_.doubtful.insert(id);
    } else {
      complain_unlocked("An append failed in a way it may not: " + outcome.error().message);
    }
    return;
  }
  if (const auto* conflict = std::get_if<Conflict>(&*outcome)) {
    if (known) complain_unlocked("Append " + id.text() + " was accepted and is now refused.");
    facts_.refused.insert(id);
    if (conflict->streams.empty() && !conflict->condition_position) {
      complain_unlocked("Append " + id.text() + " was refused for no reason.");
    }
    for (const StreamConflict& one : conflict->streams) {
      if (as_expected(planned.streams[one.index].expected, number(one.found.version),
                      one.found.tip)) {
        complain_unlocked("Append " + id.text() + " was refused, but a stream was as expected.");
      }
      facts_.told.insert({.stream = planned.streams[one.index].name,
                          .version = one.found.version,
                          .tip = one.found.tip});
    }
    return;
  }
  const Appended& done = std::get<Appended>(*outcome);
  if (number(done.first) == 0) return;  // A pure check is not remembered.
  for (std::size_t s = 0; s < planned.streams.size(); ++s) {
    facts_.told.insert({.stream = planned.streams[s].name,
                        .version = done.streams[s].version,
                        .tip = done.streams[s].tip});
  }
  if (known) {
    const Appended& first = facts_.accepted.at(id);
    if (!done.replayed || done.first != first.first || done.last != first.last ||
        done.streams != first.streams || done.recorded_at != first.recorded_at) {
      complain_unlocked("Append " + id.text() + " was answered differently the second time.");
    }
    return;
  }
  facts_.accepted.emplace(id, done);
}

// Reads without the mutex: a read may wait for a thread that asks for the facts.
void LogModel::look(const Log& log) {
  while (true) {
    const std::size_t known = facts_size();
    const Position end = log.log_end();
    const auto page = log.read_all(Position{known}, Filter{}, page_limit);
    if (!page) return;  // A reader may be told that a disk fails.
    const std::lock_guard lock{mutex_};
    facts_.end_told = std::max({facts_.end_told, end, page->log_end});
    if (page->events.empty() || facts_.seen.size() != known) return;
    for (const EventView& event : page->events) {
      if (number(event.position) != facts_.seen.size() + 1) {
        complain_unlocked("A reader met position " + std::to_string(number(event.position)) +
                          " after " + std::to_string(facts_.seen.size()) + ".");
        return;
      }
      facts_.seen.push_back(fingerprint(event));
    }
  }
}

void LogModel::expect_reused(Log& log, const Planned& accepted) {
  Planned other = accepted;
  other.digest[0] = static_cast<std::uint8_t>(other.digest[0] + 1);
  const Request request{other};
  const auto outcome = log.append(request.get());
  const std::lock_guard lock{mutex_};
  if (outcome) {
    complain_unlocked("Append id " + accepted.id.text() + " was used for something else.");
  } else if (outcome.error().code != Errc::id_reused && !outcome.error().retryable()) {
    complain_unlocked("Another request under a used id fails: " + outcome.error().message);
  }
}

std::size_t LogModel::facts_size() const {
  const std::lock_guard lock{mutex_};
  return facts_.seen.size();
}

Facts LogModel::facts() const {
  const std::lock_guard lock{mutex_};
  return facts_;
}

std::vector<std::string> LogModel::problems() const {
  const std::lock_guard lock{mutex_};
  return problems_;
}

std::string fingerprint(const EventView& event) {
  std::string print = std::to_string(number(event.position)) + "/" +
                      std::to_string(number(event.version)) + "/" +
                      std::to_string(micros(event.recorded_at)) + "/" + event.id.text() + "/" +
                      event.append_id.text() + "/" + std::to_string(event.schema_version);
  for (const std::string_view part : {event.stream, event.type, event.content_type, event.metadata,
                                      event.key_id, event.tags.packed(), event.data}) {
    print += "/" + std::to_string(part.size()) + ":";
    print += part;
  }
  return print;
}

std::vector<std::string> compare(const Log& log, const Facts& facts) {
  return Comparison{log, facts}.run();
}

}  // namespace stele::log::testing
