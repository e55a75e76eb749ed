#include "projection/runner.h"

#include <algorithm>
#include <utility>

namespace stele::projection {

Engine::Runner::Runner(Shared& shared, std::unique_ptr<Projection> projection,
                       std::shared_ptr<GenerationStore> generations, ProjectionOptions options)
    : shared_{shared},
      projection_{std::move(projection)},
      generations_{std::move(generations)},
      options_{options} {}

void Engine::Runner::start() {
  std::vector<std::shared_ptr<Lane>> old;  // Lanes end without the mutex, which they take.
  {
    const std::lock_guard lock{board_.mutex};
    if (running_) return;
    running_ = true;
    attempts_ = 0;
    old.swap(lanes_);
    catalogue_ = {};
  }
  thread_ = std::thread{[this] { work(); }};
}

void Engine::Runner::ask_to_stop() {
  const std::lock_guard lock{board_.mutex};
  running_ = false;
  for (const auto& each : lanes_) each->ask_to_stop();
  board_.changed.notify_all();
  board_.told.notify_all();
}

void Engine::Runner::stop() {
  ask_to_stop();
  if (thread_.joinable()) thread_.join();
}

void Engine::Runner::work() {
  bool set = set_up();
  while (set) {
    const auto task = next_task();
    bool again = false;
    {
      const std::lock_guard lock{board_.mutex};
      if (!running_) {
        if (task) tasks_.push_front(task);
        break;
      }
      again = std::exchange(stale_, false);
    }
    if (again) {
      end_lanes();
      set = set_up();
    }
    if (task) {
      answer(*task, task->run());
    } else if (!again) {
      take_over();
    }
  }
  end_lanes();
  const std::lock_guard lock{board_.mutex};
  for (const auto& task : std::exchange(tasks_, {})) {
    task->answer =
        std::unexpected{error(Errc::shutting_down, "is stopping. Ask again when it runs.")};
  }
  board_.changed.notify_all();
}

// Waits for an order; null if there is something else to do.
std::shared_ptr<Engine::Runner::Task> Engine::Runner::next_task() {
  std::unique_lock lock{board_.mutex};
  board_.told.wait(
      lock, [this] { return !running_ || stale_ || !tasks_.empty() || ready_to_take_over(); });
  if (!running_ || stale_ || tasks_.empty()) return nullptr;  // `work` sees which.
  auto task = std::move(tasks_.front());
  tasks_.pop_front();
  return task;
}

void Engine::Runner::answer(Task& task, Result<void> answer) {
  const std::lock_guard lock{board_.mutex};
  task.answer = std::move(answer);
  board_.changed.notify_all();
}

void Engine::Runner::end_lanes() {
  std::vector<std::shared_ptr<Lane>> lanes;
  {
    const std::lock_guard lock{board_.mutex};
    for (const auto& each : lanes_) each->ask_to_stop();
    on_hold_.clear();
    lanes = lanes_;
  }
  shared_.store.wake();
  for (const auto& each : lanes) each->stop();
}

// Reads the catalogue and begins to feed what it names, for as long as it takes. False when asked
// to stop.
bool Engine::Runner::set_up() {
  while (true) {
    const auto done = arrange();
    std::unique_lock lock{board_.mutex};
    if (done) {
      attempts_ = 0;
      return running_;
    }
    if (!running_) return false;
    error_ = done.error();
    if (++attempts_ == 1) {
      shared_.logger.error("A projection's generations could not be read.",
                           {{"projection", std::string_view{spec().name}},
                            {"error", std::string_view{error_.message}},
                            {"detail", std::string_view{error_.detail}}});
    }
    for (const auto& task : std::exchange(tasks_, {})) task->answer = std::unexpected{error_};
    board_.changed.notify_all();
    const EngineOptions& options = shared_.options;
    const auto doubled = options.backoff_first * (1U << std::min(attempts_ - 1, 16U));
    board_.told.wait_for(lock, std::min<std::chrono::microseconds>(doubled, options.backoff_max),
                         [this] { return !running_ || !tasks_.empty(); });
  }
}

Result<void> Engine::Runner::arrange() {
  auto stored = generations_->load(spec().name);
  if (!stored) return std::unexpected{std::move(stored.error())};
  Catalogue next = arranged(*stored);
  if (next != *stored || next.revision == 0) {
    auto saved = save(std::move(next));
    if (!saved) return saved;
  } else {
    const std::lock_guard lock{board_.mutex};
    catalogue_ = std::move(next);
  }
  remove_orphans();
  std::vector<std::shared_ptr<Lane>> lanes;
  for (const Generation& each : catalogue_.generations) {
    auto lane = make_lane(each, each.role == Role::building);
    if (each.code != spec().generation) lane->look();
    lanes.push_back(std::move(lane));
  }
  const bool paused = catalogue_.paused;
  std::vector<std::shared_ptr<Lane>> old = lanes;
  {
    const std::lock_guard lock{board_.mutex};
    if (!running_) return {};
    old.swap(lanes_);  // They end without the mutex, which they take.
    stale_ = false;
    board_.changed.notify_all();
  }
  for (const auto& lane : lanes) {
    if (lane->code() == spec().generation) lane->start(paused, false);
  }
  const std::lock_guard lock{board_.mutex};
  if (!running_) {
    for (const auto& lane : lanes_) lane->ask_to_stop();
  }
  return {};
}

// What the catalogue must be for this program: a generation of its own code is live, or being built
// to take over from one of other code.
Catalogue Engine::Runner::arranged(Catalogue now) const {
  const int code = spec().generation;
  auto& all = now.generations;
  const auto begin = [&](Role role) {
    now.last_number = std::max(code, now.last_number + 1);
    all.push_back({.number = now.last_number, .role = role, .code = code});
  };
  // Nobody can go on building what other code began.
  std::erase_if(all, [&](const Generation& each) {
    return each.role == Role::building && each.code != code;
  });
  const Generation* live = now.find(Role::live);
  if (live == nullptr) {
    all.clear();
    begin(Role::live);
  } else if (live->code != code && now.find(Role::building) == nullptr) {
    const auto kept = std::ranges::find_if(
        all, [&](const Generation& each) { return each.role == Role::kept && each.code == code; });
    if (kept != all.end()) {
      kept->role = Role::building;
    } else {
      begin(Role::building);
    }
  }
  return now;
}

void Engine::Runner::remove_orphans() {
  const auto stored = generations_->list(spec().name);
  if (!stored) return;  // They are looked for again at the next start.
  for (const int number : *stored) {
    if (catalogue_.find(number) != nullptr || number > catalogue_.last_number) continue;
    (void)generations_->drop(spec().name, number);
  }
}

std::shared_ptr<Engine::Lane> Engine::Runner::make_lane(const Generation& generation,
                                                        bool catching_up) const {
  return std::make_shared<Lane>(shared_, board_, projection_->clone(), generations_->make_sink(),
                                generation, options_, catching_up);
}

Result<void> Engine::Runner::save(Catalogue next) {
  ++next.revision;
  auto saved = generations_->save(spec().name, next);
  const std::lock_guard lock{board_.mutex};
  if (saved) {
    catalogue_ = std::move(next);
  } else {
    stale_ = true;
  }
  return saved;
}

bool Engine::Runner::ready_to_take_over() const {
  const Generation* live = catalogue_.find(Role::live);
  const Generation* building = catalogue_.find(Role::building);
  if (live == nullptr || building == nullptr || live->code == spec().generation) return false;
  const auto from = lane(live->number);
  const auto to = lane(building->number);
  return from && to && to->caught_up() && to->position() >= from->position();
}

void Engine::Runner::take_over() {
  int live = 0;
  int building = 0;
  {
    const std::lock_guard lock{board_.mutex};
    if (!ready_to_take_over()) return;
    live = catalogue_.find(Role::live)->number;
    building = catalogue_.find(Role::building)->number;
  }
  const auto swapped = store_swap(live, building);
  if (swapped) return;
  shared_.logger.error("A generation could not take over.",
                       {{"projection", std::string_view{spec().name}},
                        {"generation", building},
                        {"error", std::string_view{swapped.error().message}}});
}

// One atomic step for readers. What was kept until now is two steps back, and goes.
Result<void> Engine::Runner::store_swap(int live, int other) {
  Catalogue next = catalogue_;
  std::optional<int> gone;
  std::erase_if(next.generations, [&](const Generation& each) {
    const bool goes = each.role == Role::kept && each.number != other;
    if (goes) gone = each.number;
    return goes;
  });
  for (Generation& each : next.generations) {
    if (each.number == live) each.role = Role::kept;
    if (each.number == other) each.role = Role::live;
  }
  auto saved = save(std::move(next));
  if (!saved) return saved;
  shared_.logger.info(
      "A generation is live now.",
      {{"projection", std::string_view{spec().name}}, {"generation", other}, {"instead_of", live}});
  {
    const std::lock_guard lock{board_.mutex};
    board_.changed.notify_all();
  }
  if (gone) (void)drop_lane(*gone);  // What is left of it goes at the next start.
  return {};
}

std::shared_ptr<Engine::Lane> Engine::Runner::lane(int generation) const {
  const auto found =
      std::ranges::find(lanes_, generation, [](const auto& each) { return each->number(); });
  return found == lanes_.end() ? nullptr : *found;
}

std::shared_ptr<Engine::Lane> Engine::Runner::lane(Role role) const {
  const Generation* generation = catalogue_.find(role);
  return generation == nullptr ? nullptr : lane(generation->number);
}

Error Engine::Runner::error(Errc code, std::string_view rest) const {
  std::string message = "Projection \"" + spec().name + "\" ";
  message += rest;
  return {.code = code, .message = std::move(message)};
}

Status Engine::Runner::status() const {
  const Timestamp now = shared_.clock.now();
  const Position log_end = shared_.store.log_end();
  const std::lock_guard lock{board_.mutex};
  Status status;
  for (const Role role : {Role::live, Role::building, Role::kept}) {
    const auto each = lane(role);
    if (!each) continue;
    status.generations.push_back(each->status(log_end, now));
    status.generations.back().role = role;
  }
  const auto live = lane(Role::live);
  if (live) {
    static_cast<GenerationStatus&>(status) = status.generations.front();
    const auto building = lane(Role::building);
    if (running_ && live->code() != spec().generation && building) {
      const bool stopped = building->stopped_by_error() || building->state() == State::paused;
      status.state = stopped ? building->state() : State::rebuilding;
      if (stopped) status.last_error = building->last_error();
    }
  } else {
    status.generation = status.code = spec().generation;
    status.state = attempts_ >= shared_.options.attempts_max ? State::failed
                   : running_                                ? State::running
                                                             : State::paused;
    status.attempts = attempts_;
    if (attempts_ > 0) status.last_error = text_of(error_);
    status.lag_events = stele::number(log_end);
    status.percent = status.lag_events == 0 ? 100 : 0;
  }
  status.name = spec().name;
  status.log_end = std::max(log_end, status.position);
  return status;
}

std::vector<Parked> Engine::Runner::parked(std::string_view after, std::size_t limit) const {
  const std::lock_guard lock{board_.mutex};
  std::vector<Parked> list;
  const auto live = lane(Role::live);
  if (!live) return list;
  const auto& all = live->parked();
  for (auto at = all.upper_bound(after); at != all.end() && list.size() < limit; ++at) {
    list.push_back(at->second);
  }
  return list;
}

std::optional<Error> Engine::Runner::why_not_waiting(const Lane* live) const {
  if (!running_) return error(Errc::shutting_down, "is stopping. Retry when it runs again.");
  if (live == nullptr) {
    if (attempts_ < shared_.options.attempts_max) return std::nullopt;
    Error found = error(Errc::unavailable, "could not read its generations. See its status.");
    found.detail = text_of(error_);
    return found;
  }
  const bool moves = live->state() == State::running || live->state() == State::rebuilding;
  // One of other code stands still until the one of this code takes over.
  if (moves || live->code() != spec().generation) return std::nullopt;
  Error found =
      error(Errc::unavailable, "is " + std::string{to_string(live->state())} + " at position " +
                                   std::to_string(stele::number(live->position())) +
                                   ". See its status, and resume it.");
  found.detail = live->last_error();
  return found;
}

Result<Position> Engine::Runner::wait_until(Position position,
                                            std::chrono::microseconds timeout) const {
  std::unique_lock lock{board_.mutex};
  std::optional<Error> hopeless;
  Position at{};
  const auto reached = [&] {
    const auto live = lane(Role::live);
    at = live ? live->position() : Position{};
    return at >= position && (!live || at >= live->shown_from());
  };
  ++board_.waiting;
  if (const auto live = lane(Role::live)) live->hurry();
  const bool done = board_.changed.wait_for(lock, timeout, [&] {
    if (reached()) return true;
    hopeless = why_not_waiting(lane(Role::live).get());
    return hopeless.has_value();
  });
  --board_.waiting;
  if (reached()) return at;
  if (done) return std::unexpected{std::move(*hopeless)};
  return std::unexpected{
      error(Errc::timed_out, "stands at position " + std::to_string(stele::number(at)) +
                                 " and has not yet reached " +
                                 std::to_string(stele::number(position)) + ". Retry soon.")};
}

}  // namespace stele::projection
