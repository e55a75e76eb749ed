#include "log/segment_scan.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>

namespace stele::log {
namespace {

constexpr std::size_t window_size = 256 * 1'024;  // Bytes read at once.

/// Memory of windows that are done with, for the next ones: fresh memory costs more than reading
/// into it. Thread-safe.
class WindowPool : public std::enable_shared_from_this<WindowPool> {
 public:
  /// At least `size` bytes; they come back here when the last owner lets go.
  std::shared_ptr<std::byte[]> take(std::size_t size) {
    if (size > window_size) return std::make_shared_for_overwrite<std::byte[]>(size);
    std::unique_ptr<std::byte[]> bytes;
    {
      const std::lock_guard lock{mutex_};
      if (!free_.empty()) {
        bytes = std::move(free_.back());
        free_.pop_back();
      }
    }
    if (bytes == nullptr) bytes = std::make_unique_for_overwrite<std::byte[]>(window_size);
    return {bytes.release(), [pool = shared_from_this()](std::byte* at) { pool->give_back(at); }};
  }

 private:
  void give_back(std::byte* at) {
    const std::lock_guard lock{mutex_};
    free_.emplace_back(at);
  }
  std::mutex mutex_;
  std::vector<std::unique_ptr<std::byte[]>> free_;
};

/// Reads a file forward in large pieces.
class Window {
 public:
  Window(const File& file, std::uint64_t size) : file_{file}, size_{size} {}

  /// `count` bytes at `offset`, which lie in the file. Valid as long as the `owner` of now.
  Result<std::span<const std::byte>> get(std::uint64_t offset, std::size_t count) {
    if (offset < start_ || offset + count > start_ + filled_) {
      const std::size_t wanted =
          std::min<std::uint64_t>(std::max(count, window_size), size_ - offset);
      bytes_.reset();
      bytes_ = pool_->take(wanted);
      start_ = offset;
      filled_ = 0;
      if (auto read = file_.read_at(offset, {bytes_.get(), wanted}); !read) {
        return std::unexpected{read.error()};
      }
      filled_ = wanted;
    }
    return std::span<const std::byte>{bytes_.get() + (offset - start_), count};
  }
  [[nodiscard]] std::shared_ptr<const void> owner() const { return bytes_; }

