#include "serve/workers.h"

#include <utility>

namespace stele::serve {

Workers::Workers(std::size_t threads, std::size_t queue_max) : queue_max_{queue_max} {
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

Workers::~Workers() { stop(); }

bool Workers::try_post(Job job) {
  {
    const std::lock_guard lock{mutex_};
    if (stopped_ || jobs_.size() >= queue_max_) return false;
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
  return true;
}

void Workers::post(Job job) {
  {
    const std::lock_guard lock{mutex_};
    if (stopped_) return;
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void Workers::stop() {
  {
    const std::lock_guard lock{mutex_};
    stopped_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

std::size_t Workers::waiting() const {
  const std::lock_guard lock{mutex_};
  return jobs_.size();
}

void Workers::run() {
  std::unique_lock lock{mutex_};
  while (true) {
    wake_.wait(lock, [this] { return stopped_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    {
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
    }  // What the job held is released without the lock.
    lock.lock();
  }
}

}  // namespace stele::serve
