#include "projection/runner.h"

#include <algorithm>
#include <utility>

namespace stele::projection {
namespace {

std::string text_of(const Error& error) {
  if (error.detail.empty()) return error.message;
  return error.message + " (" + error.detail + ")";
}

}  // namespace

Engine::Runner::Runner(Shared& shared, std::unique_ptr<Projection> projection,
                       std::unique_ptr<Sink> sink)
    : shared_{shared}, projection_{std::move(projection)}, sink_{std::move(sink)} {}

void Engine::Runner::start() {
  {
    const std::lock_guard lock{mutex_};
    if (wish_ != Wish::stop) return;
    wish_ = Wish::run;
    state_ = State::running;
    position_ = {};  // Known again when the sink is opened.
    attempts_ = 0;
  }
  thread_ = std::thread{[this] { work(); }};
}

void Engine::Runner::ask_to_stop() {
  const std::lock_guard lock{mutex_};
  wish_ = Wish::stop;
  changed_.notify_all();
}

void Engine::Runner::stop() {
  ask_to_stop();
  if (thread_.joinable()) thread_.join();
}

void Engine::Runner::pause() {
  const std::lock_guard lock{mutex_};
  if (wish_ == Wish::run) wish_ = Wish::pause;
  changed_.notify_all();
}

void Engine::Runner::resume() {
  const std::lock_guard lock{mutex_};
  if (wish_ == Wish::stop) return;
  wish_ = Wish::run;
  retry_now_ = true;
  changed_.notify_all();
}

void Engine::Runner::work() {
  while (wait_for_run()) {
    const auto done = open_ ? step() : open();
    if (done) continue;
    sink_->abandon();
    open_ = false;  // The next attempt reads the sink's checkpoint anew: it alone decides.
    failed(done.error());
    back_off();
  }
  sink_->abandon();
  open_ = false;
}

// The sink's own checkpoint decides where to go on.
Result<void> Engine::Runner::open() {
  const auto held = sink_->open(projection_->spec());
  if (!held) return std::unexpected{held.error()};
  if (*held) {
    const auto checked = shared_.store.check(**held);
    if (!checked) return checked;
  }
  at_ = *held ? (*held)->position : Position{};
  open_ = true;
  const Position log_end = shared_.store.log_end();
  const auto next = shared_.store.read_all(at_, {}, 1);
  if (!next) return std::unexpected{next.error()};

  const std::lock_guard lock{mutex_};
  position_ = at_;
  shown_ = next->events.empty() ? shared_.clock.now() : next->events[0].recorded_at;
  if (at_ == Position{} && log_end > Position{}) rebuild_to_ = log_end;
  if (attempts_ == 0) all_is_well();  // Else only when the batch that failed goes through.
  changed_.notify_all();
  return {};
}

Result<void> Engine::Runner::step() {
  const auto page = shared_.reader.read(at_);
  if (!page) return std::unexpected{page.error()};
  if ((*page)->looked_to > at_) return apply(**page);
  {
    const std::lock_guard lock{mutex_};
    shown_ = std::max(shown_, shared_.clock.now());
    all_is_well();
  }
  (void)shared_.store.wait(at_, shared_.options.log_wait_max);
  return {};
}

// Applies a page. When one of its events cannot be applied, what comes before it is stored first,
// so that the read model stands exactly there and its status names that event.
Result<void> Engine::Runner::apply(const SharedPage& page) {
  std::optional<Error> stopped = select(page);
  if (stopped && chosen_.empty()) return std::unexpected{std::move(*stopped)};
  std::size_t count = chosen_.size();
  Position to = stopped ? chosen_.back()->position : page.looked_to;
  while (true) {
    auto begun = sink_->begin();
    if (!begun) return begun;
    const auto projected = projection_->project(std::span{chosen_}.first(count), *sink_);
    if (projected) break;
    sink_->abandon();
    const ProjectFailure& failure = projected.error();
    if (!failure.index) return std::unexpected{failure.error};
    if (*failure.index == 0) return std::unexpected{failure.error};
    stopped = failure.error;
    count = *failure.index;
    to = Position{number(chosen_[count]->position) - 1};
  }
  const auto checkpoint = checkpoint_at(to, page);
  if (!checkpoint) return std::unexpected{checkpoint.error()};
  auto committed = sink_->commit(*checkpoint);
  if (!committed) return committed;
  advance(page, to, count);
  if (stopped) return std::unexpected{std::move(*stopped)};
  return {};
}

// Chooses the events to apply. An event at or before the checkpoint was applied already: it is
// never told twice. Ends before an event that an upcaster could not read, and returns its error.
std::optional<Error> Engine::Runner::select(const SharedPage& page) {
  chosen_.clear();
  const Filter& filter = projection_->spec().filter;
  for (const EventView& event : page.newest) {
    if (event.position <= at_ || !filter.matches(event)) continue;
    const auto broken = page.broken.find(event.position);
    if (broken != page.broken.end()) return broken->second;
    chosen_.push_back(&event);
  }
  return std::nullopt;
}

Result<Checkpoint> Engine::Runner::checkpoint_at(Position to, const SharedPage& page) const {
  const auto at = std::ranges::lower_bound(page.newest, to, {}, &EventView::position);
  if (at == page.newest.end() || at->position != to) return shared_.store.checkpoint_at(to);
  return Checkpoint{.log = shared_.store.log_id(),
                    .epoch = shared_.store.epoch(),
                    .position = to,
                    .fingerprint = at->id};
}

void Engine::Runner::advance(const SharedPage& page, Position to, std::size_t applied) {
  const Timestamp now = shared_.clock.now();
  const std::uint64_t passed = number(to) - number(at_);
  at_ = to;

  const std::lock_guard lock{mutex_};
  position_ = to;
  all_is_well();
  rate_.add(now, passed);
  if (to >= page.log_end) {
    shown_ = std::max(shown_, now);
  } else if (applied > 0) {
    shown_ = std::max(shown_, chosen_[applied - 1]->recorded_at);
  }
  changed_.notify_all();
}

void Engine::Runner::all_is_well() {
  attempts_ = 0;
  state_ = position_ < rebuild_to_ ? State::rebuilding : State::running;
}

// True when there is work to do; false to end the thread.
bool Engine::Runner::wait_for_run() {
  std::unique_lock lock{mutex_};
  if (wish_ == Wish::pause) {
    state_ = State::paused;
    changed_.notify_all();
    changed_.wait(lock, [this] { return wish_ != Wish::pause; });
    if (wish_ == Wish::run) all_is_well();
  }
  retry_now_ = false;
  return wish_ == Wish::run;
}

void Engine::Runner::failed(const Error& error) {
  bool tell = false;
  {
    const std::lock_guard lock{mutex_};
    ++attempts_;
    error_ = error;
    const State before = state_;
    if (error.code == Errc::diverged) state_ = State::diverged;
    if (attempts_ >= shared_.options.attempts_max && state_ != State::diverged) {
      state_ = State::failed;
    }
    tell = attempts_ == 1 || before != state_;
    changed_.notify_all();
  }
  if (!tell) return;
  shared_.logger.error("A projection could not apply a batch.",
                       {{"projection", std::string_view{projection_->spec().name}},
                        {"position", number(at_)},
                        {"error", std::string_view{error.message}},
                        {"detail", std::string_view{error.detail}}});
}

// A diverged projection waits for a person. A failed one too, unless its error may pass by itself
// (a server that is away): then it goes on trying, at the longest back-off.
void Engine::Runner::back_off() {
  std::unique_lock lock{mutex_};
  const auto called = [this] { return wish_ != Wish::run || retry_now_; };
  if (state_ == State::diverged || (state_ == State::failed && !error_.retryable())) {
    changed_.wait(lock, called);
  } else {
    const EngineOptions& options = shared_.options;
    const auto doubled = options.backoff_first * (1U << std::min(attempts_ - 1, 16U));
    changed_.wait_for(lock, std::min<std::chrono::microseconds>(doubled, options.backoff_max),
                      called);
  }
  if (retry_now_) all_is_well();
}

Status Engine::Runner::status() const {
  const Timestamp now = shared_.clock.now();
  const Position log_end = shared_.store.log_end();
  const std::lock_guard lock{mutex_};
  Status status{.name = projection_->spec().name,
                .generation = projection_->spec().generation,
                .state = state_,
                .position = position_,
                .log_end = std::max(log_end, position_),
                .events_per_second = rate_.per_second(now),
                .attempts = attempts_};
  if (attempts_ > 0) status.last_error = text_of(error_);
  status.lag_events = number(status.log_end) - number(position_);
  if (status.lag_events == 0) return status;
  status.lag_seconds = std::max(0.0, static_cast<double>((now - shown_).count()) / 1e6);
  status.percent =
      100.0 * static_cast<double>(number(position_)) / static_cast<double>(number(status.log_end));
  if (status.events_per_second > 0) {
    status.seconds_left = static_cast<double>(status.lag_events) / status.events_per_second;
  }
  return status;
}

std::optional<Error> Engine::Runner::why_not_waiting() const {
  const std::string& name = projection_->spec().name;
  if (wish_ == Wish::stop) {
    return Error{.code = Errc::shutting_down,
                 .message = "Projection \"" + name + "\" is stopping. Retry when it runs again."};
  }
  if (state_ == State::running || state_ == State::rebuilding) return std::nullopt;
  return Error{.code = Errc::unavailable,
               .message = "Projection \"" + name + "\" is " + std::string{to_string(state_)} +
                          " at position " + std::to_string(number(position_)) +
                          ". See its status, and resume it.",
               .detail = attempts_ > 0 ? text_of(error_) : std::string{}};
}

Result<Position> Engine::Runner::wait_until(Position position,
                                            std::chrono::microseconds timeout) const {
  std::unique_lock lock{mutex_};
  std::optional<Error> hopeless;
  const bool done = changed_.wait_for(lock, timeout, [&] {
    if (position_ >= position) return true;
    hopeless = why_not_waiting();
    return hopeless.has_value();
  });
  if (position_ >= position) return position_;
  if (done) return std::unexpected{std::move(*hopeless)};
  return fail(Errc::timed_out, "Projection \"" + projection_->spec().name +
                                   "\" stands at position " + std::to_string(number(position_)) +
                                   " and has not yet reached " + std::to_string(number(position)) +
                                   ". Retry soon.");
}

}  // namespace stele::projection
