#include "projection/lane.h"

#include <algorithm>
#include <utility>

namespace stele::projection {
namespace {

ProjectionSpec spec_with(ProjectionSpec spec, int generation) {
  spec.generation = generation;
  return spec;
}

}  // namespace

std::string text_of(const Error& error) {
  if (error.detail.empty()) return error.message;
  return error.message + " (" + error.detail + ")";
}

Engine::Lane::Lane(Shared& shared, Board& board, std::unique_ptr<Projection> projection,
                   std::unique_ptr<Sink> sink, const Generation& generation,
                   ProjectionOptions options, bool catching_up)
    : shared_{shared},
      board_{board},
      projection_{std::move(projection)},
      spec_{spec_with(projection_->spec(), generation.number)},
      code_{generation.code},
      options_{options},
      catching_up_{catching_up},
      sink_{std::move(sink)},
      batch_max_{options_.batch_events_max > 0 ? options_.batch_events_max
                                               : shared_.options.batch_events_max} {}

void Engine::Lane::look() {
  auto known = open_sink();
  if (known && held_) known = shared_.store.check(*held_);
  sink_open_ = false;
  const std::lock_guard lock{board_.mutex};
  state_ = State::paused;
  if (known) {
    position_ = at_;
    shown_from_ = sink_->shown_from();
  } else {  // A position of another log says nothing here.
    attempts_ = 1;
    error_ = known.error();
  }
}

void Engine::Lane::start(bool paused, bool on_hold) {
  {
    const std::lock_guard lock{board_.mutex};
    stopping_ = false;
    paused_ = paused;
    holds_ = on_hold ? 1 : 0;
    idle_ = false;
    state_ = paused ? State::paused : State::running;
  }
  thread_ = std::thread{[this] { work(); }};
}

void Engine::Lane::ask_to_stop() {
  stopping_ = true;
  called_.notify_all();
}

void Engine::Lane::stop() {
  {
    const std::lock_guard lock{board_.mutex};
    ask_to_stop();
  }
  if (thread_.joinable()) thread_.join();
}

void Engine::Lane::pause() {
  paused_ = true;
  called_.notify_all();
}

void Engine::Lane::resume() {
  paused_ = false;
  retry_now_ = true;
  if (state_ == State::paused || stopped_by_error()) all_is_well();  // Who waits sees it at once.
  called_.notify_all();
}

void Engine::Lane::hold() {
  ++holds_;
  called_.notify_all();
}

void Engine::Lane::let_go() {
  if (holds_ > 0) --holds_;
  called_.notify_all();
}

void Engine::Lane::take(const std::shared_ptr<Order>& order) {
  orders_.push_back(order);
  called_.notify_all();
}

bool Engine::Lane::caught_up() const { return opened_ && position_ >= rebuild_to_; }

bool Engine::Lane::stopped_by_error() const {
  return state_ == State::failed || state_ == State::diverged;
}

std::string Engine::Lane::last_error() const {
  return attempts_ > 0 ? text_of(error_) : std::string{};
}

void Engine::Lane::work() {
  for (Next next = wait_for_work(); next != Next::stop; next = wait_for_work()) {
    if (next == Next::order) {
      carry_out();
      continue;
    }
    const auto done = open_ ? step() : open();
    if (done) continue;
    sink_->abandon();
    open_ = sink_open_ = false;  // The next attempt reads the sink's checkpoint anew: it alone
                                 // decides.
    failed(done.error());
    back_off();
  }
  shared_.reader.leave(this);
  sink_->abandon();
  open_ = sink_open_ = false;
  const std::lock_guard lock{board_.mutex};
  for (const auto& order : std::exchange(orders_, {})) {
    order->answer = fail(Errc::shutting_down,
                         "The projection is stopping. Nothing was lost: ask "
                         "again when it runs.");
  }
  idle_ = true;
  board_.changed.notify_all();
}

Engine::Lane::Next Engine::Lane::wait_for_work() {
  bool left = false;
  std::unique_lock lock{board_.mutex};
  while (!stopping_) {
    const bool yields = std::exchange(order_yields_, false) && may_step();
    if (!orders_.empty() && !yields) {
      idle_ = false;
      return Next::order;
    }
    if (may_step()) {
      if (state_ == State::paused || retry_now_) all_is_well();
      idle_ = false;
      retry_now_ = false;
      return Next::step;
    }
    idle_ = true;
    if (paused_ && !stopped_by_error()) state_ = State::paused;
    board_.changed.notify_all();
    if (!left) {  // A convoy does not wait for who does not move.
      left = true;
      const bool paused = paused_;
      lock.unlock();
      if (paused) shared_.reader.leave(this);
      lock.lock();
      continue;
    }
    called_.wait(lock);
  }
  return Next::stop;
}

// Does a part of the first order. After the last part, or an error, the order is answered.
void Engine::Lane::carry_out() {
  std::shared_ptr<Order> order;
  {
    const std::lock_guard lock{board_.mutex};
    order = orders_.front();
  }
  Result<bool> done = true;
  if (!sink_open_) {
    const auto opened = open_sink();
    if (!opened) done = std::unexpected{opened.error()};
  }
  if (done) done = order->part();
  if (!done) {
    sink_->abandon();
    open_ = sink_open_ = false;
  }
  const std::lock_guard lock{board_.mutex};
  order_yields_ = true;
  if (done && !*done) return;
  orders_.pop_front();
  order->answer = done ? Result<void>{} : std::unexpected{done.error()};
  board_.changed.notify_all();
}

// The sink's own checkpoint decides where to go on, and its records which keys do not.
Result<void> Engine::Lane::open_sink() {
  const auto held = sink_->open(spec_);
  if (!held) return std::unexpected{held.error()};
  auto parked = sink_->parked();
  if (!parked) return std::unexpected{std::move(parked.error())};
  keep_parked(std::move(*parked));
  held_ = *held;
  at_ = held_ ? held_->position : Position{};
  sink_open_ = true;
  return {};
}

// The sink was opened for this order if it was not open.
Result<bool> Engine::Lane::locate() {
  bool ours = true;
  if (held_) {
    const auto checked = shared_.store.check(*held_);
    ours = checked || checked.error().code != Errc::diverged;
  }
  const std::lock_guard lock{board_.mutex};
  if (ours) {
    position_ = at_;
    shown_from_ = sink_->shown_from();
  }
  board_.changed.notify_all();
  return true;
}

Result<void> Engine::Lane::open() {
  if (!sink_open_) {
    auto opened = open_sink();
    if (!opened) return opened;
  }
  if (held_) {
    auto checked = shared_.store.check(*held_);
    if (!checked) return checked;
  }
  open_ = true;
  const Position log_end = shared_.store.log_end();
  const auto next = shared_.store.read_all(at_, {}, 1);
  if (!next) return std::unexpected{next.error()};

  bool behind = false;
  {
    const std::lock_guard lock{board_.mutex};
    position_ = at_;
    shown_from_ = sink_->shown_from();
    shown_ = next->events.empty() ? shared_.clock.now() : next->events[0].recorded_at;
    if (at_ == Position{} || (catching_up_ && !opened_)) {
      rebuild_to_ = std::max(rebuild_to_, log_end);
    }
    rebuild_to_ = std::max(rebuild_to_, shown_from_);
    opened_ = true;
    behind = position_ < rebuild_to_;
    if (attempts_ == 0) all_is_well();  // Else only when the batch that failed goes through.
    board_.changed.notify_all();
    if (!behind) board_.told.notify_all();
  }
  if (behind) shared_.reader.join(this, at_);
  return {};
}

void Engine::Lane::gather() {
  if (!std::exchange(gathers_, false)) return;
  std::unique_lock lock{board_.mutex};
  called_.wait_for(lock, shared_.options.gather_time, [this] {
    return board_.waiting > 0 || stopping_ || !may_step() || !orders_.empty();
  });
}

Result<void> Engine::Lane::step() {
  gather();
  const auto page = shared_.reader.read(at_, this);
  if (!page) return std::unexpected{page.error()};
  if ((*page)->looked_to > at_) return apply(**page);
  {
    const std::lock_guard lock{board_.mutex};
    shown_ = std::max(shown_, shared_.clock.now());
    all_is_well();
    if (!orders_.empty() || stopping_ || !may_step()) return {};
  }
  (void)shared_.store.wait(at_, shared_.options.log_wait_max);
  return {};
}

Result<Checkpoint> Engine::Lane::checkpoint_at(Position to, const SharedPage& page) const {
  const auto at = std::ranges::lower_bound(page.newest, to, {}, &EventView::position);
  if (at == page.newest.end() || at->position != to) return shared_.store.checkpoint_at(to);
  return Checkpoint{.log = shared_.store.log_id(),
                    .epoch = shared_.store.epoch(),
                    .position = to,
                    .fingerprint = at->id};
}

void Engine::Lane::advance(const SharedPage& page, Position to, std::size_t applied) {
  const Timestamp now = shared_.clock.now();
  const std::uint64_t passed = stele::number(to) - stele::number(at_);
  at_ = to;
  gathers_ = to >= page.log_end && passed < batch_max_ / 2;
  bool arrived = false;
  {
    const std::lock_guard lock{board_.mutex};
    arrived = position_ < rebuild_to_ && to >= rebuild_to_;
    position_ = to;
    if (to >= shown_from_) shown_from_ = {};
    all_is_well();
    rate_.add(now, passed);
    if (to >= page.log_end) {
      shown_ = std::max(shown_, now);
    } else if (applied > 0) {
      shown_ = std::max(shown_, chosen_[applied - 1]->recorded_at);
    }
    board_.changed.notify_all();
    if (arrived) board_.told.notify_all();
  }
  if (arrived) shared_.reader.leave(this);
}

// (held)
void Engine::Lane::all_is_well() {
  attempts_ = 0;
  state_ = position_ < rebuild_to_ ? State::rebuilding : State::running;
}

void Engine::Lane::failed(const Error& error) {
  bool tell = false;
  {
    const std::lock_guard lock{board_.mutex};
    ++attempts_;
    error_ = error;
    const State before = state_;
    if (error.code == Errc::diverged) state_ = State::diverged;
    if (attempts_ >= shared_.options.attempts_max && state_ != State::diverged) {
      state_ = State::failed;
    }
    tell = attempts_ == 1 || before != state_;
    board_.changed.notify_all();
  }
  shared_.reader.leave(this);
  if (!tell) return;
  shared_.logger.error("A projection could not apply a batch.",
                       {{"projection", std::string_view{spec_.name}},
                        {"generation", spec_.generation},
                        {"position", stele::number(at_)},
                        {"error", std::string_view{error.message}},
                        {"detail", std::string_view{error.detail}}});
}

// A diverged projection waits for a person. A failed one too, unless its error may pass by itself
// (a server that is away): then it goes on trying, at the longest back-off.
void Engine::Lane::back_off() {
  std::unique_lock lock{board_.mutex};
  const auto called = [this] {
    return stopping_ || paused_ || holds_ > 0 || retry_now_ || !orders_.empty();
  };
  if (state_ == State::diverged || (state_ == State::failed && !error_.retryable())) {
    idle_ = true;
    board_.changed.notify_all();
    called_.wait(lock, called);
  } else {
    const EngineOptions& options = shared_.options;
    const auto doubled = options.backoff_first * (1U << std::min(attempts_ - 1, 16U));
    called_.wait_for(lock, std::min<std::chrono::microseconds>(doubled, options.backoff_max),
                     called);
  }
  if (retry_now_) all_is_well();
}

void Engine::Lane::keep_parked(std::vector<Parked> parked) {
  std::map<std::string, Parked, std::less<>> kept;
  for (Parked& each : parked) {
    std::string key = each.key;
    kept.emplace(std::move(key), std::move(each));
  }
  const std::lock_guard lock{board_.mutex};
  parked_ = std::move(kept);
}

GenerationStatus Engine::Lane::status(Position log_end, Timestamp now) const {
  GenerationStatus status{.generation = spec_.generation,
                          .code = code_,
                          .state = state_,
                          .position = position_,
                          .events_per_second = rate_.per_second(now),
                          .parked = parked_.size(),
                          .attempts = attempts_,
                          .last_error = last_error()};
  const Position end = std::max(log_end, position_);
  status.lag_events = stele::number(end) - stele::number(position_);
  if (status.lag_events == 0) return status;
  status.lag_seconds =
      opened_ ? std::max(0.0, static_cast<double>((now - shown_).count()) / 1e6) : 0.0;
  status.percent = 100.0 * static_cast<double>(stele::number(position_)) /
                   static_cast<double>(stele::number(end));
  if (status.events_per_second > 0) {
    status.seconds_left = static_cast<double>(status.lag_events) / status.events_per_second;
  }
  return status;
}

}  // namespace stele::projection
