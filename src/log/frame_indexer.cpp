#include "log/frame_indexer.h"

#include <utility>

#include "log/hash_frame.h"

namespace stele::log {
namespace {

constexpr std::size_t alone_frames_max = 4'096;  // Fewer are indexed at once: 2 ms.
constexpr std::size_t batch_frames = 512;        // Handed over together.
constexpr std::size_t batches_max = 8;           // That wait; each keeps at most a few windows.

}  // namespace

FrameIndexer::~FrameIndexer() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock{mutex_};
    batches_.clear();
    ended_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void FrameIndexer::add(ScannedGroup group) {
  if (group.frames.empty()) return;
  frames_ += group.frames.size();
  if (frames_ <= alone_frames_max) return index(group);
  if (!thread_.joinable()) {
    flush();
    thread_ = std::thread{[this] { run(); }};
  }
  batch_frames_ += group.frames.size();
  batch_.push_back(std::move(group));
  if (batch_frames_ >= batch_frames) hand_over();
}

void FrameIndexer::finish() {
  if (!thread_.joinable()) return flush();
  hand_over();
  {
    const std::lock_guard lock{mutex_};
    ended_ = true;
  }
  changed_.notify_all();
  thread_.join();
  flush();
}

void FrameIndexer::hand_over() {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return batches_.size() < batches_max; });
  batches_.push_back(std::exchange(batch_, {}));
  batch_frames_ = 0;
  lock.unlock();
  changed_.notify_all();
}

void FrameIndexer::run() {
  std::unique_lock lock{mutex_};
  while (true) {
    changed_.wait(lock, [this] { return ended_ || !batches_.empty(); });
    if (batches_.empty()) return;
    const std::vector<ScannedGroup> batch = std::move(batches_.front());
    batches_.pop_front();
    lock.unlock();
    changed_.notify_all();
    for (const ScannedGroup& group : batch) index(group);
    lock.lock();
  }
}

void FrameIndexer::index(const ScannedGroup& group) {
  std::uint64_t offset = group.offset;
  for (const FrameView& frame : group.frames) {
    index(frame, static_cast<std::uint32_t>(offset));
    offset += frame.size();
  }
}

// Each frame is added while the memory for the next one is being fetched.
void FrameIndexer::index(const FrameView& frame, std::uint32_t offset) {
  hash_frame(frame, segment_.salt(), next_.events, next_.tags);
  next_.id = key_hash(segment_.salt(), frame.append_id());
  next_.offset = offset;
  segment_.index().prefetch_append(next_.id);
  segment_.index().prefetch(next_.events.front());
  flush();
  std::swap(next_, pending_);
}

// Adds the frame that waits.
void FrameIndexer::flush() {
  if (pending_.events.empty()) return;
  segment_.add_frame(pending_.id, pending_.offset, pending_.events);
  pending_.events.clear();
}

}  // namespace stele::log
