#include "log/spare_segment.h"

#include <algorithm>
#include <utility>

namespace stele::log {

SpareSegment::SpareSegment(Disk& disk, std::string folder, std::uint64_t size,
                           std::function<bool()> pace)
    : disk_{disk}, folder_{std::move(folder)}, size_{size}, pace_{std::move(pace)} {}

Result<void> SpareSegment::adopt() {
  auto file = disk_.open(ready_path(), OpenMode::write);
  if (!file) {
    if (file.error().code == Errc::not_found) return {};
    return std::unexpected{file.error()};
  }
  const auto size = (*file)->size();
  if (!size) return std::unexpected{size.error()};
  // One of another size is made anew: the log was opened with another segment size.
  if (*size != size_) {
    file->reset();
    return disk_.remove(ready_path());
  }
  const std::lock_guard lock{mutex_};
  file_ = std::move(*file);
  file_size_ = *size;
  return {};
}

bool SpareSegment::ready() const {
  const std::lock_guard lock{mutex_};
  return file_ != nullptr;
}

Result<void> SpareSegment::make() {
  {
    std::unique_lock lock{mutex_};
    made_.wait(lock, [&] { return !making_; });
    if (file_) return {};
    making_ = true;
  }
  auto done = fill();
  const std::lock_guard lock{mutex_};
  making_ = false;
  made_.notify_all();
  return done;
}

void SpareSegment::offer(std::function<bool()> is_free) {
  const std::lock_guard lock{mutex_};
  used_is_free_ = std::move(is_free);
}

bool SpareSegment::has_used() const {
  const std::lock_guard lock{mutex_};
  return used_is_free_ != nullptr;
}

void SpareSegment::drop_used() {
  const std::lock_guard lock{mutex_};
  if (!used_is_free_) return;
  used_is_free_ = nullptr;
  (void)disk_.remove(used_path());  // At worst the next opening does it.
}

/// The used file by its new name; none if there is none that fits, and nobody reads it.
std::unique_ptr<File> SpareSegment::reuse(const std::string& path) {
  {
    const std::lock_guard lock{mutex_};
    if (!used_is_free_ || !used_is_free_()) return nullptr;
    used_is_free_ = nullptr;
  }
  if (!disk_.rename(used_path(), path)) return nullptr;
  auto file = disk_.open(path, OpenMode::write);
  if (!file) return nullptr;
  const auto size = (*file)->size();
  return size && *size == size_ ? std::move(*file) : nullptr;
}

Result<std::unique_ptr<File>> SpareSegment::create(const std::string& path) {
  // A quarter more than needed stays free: for indexes, sealed files, and the user's own work.
  auto free = disk_.free_bytes(folder_);
  if (free && *free < size_ + size_ / 4 && has_used()) {
    drop_used();
    free = disk_.free_bytes(folder_);
  }
  if (!free) return std::unexpected{free.error()};
  if (*free < size_ + size_ / 4) {
    return fail(Errc::read_only,
                "The disk is full: \"" + folder_ + "\" has " + std::to_string(*free) +
                    " bytes free; the next segment needs " + std::to_string(size_ + size_ / 4) +
                    ". Appends go on by themselves once there is space.");
  }
  return disk_.open(path, OpenMode::create);
}

Result<void> SpareSegment::fill() {
  const std::string path = folder_ + "/spare.tmp";
  Result<std::unique_ptr<File>> file = reuse(path);
  if (!*file) file = create(path);
  if (!file) return std::unexpected{file.error()};
  auto done = fill_file(**file);
  if (done) done = disk_.rename(path, ready_path());
  if (!done) {
    file->reset();
    (void)disk_.remove(path);  // The first error is the one to tell.
    return done;
  }
  const std::lock_guard lock{mutex_};
  file_ = std::move(*file);
  file_size_ = size_;
  return {};
}

Result<void> SpareSegment::fill_file(File& file) {
  for (std::uint64_t at = 0; at < size_; at += spare_chunk_size) {
    if (auto done = file.zero_fill(at, std::min(spare_chunk_size, size_ - at)); !done) return done;
    if (auto done = file.sync(); !done) return done;
    if (!urgent_.load() && pace_ && !pace_()) {
      return fail(Errc::shutting_down, "The log is closing.");
    }
  }
  return {};
}

Result<SpareSegment::Taken> SpareSegment::take(std::uint64_t size_min) {
  urgent_.store(true);
  auto made = make();
  urgent_.store(false);
  if (!made) return std::unexpected{made.error()};
  Taken taken;
  {
    const std::lock_guard lock{mutex_};
    taken = {.file = std::move(file_), .size = file_size_};
  }
  // Its name is free again at once, for the next one.
  auto done = disk_.rename(ready_path(), taken_path());
  if (done && taken.size < size_min) {
    done = taken.file->zero_fill(taken.size, size_min - taken.size);
    if (done) done = taken.file->sync();
    taken.size = size_min;
  }
  if (!done) {
    taken.file.reset();
    (void)disk_.remove(taken_path());  // The first error is the one to tell.
    return std::unexpected{done.error()};
  }
  return taken;
}

}  // namespace stele::log
