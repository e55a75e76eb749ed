#include "log/repair.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "log/block_cache.h"
#include "log/bytes.h"
#include "log/sealed_block.h"
#include "log/sealed_segment.h"
#include "log/segment_chain.h"
#include "log/segment_scan.h"

namespace stele::log {
namespace {

constexpr std::size_t copy_size = 1'024 * 1'024;   // Bytes copied at once.
constexpr std::size_t group_size = 1'024 * 1'024;  // Bytes of frames in a group that is rebuilt.
constexpr std::string_view temporary_name = "/repair.tmp";

using TakeFrame = std::function<Result<void>(const FrameView&)>;

/// Writes an open segment from frames.
class SegmentWriter {
 public:
  SegmentWriter(File& file, const SegmentHeader& header)
      : file_{file}, header_{header}, next_{header.first}, number_{header.first_group} {}

  Result<void> begin() { return file_.write_at(0, encode(header_)); }

  Result<void> add(const FrameView& frame) {
    if (frames_ != 0 && bytes_.size() + frame.size() > group_size) {
      if (auto done = write_group(); !done) return done;
    }
    bytes_.insert(bytes_.end(), frame.bytes().begin(), frame.bytes().end());
    ++frames_;
    next_ = Position{number(frame.last()) + 1};
    return {};
  }

  Result<void> end() {
    if (frames_ != 0) {
      if (auto done = write_group(); !done) return done;
    }
    // Room for a mark, so that the segment is never without.
    if (auto done = file_.zero_fill(at_, group_alignment); !done) return done;
    return file_.sync();
  }

 private:
  Result<void> write_group() {
    const GroupHeader group{.number = number_,
                            .size = static_cast<std::uint32_t>(bytes_.size()),
                            .frames = frames_,
                            .durable_group = number_ - 1,
                            .durable_position = Position{number(group_first_) - 1},
                            .first = group_first_};
    encode(group, header_.salt, segment_seed(header_.salt, header_.first), bytes_);
    bytes_.resize(padded(bytes_.size()));
    auto done = file_.write_at(at_, bytes_);
    at_ += bytes_.size();
    bytes_.assign(group_header_size, std::byte{});
    frames_ = 0;
    group_first_ = next_;
    ++number_;
    return done;
  }

  File& file_;
  const SegmentHeader header_;
  std::uint64_t at_ = segment_header_size;
  Position next_;
  Position group_first_ = next_;
  std::uint64_t number_;
  std::uint32_t frames_ = 0;
  std::vector<std::byte> bytes_ = std::vector<std::byte>(group_header_size);
};

class Repairer {
 public:
  Repairer(Disk& disk, std::string folder, const Clock& clock)
      : disk_{disk}, folder_{std::move(folder)}, clock_{clock} {}

  Result<RepairReport> run() {
    if (auto done = list_segments(); !done) return std::unexpected{done.error()};
    for (bad_ = 0; bad_ < firsts_.size() && report_.damage.empty(); ++bad_) {
      if (auto done = check(firsts_[bad_], bad_ + 1 == firsts_.size()); !done) {
        return std::unexpected{done.error()};
      }
    }
    if (report_.damage.empty()) {
      report_.cut_to = {};
      report_.log_end = chain_.end();
      report_.epoch = chain_.next().epoch;
      return std::move(report_);
    }
    --bad_;
    if (auto done = cut(); !done) return std::unexpected{done.error()};
    report_.repaired = true;
    return std::move(report_);
  }

 private:
  [[nodiscard]] std::string path_of(Position first) const {
    return folder_ + "/" + segment_name(first);
  }

  Result<void> list_segments() {
    const auto names = disk_.list(folder_);
    if (!names) return std::unexpected{names.error()};
    for (const std::string& name : *names) {
      const Position first = position_in_name(name, ".seg");
      if (number(first) != 0) firsts_.push_back(first);
    }
    if (!firsts_.empty()) return {};
    return fail(Errc::not_found, "\"" + folder_ + "\" holds no log.");
  }

  void found(const std::string& path, std::uint64_t offset, const std::string& what) {
    report_.damage = "\"" + path + "\", byte " + std::to_string(offset) + ": " + what;
  }

  /// Follows one segment; at the first damage sets `report_.damage`, and what of it is good.
  Result<void> check(Position first, bool is_last) {
    const std::string path = path_of(first);
    const auto file = disk_.open(path, OpenMode::read);
    if (!file) return std::unexpected{file.error()};
    std::vector<std::byte> bytes(segment_header_size);
    auto read = (*file)->read_at(0, bytes);
    if (!read && read.error().code != Errc::corrupt) return read;
    const auto header = decode_segment_header(bytes, path);
    if (!header && header.error().code != Errc::corrupt) return std::unexpected{header.error()};
    if (!read || !header) {
      found(path, 0, header ? read.error().message : header.error().message);
      return {};
    }
    if (const auto why = chain_.follow(*header, first)) {
      found(path, 0, "It does not follow the segment before: " + *why);
      return {};
    }
    good_header_ = *header;
    if (header->kind == SegmentKind::sealed) return check_sealed(*header, path);
    return check_open(*header, path, **file, is_last);
  }