 private:
  const File& file_;
  const std::uint64_t size_;
  std::uint64_t start_ = 0;
  std::size_t filled_ = 0;
  std::shared_ptr<WindowPool> pool_ = std::make_shared<WindowPool>();
  std::shared_ptr<std::byte[]> bytes_;
};

bool all_zero(std::span<const std::byte> bytes) {
  return bytes.front() == std::byte{} &&
         std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

class Scanner {
 public:
  Scanner(const File& file, const SegmentHeader& header, std::uint64_t size)
      : header_{header},
        seed_{segment_seed(header.salt, header.first)},
        log_seed_{log_seed(header.salt)},
        window_{file, size} {
    out_.file_size = size;
    out_.next_group = header.first_group;
    out_.last = Position{number(header.first) - 1};
    out_.last_recorded_at = header.last_recorded_at;
    out_.chain = FrameChain{header.chain};
  }

  Result<SegmentScan> run(const GroupVisitor& visit) {
    for (;;) {
      auto good = take_group(visit);
      if (!good) return std::unexpected{good.error()};
      if (!*good) break;
    }
    if (auto done = look_behind(); !done) return std::unexpected{done.error()};
    out_.chain_after = out_.chain.value();
    return std::move(out_);
  }

 private:
  bool bad(std::string why) {
    out_.why = std::move(why);
    return false;
  }

  /// True if there was a good group at `end`.
  Result<bool> take_group(const GroupVisitor& visit) {
    const std::uint64_t at = out_.end;
    if (out_.file_size - at < group_header_size) return bad("The file ends.");
    auto head = window_.get(at, group_header_size);
    if (!head) return std::unexpected{head.error()};
    GroupHeader group;
    if (!decode_group_header(*head, header_.salt, seed_, group)) {
      return bad("There is no group where one should begin.");
    }
    if (group.number != out_.next_group || number(group.first) != number(out_.last) + 1) {
      return bad("A group is out of order.");
    }
    if (group.size > out_.file_size - at) return bad("A group goes past the file's end.");
    auto bytes = window_.get(at, group.size);
    if (!bytes) return std::unexpected{bytes.error()};
    if (!check_frames(group, bytes->subspan(group_header_size))) return false;
    accept(group, visit);
    return true;
  }

  bool check_frames(const GroupHeader& group, std::span<const std::byte> rest) {
    frames_.clear();
    std::uint64_t next = number(group.first);
    Timestamp recorded_at = out_.last_recorded_at;
    while (!rest.empty()) {
      const auto frame = FrameView::parse(rest, log_seed_);
      if (!frame) return bad(frame.error().message);
      if (number(frame->first()) != next) return bad("A frame's position is out of order.");
      if (frame->recorded_at() < recorded_at) return bad("A frame's time goes back.");
      recorded_at = frame->recorded_at();
      next = number(frame->last()) + 1;
      frames_.push_back(*frame);
      rest = rest.subspan(frame->size());
    }
    if (frames_.size() != group.frames) return bad("A group's number of frames is wrong.");
    return true;
  }

  void accept(const GroupHeader& group, const GroupVisitor& visit) {
    if (!frames_.empty()) {
      // Back to back, so they are hashed as one.
      const std::byte* const begin = frames_.front().bytes().data();
      out_.chain.add({begin, group.size - group_header_size});
      out_.last = frames_.back().last();
      out_.last_recorded_at = frames_.back().recorded_at();
    }
    out_.frames += frames_.size();
    ++out_.groups;
    out_.next_group = group.number + 1;
    out_.last_group_at = out_.end;
    out_.last_group_size = std::min(padded(group.size), out_.file_size - out_.end);
    out_.end += out_.last_group_size;
    out_.ends_with_mark = group.frames == 0;
    if (visit && !frames_.empty()) {
      visit({.owner = window_.owner(),
             .frames = std::exchange(frames_, {}),
             .offset = out_.last_group_at + group_header_size});
    }
  }

  /// Looks at everything behind the last good group, page by page.
  Result<void> look_behind() {
    for (std::uint64_t at = out_.end; at < out_.file_size; at += group_alignment) {
      const std::size_t count = std::min<std::uint64_t>(group_alignment, out_.file_size - at);
      const auto page = window_.get(at, count);
      if (!page) return std::unexpected{page.error()};
      if (all_zero(*page)) continue;
      out_.clean = false;
      out_.remains_end = at + count;
      GroupHeader group;
      const bool proof = count >= group_header_size && !out_.proven_by &&
                         decode_group_header(*page, header_.salt, seed_, group) &&
                         group.durable_group >= out_.next_group;
      if (proof) out_.proven_by = at;
    }
    return {};
  }

  const SegmentHeader header_;
  const std::uint32_t seed_;
  const std::uint32_t log_seed_;
  Window window_;
  SegmentScan out_;
  std::vector<FrameView> frames_;
};

}  // namespace

Result<SegmentScan> scan_segment_groups(const File& file, const SegmentHeader& header,
                                        const GroupVisitor& visit) {
  const auto size = file.size();
  if (!size) return std::unexpected{size.error()};
  return Scanner{file, header, *size}.run(visit);
}

Result<SegmentScan> scan_segment(const File& file, const SegmentHeader& header,
                                 const FrameVisitor& visit) {
  if (!visit) return scan_segment_groups(file, header, {});
  return scan_segment_groups(file, header, [&visit](const ScannedGroup& group) {
    std::uint64_t offset = group.offset;
    for (const FrameView& frame : group.frames) {
      visit(frame, offset);
      offset += frame.size();
    }
  });
}

}  // namespace stele::log
