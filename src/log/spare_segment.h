// Module: log
// The next segment's file, made ahead: filled with zeros and synced, so that a group's sync never
// has to extend a file, and a full disk is met here and not in the middle of an append.
//
//   "used.tmp"      the file of a segment that was sealed since; removed on opening
//   "spare.tmp"     being filled; removed on opening
//   "spare.ready"   whole and synced; taken over on opening
//   "next.tmp"      taken, getting its header; removed on opening

#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "log/disk.h"

namespace stele::log {

inline constexpr std::uint64_t spare_chunk_size = 2 * 1'024 * 1'024;  ///< Bytes between syncs.

class SpareSegment {
 public:
  /// `pace` is called between chunks while nobody waits for the file; it may sleep; false = stop.
  SpareSegment(Disk& disk, std::string folder, std::uint64_t size, std::function<bool()> pace);

  /// Looks for one that an earlier run left. Errors: `unavailable`.
  [[nodiscard]] Result<void> adopt();

  [[nodiscard]] bool ready() const;

  /// Makes one if there is none. Errors: `read_only` (the disk has no room), `unavailable`.
  [[nodiscard]] Result<void> make();

  /// A file of a sealed segment's, by the name `used_path()`, to be filled and used again: that is
  /// cheaper than a new one, whose space must be found. `is_free` tells whether nobody reads it any
  /// more; called under a lock, it must call nothing here.
  void offer(std::function<bool()> is_free);
  [[nodiscard]] bool has_used() const;
  /// Removes it, if there is one.
  void drop_used();
  [[nodiscard]] std::string used_path() const { return folder_ + "/used.tmp"; }

  struct Taken {
    std::unique_ptr<File> file;
    std::uint64_t size = 0;
  };
  /// Gives the file away, named `taken_path()`; at least `size_min` bytes. Waits for one that
  /// is being made, makes one if there is none. Errors: as `make`.
  [[nodiscard]] Result<Taken> take(std::uint64_t size_min);

  [[nodiscard]] std::string taken_path() const { return folder_ + "/next.tmp"; }

 private:
  [[nodiscard]] std::string ready_path() const { return folder_ + "/spare.ready"; }
  [[nodiscard]] Result<void> fill();
  [[nodiscard]] std::unique_ptr<File> reuse(const std::string& path);
  [[nodiscard]] Result<std::unique_ptr<File>> create(const std::string& path);
  [[nodiscard]] Result<void> fill_file(File& file);

  Disk& disk_;
  const std::string folder_;
  const std::uint64_t size_;
  const std::function<bool()> pace_;
  std::atomic<bool> urgent_{false};
  mutable std::mutex mutex_;
  std::condition_variable made_;
  bool making_ = false;                 // Guarded by mutex_.
  std::function<bool()> used_is_free_;  // Guarded by mutex_. Empty: there is none.
  std::unique_ptr<File> file_;          // Guarded by mutex_.
  std::uint64_t file_size_ = 0;         // Guarded by mutex_.
};

}  // namespace stele::log
