// Module: log
// Builds the index of an open segment from its groups while the log is opened: hashing and indexing
// take as long as reading and checking do, so a long segment gets a second thread for them.

#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "log/open_segment.h"
#include "log/segment_scan.h"

namespace stele::log {

/// Used by one thread. The segment must outlive it; nobody else may look at its index before
/// `finish`.
class FrameIndexer {
 public:
  explicit FrameIndexer(OpenSegment& segment) : segment_{segment} {}
  ~FrameIndexer();
  FrameIndexer(const FrameIndexer&) = delete;
  FrameIndexer& operator=(const FrameIndexer&) = delete;

  /// Takes good groups, in order.
  void add(ScannedGroup group);
  /// Returns when all that was taken is in the index.
  void finish();

 private:
  struct Hashed {
    std::vector<IndexedEvent> events = {};
    std::vector<KeyHash> tags = {};  // What the events view: moves with them.
    KeyHash id = 0;
    std::uint32_t offset = 0;
  };
  void index(const ScannedGroup& group);
  void index(const FrameView& frame, std::uint32_t offset);
  void flush();
  void hand_over();
  void run();

  OpenSegment& segment_;
  std::vector<ScannedGroup> batch_;
  std::size_t batch_frames_ = 0;
  std::size_t frames_ = 0;
  std::thread thread_;

  // Of the thread that indexes:
  Hashed pending_;
  Hashed next_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::vector<ScannedGroup>> batches_;  // Guarded by mutex_, as is the next.
  bool ended_ = false;
};

}  // namespace stele::log
