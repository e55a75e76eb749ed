// A few threads that run tasks in the order they came. Whoever posts bounds how many wait.

#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace stele::decide {

class WorkerPool {
 public:
  using Task = std::move_only_function<void()>;

  explicit WorkerPool(std::size_t threads);
  ~WorkerPool();  // Stops.
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void post(Task task);
  void stop();  // Runs what waits, then ends the threads. Nothing may be posted afterwards.

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<Task> tasks_;  // Guarded by mutex_.
  bool stopping_ = false;   // Guarded by mutex_.
  std::vector<std::thread> threads_;
};

}  // namespace stele::decide
