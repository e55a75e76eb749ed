// Module: log
// The work behind the appends: the next segment's file is made ahead, full segments are sealed. A
// thread of low priority each, or `tick` by hand.

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "log/block_cache.h"
#include "log/disk.h"
#include "log/log.h"
#include "log/spare_segment.h"
#include "log/tail.h"

namespace stele::log {

class Housekeeping {
 public:
  Housekeeping(Disk& disk, std::string folder, const Options& options,
               std::shared_ptr<BlockCache> cache, Tail& tail, SpareSegment& spare);
  ~Housekeeping();
  Housekeeping(const Housekeeping&) = delete;
  Housekeeping& operator=(const Housekeeping&) = delete;

  [[nodiscard]] bool has_thread() const { return options_.background; }
  void start();
  /// Ends the threads; what they are at is given up.
  void stop();

  /// One round: a spare if one is wanted, one segment sealed if one is full. Errors: of the first
  /// that failed; `read_only` is also told to the tail.
  [[nodiscard]] Result<void> tick();

  /// Between the pieces of a spare: leaves the disk to appends for a moment. False = stop.
  [[nodiscard]] bool pace_fill() const;

 private:
  [[nodiscard]] Result<void> make_spare() const;
  [[nodiscard]] Result<void> seal_one();
  [[nodiscard]] Result<void> seal_all();
  [[nodiscard]] bool pace_seal() const;
  void run(const char* name, const std::function<Result<void>()>& round);

  Disk& disk_;
  const std::string folder_;
  const Options options_;
  const std::shared_ptr<BlockCache> cache_;
  Tail& tail_;
  SpareSegment& spare_;
  std::size_t rounds_with_used_ = 0;  // Of the thread that seals.
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable stop_;
  std::thread filling_;
  std::thread sealing_;
};

}  // namespace stele::log
