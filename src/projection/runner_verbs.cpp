// What a person may tell a projection.

#include <algorithm>
#include <utility>

#include "projection/runner.h"

namespace stele::projection {

// Posts an order to the projection's thread and waits for its answer.
Result<void> Engine::Runner::ask(std::function<Result<void>()> run) {
  const auto task = std::make_shared<Task>(Task{.run = std::move(run)});
  std::unique_lock lock{board_.mutex};
  if (!running_) {
    return std::unexpected{
        error(Errc::unavailable, "does not run in this process. Ask the one with role projector.")};
  }
  tasks_.push_back(task);
  board_.told.notify_all();
  board_.changed.wait_for(lock, verb_wait_max, [&] { return task->answer.has_value(); });
  if (task->answer) return *task->answer;
  return std::unexpected{
      error(Errc::timed_out, "is still at it, and goes on. See its status before asking again.")};
}

// For the projection's thread: waits until the lane has done all parts of it.
Result<void> Engine::Runner::tell_lane(Lane& lane, std::function<Result<bool>()> part) {
  const auto order = std::make_shared<Lane::Order>(Lane::Order{.part = std::move(part)});
  std::unique_lock lock{board_.mutex};
  if (!running_) return std::unexpected{error(Errc::shutting_down, "is stopping.")};
  lane.take(order);
  lock.unlock();
  shared_.store.wake();
  lock.lock();
  board_.changed.wait(lock, [&] { return order->answer.has_value() || !running_; });
  if (order->answer) return *order->answer;
  return std::unexpected{error(Errc::shutting_down, "is stopping.")};
}

Result<void> Engine::Runner::set_paused(bool paused) {
  {
    const std::lock_guard lock{board_.mutex};
    for (const auto& each : lanes_) {
      if (!each->fed()) continue;
      if (paused) {
        each->pause();
      } else {
        each->resume();
      }
    }
  }
  if (catalogue_.paused == paused) return {};
  Catalogue next = catalogue_;
  next.paused = paused;
  return save(std::move(next));
}

Result<void> Engine::Runner::pause() {
  return ask([this] { return set_paused(true); });
}

Result<void> Engine::Runner::resume() {
  return ask([this] { return set_paused(false); });
}

Result<void> Engine::Runner::clear_live(Position after, bool on_hold) {
  std::shared_ptr<Lane> live;
  {
    const std::lock_guard lock{board_.mutex};
    live = lane(Role::live);
    if (!live || !live->fed()) {
      return std::unexpected{
          error(Errc::invalid,
                "shows rows of older code, and new ones are being built. They take over "
                "by themselves.")};
    }
    if (on_hold) {
      live->hold();
      on_hold_.push_back(live);
    }
  }
  Lane* told = live.get();
  auto done = tell_lane(*live, [told, after] { return told->clear(after); });
  if (!done) return done;
  shared_.logger.info("A generation was emptied and begins again.",
                      {{"projection", std::string_view{spec().name}},
                       {"generation", live->number()},
                       {"after", stele::number(after)}});
  return {};
}

Result<void> Engine::Runner::reset() {
  return ask([this] { return clear_live(Position{}, false); });
}

Result<void> Engine::Runner::may_rebuild(RebuildOptions options) const {
  const bool from_start = stele::number(options.from) <= 1;
  if (!from_start && options.side_by_side) {
    return std::unexpected{
        error(Errc::invalid,
              "cannot be rebuilt side by side from a position: the new generation "
              "would lack what came before. Rebuild it in place, or from 0.")};
  }
  if (!from_start && spec().kind == ProjectionKind::fold) {
    return std::unexpected{error(Errc::invalid,
                                 "is a fold: its rows need their whole history. "
                                 "Rebuild it from position 0.")};
  }
  const std::lock_guard lock{board_.mutex};
  if (!running_) {
    return std::unexpected{
        error(Errc::unavailable, "does not run in this process. Ask the one with role projector.")};
  }
  const Generation* building = catalogue_.find(Role::building);
  if (building == nullptr) return {};
  return std::unexpected{error(Errc::invalid, "is building generation " +
                                                  std::to_string(building->number) +
                                                  " already. Promote it or drop it first.")};
}

Result<void> Engine::Runner::begin_rebuild(RebuildOptions options) {
  return ask([this, options]() -> Result<void> {
    if (catalogue_.paused) {
      auto resumed = set_paused(false);
      if (!resumed) return resumed;
    }
    if (options.side_by_side) return begin_building();
    const std::uint64_t from = stele::number(options.from);
    return clear_live(Position{from <= 1 ? 0 : from - 1}, true);
  });
}

Result<void> Engine::Runner::begin_building() {
  if (catalogue_.find(Role::building) != nullptr) {
    return std::unexpected{
        error(Errc::invalid, "is building a generation already. Promote it or drop it first.")};
  }
  Catalogue next = catalogue_;
  const Generation made{
      .number = ++next.last_number, .role = Role::building, .code = spec().generation};
  next.generations.push_back(made);
  auto saved = save(std::move(next));
  if (!saved) return saved;
  const auto building = make_lane(made, true);
  shared_.reader.join(building.get(), Position{});
  {
    const std::lock_guard lock{board_.mutex};
    lanes_.push_back(building);
    on_hold_.push_back(building);
  }
  building->start(false, true);
  shared_.logger.info("A generation is being built.",
                      {{"projection", std::string_view{spec().name}}, {"generation", made.number}});
  return {};
}

void Engine::Runner::release() {
  const std::lock_guard lock{board_.mutex};
  for (const auto& each : std::exchange(on_hold_, {})) each->let_go();
}

Result<void> Engine::Runner::promote() {
  return ask([this] { return swap_live_with(Role::building); });
}

Result<void> Engine::Runner::roll_back() {
  return ask([this] { return swap_live_with(Role::kept); });
}

// (held)
Result<void> Engine::Runner::may_swap(const Lane* live, const Lane* other, Role role) const {
  if (live == nullptr || other == nullptr) {
    return std::unexpected{error(Errc::not_found, role == Role::building
                                                      ? "is not building a generation to promote. "
                                                        "Rebuild it side by side first."
                                                      : "keeps no generation to go back to.")};
  }
  const std::string name = "generation " + std::to_string(other->number());
  if (other->code() != spec().generation) {
    return std::unexpected{
        error(Errc::invalid, "cannot go back to " + name +
                                 ": other code built it, and this program "
                                 "cannot continue its rows. Start that program again.")};
  }
  if (other->stopped_by_error()) {
    return std::unexpected{error(Errc::invalid, "cannot make " + name + " live: it is " +
                                                    std::string{to_string(other->state())} + ". " +
                                                    other->last_error())};
  }
  if (live->state() == State::diverged) return {};
  const Position needed = std::max(live->position(), live->shown_from());
  if (other->position() >= needed) return {};
  const std::uint64_t behind = stele::number(needed) - stele::number(other->position());
  if (!other->caught_up() || behind > promote_lag_max || other->state() == State::paused) {
    return std::unexpected{error(
        Errc::invalid, "cannot make " + name + " live yet: it is " +
                           std::string{to_string(other->state())} + ", " + std::to_string(behind) +
                           " positions behind. Wait until it has caught up.")};
  }
  return {};
}

Result<void> Engine::Runner::swap_live_with(Role role) {
  std::shared_ptr<Lane> live;
  std::shared_ptr<Lane> other;
  {
    const std::lock_guard lock{board_.mutex};
    live = lane(Role::live);
    other = lane(role);
    auto may = may_swap(live.get(), other.get(), role);
    if (!may) return may;
    live->hold();
  }
  auto done = locate(*live, *other);
  if (done) done = wait_for_swap(*live, *other);
  if (done) done = store_swap(live->number(), other->number());
  const std::lock_guard lock{board_.mutex};
  live->let_go();
  return done;
}

// A commit whose answer was lost may have moved the live generation further than anybody knows, and
// readers saw that: the sink is asked again.
Result<void> Engine::Runner::locate(Lane& live, const Lane& other) {
  if (!live.fed()) return {};  // It was looked at, and nothing moves it.
  Lane* told = &live;
  auto located = tell_lane(live, [told] { return told->locate(); });
  if (located || located.error().code == Errc::unavailable) return located;
  // It cannot be opened at all, so it has not moved since the other one began.
  const std::lock_guard lock{board_.mutex};
  if (other.caught_up()) return {};
  return located;
}

// The live generation stands still now. What readers were shown of it, the other must show too.
Result<void> Engine::Runner::wait_for_swap(const Lane& live, const Lane& other) {
  std::unique_lock lock{board_.mutex};
  const auto there = [&] {
    return live.idle() && (live.state() == State::diverged ||
                           other.position() >= std::max(live.position(), live.shown_from()));
  };
  board_.changed.wait_for(lock, promote_wait_max,
                          [&] { return there() || other.stopped_by_error() || !running_; });
  if (!running_) return std::unexpected{error(Errc::shutting_down, "is stopping.")};
  if (other.stopped_by_error()) {
    return std::unexpected{error(Errc::invalid, "keeps its live generation: the other one " +
                                                    std::string{to_string(other.state())} + ". " +
                                                    other.last_error())};
  }
  if (there()) return {};
  return std::unexpected{
      error(Errc::timed_out, "keeps its live generation: the other one did not reach position " +
                                 std::to_string(stele::number(live.position())) +
                                 " in time. It goes on; try again.")};
}

Result<void> Engine::Runner::drop(int generation) {
  return ask([this, generation]() -> Result<void> {
    const Generation* found = catalogue_.find(generation);
    if (found == nullptr) {
      return std::unexpected{
          error(Errc::not_found, "has no generation " + std::to_string(generation) + ".")};
    }
    if (found->role == Role::live) {
      return std::unexpected{error(Errc::invalid, "reads from generation " +
                                                      std::to_string(generation) +
                                                      ", its live one. Promote another first.")};
    }
    const Generation* live = catalogue_.find(Role::live);
    if (found->role == Role::building && live != nullptr && live->code != spec().generation) {
      return std::unexpected{error(Errc::invalid, "needs generation " + std::to_string(generation) +
                                                      ": its live one was built by other code.")};
    }
    Catalogue next = catalogue_;
    std::erase_if(next.generations,
                  [&](const Generation& each) { return each.number == generation; });
    auto saved = save(std::move(next));
    if (!saved) return saved;
    return drop_lane(generation);
  });
}

// The catalogue does not name it any more; if this fails, the next start removes what is left.
Result<void> Engine::Runner::drop_lane(int generation) {
  std::shared_ptr<Lane> dropped;
  {
    const std::lock_guard lock{board_.mutex};
    dropped = lane(generation);
    std::erase(lanes_, dropped);
    std::erase(on_hold_, dropped);
    if (dropped) dropped->ask_to_stop();
  }
  if (dropped) {
    shared_.store.wake();
    dropped->stop();
    dropped.reset();
  }
  shared_.logger.info("A generation was dropped.",
                      {{"projection", std::string_view{spec().name}}, {"generation", generation}});
  return generations_->drop(spec().name, generation);
}

// Told to the lane itself: a long one must not keep other orders waiting.
Result<void> Engine::Runner::retry(std::string_view key) {
  const auto order = std::make_shared<Lane::Order>();
  std::shared_ptr<Lane> live;  // Before the lock: it must not end with the mutex held.
  std::unique_lock lock{board_.mutex};
  if (!running_) {
    return std::unexpected{
        error(Errc::unavailable, "does not run in this process. Ask the one with role projector.")};
  }
  live = lane(Role::live);
  if (!live || !live->parked().contains(key)) {
    return std::unexpected{
        error(Errc::not_found, "has no parked key \"" + std::string{key} + "\".")};
  }
  if (!live->fed()) {
    return std::unexpected{error(Errc::invalid,
                                 "shows rows of other code, which this program "
                                 "cannot continue. New ones are being built.")};
  }
  order->part = [told = live.get(), name = std::string{key}] { return told->retry(name); };
  live->take(order);
  lock.unlock();
  shared_.store.wake();
  lock.lock();
  board_.changed.wait_for(lock, verb_wait_max, [&] { return order->answer.has_value(); });
  if (order->answer) return *order->answer;
  return std::unexpected{
      error(Errc::timed_out, "is still retrying that key, and goes on. See its parked keys.")};
}

}  // namespace stele::projection