  Result<void> check_sealed(const SegmentHeader& header, const std::string& path) {
    auto segment = verified(header.first);
    if (!segment && segment.error().code == Errc::corrupt) {
      // An index is derived: damage there alone costs nothing.
      const auto gone = disk_.remove(folder_ + "/" + index_name(header.first));
      if (!gone && gone.error().code != Errc::not_found) return gone;
      segment = verified(header.first);
    }
    if (!segment && segment.error().code != Errc::corrupt) {
      return std::unexpected{segment.error()};
    }
    if (!segment) {
      found(path, 0, segment.error().message);
      return {};
    }
    const SealedInfo& info = (*segment)->info();
    chain_.end_segment((*segment)->last(), info.next_group, info.frames, info.chain_after,
                       info.last_recorded_at);
    good_header_.reset();
    empty_header_.reset();
    return {};
  }

  Result<std::shared_ptr<const SealedSegment>> verified(Position first) {
    auto segment = SealedSegment::open(disk_, folder_, first, cache_);
    if (!segment) return segment;
    report_.cut_to = (*segment)->last();
    if (auto done = (*segment)->verify(); !done) return std::unexpected{done.error()};
    return segment;
  }

  Result<void> check_open(const SegmentHeader& header, const std::string& path, const File& file,
                          bool is_last) {
    const auto scan = scan_segment(file, header, {});
    if (!scan) return std::unexpected{scan.error()};
    if (scan->proven_by || (!is_last && !scan->clean)) {
      found(path, scan->end, scan->why);
      return {};
    }
    chain_.end_segment(scan->last, scan->next_group, scan->frames, scan->chain_after,
                       scan->last_recorded_at);
    good_header_.reset();
    empty_header_.reset();
    if (scan->frames == 0) empty_header_ = header;
    return {};
  }

  /// What the header of the segment that replaces the bad one says.
  Result<SegmentHeader> new_header() {
    if (!good_header_ && !chain_.begun()) {
      return fail(Errc::corrupt, "The first segment cannot be read at all (" + report_.damage +
                                     "); restore a backup.");
    }
    SegmentHeader header = good_header_ ? *good_header_ : chain_.next();
    // A repair that was cut off may have left an empty segment in front of the bad one. It has the
    // name that the new one gets, so the new one takes its place: it must not follow it.
    if (!good_header_ && empty_header_) header = *empty_header_;
    header.kind = SegmentKind::open;
    header.made_at = clock_.now();
    // Past every epoch that a segment behind the cut may have had.
    header.epoch = Epoch{number(header.epoch) + 1 + firsts_.size() - bad_ - 1};
    return header;
  }

  Result<void> cut() {
    const auto header = new_header();
    if (!header) return std::unexpected{header.error()};
    report_.epoch = header->epoch;
    const std::string bad_path = path_of(firsts_[bad_]);
    const std::string suffix = "." + std::to_string(number(header->epoch)) + ".cut";
    if (auto done = copy(bad_path, bad_path + suffix); !done) return done;
    if (auto done = write_good_part(*header, bad_path); !done) return done;
    if (auto done = disk_.rename(folder_ + std::string{temporary_name}, path_of(header->first));
        !done) {
      return done;
    }
    // The bad segment's own name, if it was not the right one, goes too.
    const std::size_t from = firsts_[bad_] == header->first ? bad_ + 1 : bad_;
    for (std::size_t i = from; i < firsts_.size(); ++i) {
      const std::string path = path_of(firsts_[i]);
      if (auto done = disk_.rename(path, path + suffix); !done) return done;
      if (i != bad_) report_.kept.push_back(path + suffix);
    }
    for (std::size_t i = bad_; i < firsts_.size(); ++i) {
      auto done = disk_.remove(folder_ + "/" + index_name(firsts_[i]));
      if (!done && done.error().code != Errc::not_found) return done;
    }
    if (firsts_.size() > bad_ + 1) report_.cut_to = {};
    return disk_.sync_folder(folder_);
  }

