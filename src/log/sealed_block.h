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
/// (level 1) saves less than a tenth. Sets `entry.stored` and `entry.raw`.
[[nodiscard]] std::vector<std::byte> pack_block(std::span<const std::byte> frames,
                                                BlockEntry& entry, std::uint32_t segment_seed);

/// Checks and unpacks. `stored` is header and contents; it is kept if the block is raw. The frames
/// must be the events [entry.first, end) of a segment that begins at `segment_first`. `check` is
/// for the frames: `structure`, or `all` to check their own CRCs too. Errors: `corrupt`, naming
/// `path` and the offset.
[[nodiscard]] Result<BlockPtr> unpack_block(std::unique_ptr<std::byte[]> stored,
                                            const BlockEntry& entry, Ordinal end,
                                            const SegmentHeader& segment, FrameView::Check check,
                                            std::string_view path);

}  // namespace stele::log
