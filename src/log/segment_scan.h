// Module: log
// Walks an open segment from its header to the last good group, and says what is behind it: zeros,
// the remains of a write that was never answered, or damage to what was durable.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "log/disk.h"
#include "log/format.h"

namespace stele::log {

/// Called with each good frame and its offset in the file. Frames of a group that turns out bad
/// are not shown.
using FrameVisitor = std::function<void(const FrameView&, std::uint64_t offset)>;

/// The frames of one good group, back to back from `offset` in the file on.
struct ScannedGroup {
  std::shared_ptr<const void> owner;  ///< Of the bytes that the frames view.
  std::vector<FrameView> frames = {};
  std::uint64_t offset = 0;
};
/// Called with each good group, which it may keep.
using GroupVisitor = std::function<void(ScannedGroup)>;

struct SegmentScan {
  std::uint64_t file_size = 0;
  std::uint64_t end = segment_header_size;  ///< After the last good group.
  std::uint64_t next_group = 0;
  Position last{};           ///< Of the last event; the segment's first - 1 if none.
  std::uint64_t frames = 0;  ///< In this segment.
  std::uint64_t groups = 0;
  Timestamp last_recorded_at{};
  ChainHash chain_after{};
  FrameChain chain{ChainHash{}};      ///< The same, to go on with.
  std::uint64_t last_group_at = 0;    ///< Offset of the last good group; 0 = none.
  std::uint64_t last_group_size = 0;  ///< With padding.
  bool ends_with_mark = false;

  bool clean = true;              ///< Only zeros behind `end`.
  std::string why;                ///< What is wrong at `end`, if it is not clean.
  std::uint64_t remains_end = 0;  ///< Behind the last byte that is not zero.
  /// Where a later group proves that what is bad at `end` had been durable: damage.
  std::optional<std::uint64_t> proven_by = std::nullopt;
};

/// `header` is what the file's header says. Errors: `unavailable` (the disk); damage is a
/// result.
[[nodiscard]] Result<SegmentScan> scan_segment(const File& file, const SegmentHeader& header,
                                               const FrameVisitor& visit);
[[nodiscard]] Result<SegmentScan> scan_segment_groups(const File& file, const SegmentHeader& header,
                                                      const GroupVisitor& visit);

}  // namespace stele::log
