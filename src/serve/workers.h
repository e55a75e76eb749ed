// A few threads that run jobs which may wait, in the order given, from one bounded queue.

#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace stele::serve {

/// Thread-safe. Jobs must not throw.
class Workers {
 public:
  using Job = std::move_only_function<void()>;

  /// At most `queue_max` jobs of `try_post` wait.
  Workers(std::size_t threads, std::size_t queue_max);
  ~Workers();  ///< Stops.
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// False, and the job is dropped, when the queue is full or the workers have stopped.
  [[nodiscard]] bool try_post(Job job);
  /// For jobs whose number is bounded elsewhere (one a stream, one a connection). After `stop` the
  /// job is dropped.
  void post(Job job);

  /// Runs what waits, and joins. Again: nothing.
  void stop();

  [[nodiscard]] std::size_t waiting() const;

 private:
  void run();

  const std::size_t queue_max_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;  // Guarded by mutex_.
  bool stopped_ = false;  // Guarded by mutex_.
  std::vector<std::thread> threads_;
};

}  // namespace stele::serve
