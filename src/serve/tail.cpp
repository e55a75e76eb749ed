#include "serve/tail.h"

#include <algorithm>
#include <utility>

namespace stele::serve {
namespace {

constexpr std::chrono::milliseconds look_interval{50};

}  // namespace

Tail::Tail(const EventStore& store) : store_{store}, thread_{[this] { run(); }} {}

Tail::~Tail() {
  {
    const std::lock_guard lock{mutex_};
    stopped_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Tail::when_past(Position after, Clock::time_point until, std::function<void()> wake) {
  std::unique_lock lock{mutex_};
  if (stopped_) {
    lock.unlock();
    return wake();
  }
  waiters_.push_back({.after = after, .until = until, .wake = std::move(wake)});
  lock.unlock();
  changed_.notify_one();
}

void Tail::run() {
  std::vector<Waiter> due;
  Position end = store_.log_end();
  std::unique_lock lock{mutex_};
  while (true) {
    changed_.wait(lock, [this] { return stopped_ || !waiters_.empty(); });
    const auto now = Clock::now();
    const auto is_due = [&](const Waiter& each) {
      return stopped_ || each.after < end || each.until <= now;
    };
    const auto first_due = std::partition(waiters_.begin(), waiters_.end(), std::not_fn(is_due));
    due.assign(std::make_move_iterator(first_due), std::make_move_iterator(waiters_.end()));
    waiters_.erase(first_due, waiters_.end());
    const bool stopping = stopped_;
    lock.unlock();
    for (const Waiter& each : due) each.wake();
    due.clear();
    if (stopping) return;
    end = store_.wait(end, look_interval);
    lock.lock();
  }
}

}  // namespace stele::serve