  Result<void> copy(const std::string& from, const std::string& to) {
    const auto source = disk_.open(from, OpenMode::read);
    if (!source) return std::unexpected{source.error()};
    const auto target = disk_.open(to, OpenMode::create);
    if (!target) return std::unexpected{target.error()};
    const auto size = (*source)->size();
    if (!size) return std::unexpected{size.error()};
    std::vector<std::byte> bytes;
    for (std::uint64_t at = 0; at < *size; at += bytes.size()) {
      bytes.resize(std::min<std::uint64_t>(copy_size, *size - at));
      auto done = (*source)->read_at(at, bytes);
      if (done) done = (*target)->write_at(at, bytes);
      if (!done) return done;
    }
    report_.kept.push_back(to);
    if (auto done = (*target)->sync(); !done) return done;
    return disk_.sync_folder(folder_);
  }

  Result<void> write_good_part(const SegmentHeader& header, const std::string& bad_path) {
    const std::string path = folder_ + std::string{temporary_name};
    const auto target = disk_.open(path, OpenMode::create);
    if (!target) return std::unexpected{target.error()};
    SegmentWriter writer{**target, header};
    if (auto done = writer.begin(); !done) return done;
    report_.log_end = Position{number(header.first) - 1};
    if (good_header_) {
      const auto source = disk_.open(bad_path, OpenMode::read);
      if (!source) return std::unexpected{source.error()};
      const auto take = [&](const FrameView& frame) {
        report_.log_end = frame.last();
        return writer.add(frame);
      };
      auto done = good_header_->kind == SegmentKind::open ? take_open(**source, take)
                                                          : take_sealed(**source, bad_path, take);
      if (!done) return done;
    }
    return writer.end();
  }

  Result<void> take_open(const File& file, const TakeFrame& take) {
    Result<void> done;
    const auto scan = scan_segment(file, *good_header_, [&](const FrameView& frame, std::uint64_t) {
      if (done) done = take(frame);
    });
    if (!scan) return std::unexpected{scan.error()};
    return done;
  }

  /// Block by block from the front, so that a damaged table or footer costs no frame.
  Result<void> take_sealed(const File& file, const std::string& path, const TakeFrame& take) {
    const std::uint32_t seed = segment_seed(good_header_->salt, good_header_->first);
    const auto size = file.size();
    if (!size) return std::unexpected{size.error()};
    std::uint64_t at = segment_header_size;
    Position next = good_header_->first;
    std::vector<std::byte> stored(sealed_block_header_size);
    for (std::uint32_t block = 0; at + sealed_block_header_size <= *size; ++block) {
      stored.resize(sealed_block_header_size);
      if (auto done = file.read_at(at, stored); !done) return done;
      const BlockEntry entry{.number = block,
                             .offset = static_cast<std::uint32_t>(at),
                             .first = load<std::uint32_t>(&stored[12]),
                             .stored = load<std::uint32_t>(&stored[4]),
                             .raw = load<std::uint32_t>(&stored[8])};
      const std::uint64_t whole = sealed_block_header_size + std::uint64_t{entry.stored};
      if (at + whole > *size || entry.raw > frame_size_max + sealed_block_size) return {};
      stored.resize(whole);
      if (auto done = file.read_at(at, stored); !done) return done;
      if (!check_block(stored, entry, seed, path)) return {};  // Here the good part ends.
      std::vector<std::byte> raw(entry.raw);
      if (!unpack_block(stored, entry, raw, path)) return {};
      for (std::span<const std::byte> rest = raw; !rest.empty();) {
        const auto frame = FrameView::parse(rest, log_seed(good_header_->salt));
        if (!frame || frame->first() != next) return {};
        if (auto done = take(*frame); !done) return done;
        next = Position{number(frame->last()) + 1};
        rest = rest.subspan(frame->size());
      }
      at += whole;
    }
    return {};
  }

  Disk& disk_;
  const std::string folder_;
  const Clock& clock_;
  const std::shared_ptr<BlockCache> cache_ = std::make_shared<BlockCache>();
  std::vector<Position> firsts_;
  std::size_t bad_ = 0;  // The first damaged segment.
  SegmentChain chain_;
  std::optional<SegmentHeader> good_header_;   // Of the segment that is being checked.
  std::optional<SegmentHeader> empty_header_;  // Of the one before, if it holds no frame.
  RepairReport report_;
};

}  // namespace

Result<RepairReport> repair(Disk& disk, const std::string& folder, const Clock& clock) {
  if (const auto there = disk.list(folder + "/log"); !there) {
    if (there.error().code != Errc::not_found) return std::unexpected{there.error()};
    return fail(Errc::not_found, "\"" + folder + "\" holds no log.");
  }
  const auto lock = disk.lock(folder + "/LOCK");
  if (!lock) return std::unexpected{lock.error()};
  return Repairer{disk, folder + "/log", clock}.run();
}

}  // namespace stele::log
