// Module: log
// One block of a sealed segment (sealed_segment.h has the format): packing and unpacking.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "log/block_cache.h"
#include "log/format.h"

namespace stele::log {

/// What the block table says about a block.
struct BlockEntry {
  std::uint32_t number = 0;
  std::uint32_t offset = 0;  ///< In the file.
  Ordinal first = 0;         ///< Ordinal of its first event.
  std::uint32_t stored = 0;  ///< Bytes behind the header.
  std::uint32_t raw = 0;     ///< Bytes of its frames.
};
inline constexpr std::size_t block_entry_size = 16;  ///< In the table.

/// The bytes of a block in the file: header, then `frames` compressed, or as they are if zstd
/// saves less than a tenth. Sets `entry.stored` and `entry.raw`.
[[nodiscard]] std::vector<std::byte> pack_block(std::span<const std::byte> frames,
                                                BlockEntry& entry, std::uint32_t segment_seed);

/// True if a block of this entry lies in the file as its frames are.
[[nodiscard]] constexpr bool is_raw(const BlockEntry& entry) { return entry.stored == entry.raw; }

/// Checks a block as it lies in the file, header in front, against its entry. Errors: `corrupt`,
/// naming `path` and the offset.
[[nodiscard]] Result<void> check_block(std::span<const std::byte> stored, const BlockEntry& entry,
                                       std::uint32_t segment_seed, std::string_view path);

/// Unpacks a block that was checked; `out` has its raw size. Errors: `corrupt`.
[[nodiscard]] Result<void> unpack_block(std::span<const std::byte> stored, const BlockEntry& entry,
                                        std::span<std::byte> out, std::string_view path);

/// Appends the frames at `offset` of `block` to its list, and moves its `end` to `end`. They must
/// be the events [block.end, end) of `segment`. `check`: `structure`, or `all` to compare their own
/// CRCs too. Errors: `corrupt`.
[[nodiscard]] Result<void> find_frames(Block& block, std::size_t offset, const BlockEntry& entry,
                                       Ordinal end, const SegmentHeader& segment,
                                       FrameView::Check check, std::string_view path);

}  // namespace stele::log
