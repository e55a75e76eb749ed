// Wakes those who wait for the log to grow: one thread waits on the store for all of them.

#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "stele/event_store.h"

namespace stele::serve {

/// Thread-safe.
class Tail {
 public:
  using Clock = std::chrono::steady_clock;

  /// `store` must outlive it.
  explicit Tail(const EventStore& store);
  ~Tail();  ///< Calls everyone who still waits.
  Tail(const Tail&) = delete;
  Tail& operator=(const Tail&) = delete;

  /// Calls `wake` once: when the log's end is past `after`, at `until`, or when this stops; from
  /// the tail's thread, or at once from the caller's. It must be quick and must not throw.
  /// Precision of `until`: 50 ms.
  void when_past(Position after, Clock::time_point until, std::function<void()> wake);

 private:
  struct Waiter {
    Position after;
    Clock::time_point until;
    std::function<void()> wake;
  };
  void run();

  const EventStore& store_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Waiter> waiters_;  // Guarded by mutex_.
  bool stopped_ = false;         // Guarded by mutex_.
  std::thread thread_;
};

}  // namespace stele::serve
