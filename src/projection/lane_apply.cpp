// What a lane does with a page of events: applying it, parking a key whose event fails, and telling
// a parked key its events again.

#include <algorithm>
#include <utility>

#include "projection/lane.h"

namespace stele::projection {

// Applies a page. When one of its events cannot be applied, what comes before it is stored first,
// so that the read model stands exactly there.
Result<void> Engine::Lane::apply(const SharedPage& page) {
  Selection selected = select(page);
  std::optional<EventFailure> failure = std::move(selected.failure);
  Position to = selected.to;
  if (failure && chosen_.empty()) return event_failed(*failure, page);
  std::size_t count = chosen_.size();
  while (true) {
    auto begun = sink_->begin();
    if (!begun) return begun;
    const auto projected = projection_->project(std::span{chosen_}.first(count), *sink_);
    if (projected) break;
    sink_->abandon();
    const ProjectFailure& stopped = projected.error();
    if (!stopped.index) {
      batch_max_ = 1;  // If one of the events is to blame, it will be alone.
      return std::unexpected{stopped.error};
    }
    failure = EventFailure{.event = chosen_[*stopped.index], .error = stopped.error};
    if (*stopped.index == 0) return event_failed(*failure, page);
    count = *stopped.index;
    to = Position{stele::number(failure->event->position) - 1};
  }
  const auto checkpoint = checkpoint_at(to, page);
  if (!checkpoint) return std::unexpected{checkpoint.error()};
  auto committed = sink_->commit(*checkpoint);
  if (!committed) return committed;
  held_ = *checkpoint;
  const std::size_t most =
      options_.batch_events_max > 0 ? options_.batch_events_max : shared_.options.batch_events_max;
  batch_max_ = std::min(most, batch_max_ * 2);
  advance(page, to, count);
  if (failure) return event_failed(*failure, page);
  return {};
}

// Chooses the events to apply. An event at or before the checkpoint was applied already: it is
// never told twice. Events of parked keys wait. Ends before an event that an upcaster could not
// read.
Engine::Lane::Selection Engine::Lane::select(const SharedPage& page) {
  chosen_.clear();
  const Filter& filter = spec_.filter;
  for (const EventView& event : page.newest) {
    if (event.position <= at_ || !filter.matches(event)) continue;
    if (!parked_.empty()) {
      const auto key = projection_->key_of(event);
      if (key && parked_.contains(*key)) continue;
    }
    const Position before{stele::number(event.position) - 1};
    if (chosen_.size() == batch_max_) return {.to = before, .failure = std::nullopt};
    const auto broken = page.broken.find(event.position);
    if (broken != page.broken.end()) {
      return {.to = before, .failure = EventFailure{.event = &event, .error = broken->second}};
    }
    chosen_.push_back(&event);
  }
  return {.to = page.looked_to, .failure = std::nullopt};
}

// Returns the error if the event is to be tried again, or nothing else can be done.
Result<void> Engine::Lane::event_failed(const EventFailure& failure, const SharedPage& page) {
  if (options_.on_error == OnError::park) {
    bool enough = false;
    {
      const std::lock_guard lock{board_.mutex};
      enough = attempts_ + 1 >= shared_.options.park_attempts_max;
    }
    if (enough) {
      const auto parked = park(failure, page);
      if (!parked) return std::unexpected{parked.error()};
      if (*parked) return {};
    }
  }
  return std::unexpected{failure.error};
}

// The record and the checkpoint that passes the event are stored together. False if nobody knows
// the event's key: then the projection stops before it.
Result<bool> Engine::Lane::park(const EventFailure& failure, const SharedPage& page) {
  const EventView& event = *failure.event;
  auto key = projection_->key_of(event);
  if (!key || key->empty()) return false;
  if (parked_.size() >= parked_keys_max) {
    return fail(
        Errc::too_large,
        "Projection \"" + spec_.name + "\" has " + std::to_string(parked_keys_max) +
            " parked keys and takes no more. Correct its code, then retry them or reset it.");
  }
  Parked record{.key = std::move(*key),
                .from_version = event.version,
                .from_position = event.position,
                .error = text_of(failure.error).substr(0, parked_error_size_max),
                .attempts = shared_.options.park_attempts_max};
  const auto checkpoint = checkpoint_at(event.position, page);
  if (!checkpoint) return std::unexpected{checkpoint.error()};
  auto stored = sink_->begin();
  if (stored) stored = sink_->park(record);
  if (stored) stored = sink_->commit(*checkpoint);
  if (!stored) return std::unexpected{stored.error()};
  held_ = *checkpoint;
  shared_.logger.warning("A key was parked: its events wait until it is retried.",
                         {{"projection", std::string_view{spec_.name}},
                          {"generation", spec_.generation},
                          {"key", std::string_view{record.key}},
                          {"position", stele::number(record.from_position)},
                          {"error", std::string_view{record.error}}});
  {
    const std::lock_guard lock{board_.mutex};
    std::string name = record.key;
    parked_.insert_or_assign(std::move(name), std::move(record));
  }
  advance(page, event.position, 0);
  return true;
}

Result<bool> Engine::Lane::clear(Position after) {
  if (after != Position{} && after >= at_) {
    return fail(Errc::invalid, "Projection \"" + spec_.name + "\" stands at position " +
                                   std::to_string(stele::number(at_)) +
                                   " and cannot be rebuilt from after that.");
  }
  // Positions of another log say nothing about this one.
  bool ours = true;
  if (held_) {
    const auto checked = shared_.store.check(*held_);
    ours = checked || checked.error().code != Errc::diverged;
  }
  if (!ours && after != Position{}) {
    return fail(Errc::diverged, "Projection \"" + spec_.name +
                                    "\" holds rows of another log. Rebuild it from position 0.");
  }
  const Position shown_from = ours ? std::max(at_, sink_->shown_from()) : Position{};
  const auto checkpoint = shared_.store.checkpoint_at(after);
  if (!checkpoint) return std::unexpected{checkpoint.error()};
  auto done = sink_->begin();
  if (done && after != Position{}) done = projection_->forget(after, *sink_);
  if (done) done = sink_->clear(after, shown_from);
  if (done) done = sink_->commit(*checkpoint);
  if (!done) return std::unexpected{done.error()};
  auto parked = sink_->parked();
  if (!parked) return std::unexpected{std::move(parked.error())};
  keep_parked(std::move(*parked));
  held_ = *checkpoint;
  at_ = after;
  open_ = true;
  const Position log_end = shared_.store.log_end();
  {
    const std::lock_guard lock{board_.mutex};
    position_ = after;
    shown_from_ = sink_->shown_from();
    rebuild_to_ = std::max(log_end, shown_from_);
    opened_ = true;
    rate_ = {};
    all_is_well();
    if (paused_) state_ = State::paused;
    board_.changed.notify_all();
  }
  shared_.reader.join(this, at_);
  return true;
}

/// The next events of a parked key.
struct Engine::Lane::Missed {
  std::vector<EventBlock> blocks;      // Own what the events view.
  std::deque<std::string> upcast;      // The same.
  std::deque<EventView> events;        // In their newest form; those that the projection handles.
  std::optional<EventFailure> broken;  // What comes right after them.
  Version next_version{};              // Where to go on
  Position next_position{};            // if `more`.
  bool more = false;
};

bool Engine::Lane::keyed_by_stream() const {
  return spec_.kind != ProjectionKind::fold || spec_.keyed_by_stream;
}

Result<Engine::Lane::Missed> Engine::Lane::missed(const Parked& record) const {
  Missed missed;
  const std::size_t limit = shared_.options.batch_events_max;
  EventBlock read;
  if (keyed_by_stream()) {
    const bool by_id = spec_.kind == ProjectionKind::fold && !spec_.category.empty();
    const std::string stream = by_id ? spec_.category + "-" + record.key : record.key;
    auto page = shared_.store.read_stream(stream, Version{stele::number(record.from_version) - 1},
                                          limit, Direction::forward);
    if (!page) return std::unexpected{std::move(page.error())};
    missed.more = page->events.size() == limit;
    read = std::move(page->events);
  } else {
    const Upcasters* upcasters = shared_.options.upcasters;
    const bool as_stored = upcasters == nullptr || upcasters->empty();
    auto page = shared_.store.read_all(Position{stele::number(record.from_position) - 1},
                                       as_stored ? spec_.filter : Filter{}, limit);
    if (!page) return std::unexpected{std::move(page.error())};
    missed.more = page->looked_to < at_;
    missed.next_position = Position{stele::number(page->looked_to) + 1};
    read = std::move(page->events);
  }
  missed.blocks.push_back(std::move(read));
  for (EventView event : missed.blocks.front()) {
    if (event.position > at_) {
      missed.more = false;
      break;
    }
    if (keyed_by_stream()) {
      missed.next_version = Version{stele::number(event.version) + 1};
      missed.next_position = Position{stele::number(event.position) + 1};
    }
    const Upcasters* upcasters = shared_.options.upcasters;
    std::optional<Error> broken;
    if (upcasters != nullptr && !upcasters->empty()) {
      auto newest = upcasters->apply(event, missed.upcast.emplace_back());
      if (newest) {
        event = *newest;
      } else {
        broken = std::move(newest.error());
      }
    }
    if (!spec_.filter.matches(event)) continue;
    if (!keyed_by_stream()) {
      auto key = projection_->key_of(event);
      if (!key) return std::unexpected{std::move(key.error())};
      if (*key != record.key) continue;
    }
    missed.events.push_back(event);
    if (!broken) continue;
    missed.broken = EventFailure{.event = &missed.events.back(), .error = std::move(*broken)};
    break;
  }
  return missed;
}

// Applies what can be applied of `missed` inside the batch that was begun and moves `record` to
// what comes then. `rest`: something of the key is still missing.
Result<void> Engine::Lane::project_missed(const Missed& missed, Parked& record, bool& rest) {
  std::vector<const EventView*> events;
  for (const EventView& event : missed.events) events.push_back(&event);
  std::optional<EventFailure> failure = missed.broken;
  if (failure) events.pop_back();
  const auto projected = projection_->project(events, *sink_);
  if (!projected) {
    if (!projected.error().index) return std::unexpected{projected.error().error};
    const std::size_t count = *projected.error().index;
    failure = EventFailure{.event = events[count], .error = projected.error().error};
    sink_->abandon();
    auto again = sink_->begin();
    if (!again) return again;
    if (const auto before = projection_->project(std::span{events}.first(count), *sink_); !before) {
      return std::unexpected{before.error().error};
    }
  }
  rest = failure.has_value() || missed.more;
  if (!rest) return sink_->unpark(record.key);
  if (failure) {
    const bool same = record.from_position == failure->event->position;
    record.from_version = failure->event->version;
    record.from_position = failure->event->position;
    record.error = text_of(failure->error).substr(0, parked_error_size_max);
    record.attempts = same ? record.attempts + 1 : 1;
  } else {
    record.from_version = keyed_by_stream() ? missed.next_version : record.from_version;
    record.from_position = missed.next_position;
    record.attempts = 0;
  }
  return sink_->park(record);
}

// Rows and record move together, and the checkpoint stays: after a crash the key is parked at what
// is still missing of it.
Result<bool> Engine::Lane::retry(const std::string& key) {
  if (!open_) {
    const auto opened = open();
    if (!opened) return std::unexpected{opened.error()};
  }
  const auto found = parked_.find(key);
  if (found == parked_.end()) {
    return fail(Errc::not_found,
                "Key \"" + key + "\" of projection \"" + spec_.name + "\" is not parked.");
  }
  Parked record = found->second;
  const auto missed_events = missed(record);
  if (!missed_events) return std::unexpected{missed_events.error()};
  bool rest = false;
  auto done = sink_->begin();
  if (done) done = project_missed(*missed_events, record, rest);
  if (done) done = sink_->commit(held_.value_or(Checkpoint{}));
  if (!done) return std::unexpected{done.error()};
  const bool failed_again = rest && record.attempts > 0;
  {
    const std::lock_guard lock{board_.mutex};
    if (rest) {
      parked_.insert_or_assign(key, record);
    } else {
      parked_.erase(found);
    }
    board_.changed.notify_all();
  }
  if (failed_again) {
    return fail(Errc::invalid, "Key \"" + key + "\" of projection \"" + spec_.name +
                                   "\" is parked at position " +
                                   std::to_string(stele::number(record.from_position)) + " after " +
                                   std::to_string(record.attempts) + " attempts: " + record.error);
  }
  if (!rest) {
    shared_.logger.info("A parked key was retried and flows again.",
                        {{"projection", std::string_view{spec_.name}},
                         {"generation", spec_.generation},
                         {"key", std::string_view{key}}});
  }
  return !rest;
}

}  // namespace stele::projection
