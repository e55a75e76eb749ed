// Module: log
// A segment that is not sealed: its file, and the index of its frames in memory. The last one is
// being written; the others are full and wait to be sealed.
//
// Events enter the index when they are *staged*, before they are durable: writers judge on staged
// state, readers see only what `publish` has made known. The owner of the log's tail is the only
// one that adds; everybody may ask.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "log/disk.h"
#include "log/format.h"
#include "log/index_key.h"
#include "log/recent_index.h"

namespace stele::log {

/// Frames in memory that somebody owns.
struct LoadedFrames {
  std::shared_ptr<const void> owner;
  std::vector<FrameView> frames = {};
};

inline constexpr std::size_t run_size_max = 1'024 * 1'024;  ///< Bytes of one read of many frames.

class OpenSegment {
 public:
  /// `capacity` is the size of the file, there or to be made.
  OpenSegment(const SegmentHeader& header, std::string path, std::uint64_t capacity);

  [[nodiscard]] Position first() const noexcept { return first_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] std::uint64_t salt() const noexcept { return salt_; }
  [[nodiscard]] std::uint32_t log_seed() const noexcept { return log_seed_; }
  [[nodiscard]] std::uint32_t segment_seed() const noexcept { return segment_seed_; }

  // For the owner of the tail, who calls them one at a time.

  [[nodiscard]] std::uint64_t capacity() const noexcept { return capacity_; }
  void set_capacity(std::uint64_t capacity) { capacity_ = capacity; }
  [[nodiscard]] bool has_file() const noexcept { return file_ != nullptr; }
  void attach(std::unique_ptr<File> file) { file_ = std::move(file); }
  [[nodiscard]] File& file() { return *file_; }
  /// Without the lock: nobody else adds.
  [[nodiscard]] const RecentIndex& index() const { return index_; }
  void add_frame(KeyHash append_id, std::uint32_t frame_offset,
                 std::span<const IndexedEvent> events);
  /// Makes the first `events` events, which end before byte `end` of the file, known to readers.
  void publish(Ordinal events, std::uint64_t end);

  // For everybody. Only what is durable is seen.

  [[nodiscard]] Ordinal durable_events() const { return durable_events_.load(); }
  [[nodiscard]] std::uint64_t durable_end() const { return durable_end_.load(); }
  [[nodiscard]] Candidates collect(const IndexQuery& query, Ordinal from, std::size_t limit) const;
  [[nodiscard]] std::vector<Ordinal> collect_backward(KeyHash key, Ordinal before,
                                                      std::size_t limit) const;
  /// The frames (named by their first ordinals) that may be of this id.
  [[nodiscard]] std::vector<Ordinal> find_append(KeyHash append_id) const;

  /// The durable state of a stream; none if it has no durable event here. Confirmed by its record.
  /// Errors: `corrupt`, `unavailable`.
  [[nodiscard]] Result<std::optional<StreamEntry>> find_stream(std::string_view name,
                                                               KeyHash hash) const;

  /// The frame that holds a durable event. Errors: `corrupt` (names file and offset),
  /// `unavailable`.
  [[nodiscard]] Result<LoadedFrames> frame_with(Ordinal ordinal) const;

  /// That frame and those after it, at least one, at most about `run_size_max` bytes or `limit`
  /// events.
  [[nodiscard]] Result<LoadedFrames> frames_from(Ordinal ordinal, std::size_t limit) const;

 private:
  [[nodiscard]] Result<LoadedFrames> load(std::uint32_t offset) const;
  [[nodiscard]] Error damaged(std::uint64_t offset, const Error& error) const;

  const Position first_;
  const std::string path_;
  const std::uint64_t salt_;
  const std::uint32_t log_seed_;
  const std::uint32_t segment_seed_;
  std::uint64_t capacity_;
  std::unique_ptr<File> file_;  // Set before anything is published.
  std::atomic<Ordinal> durable_events_{0};
  std::atomic<std::uint64_t> durable_end_{segment_header_size};
  mutable std::mutex mutex_;
  RecentIndex index_;  // Guarded by mutex_, except for its one writer's own reads.
};

}  // namespace stele::log
