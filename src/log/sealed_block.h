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

/// Makes the blocks of one segment, in order. Trying to compress what does not compress costs as
/// much as writing it several times, so after some blocks in a row that did not become a tenth
/// smaller only every second one is tried, then every fourth, up to every 16th; one that does makes
/// it try all again.
class BlockPacker {
 public:
  /// With `in_haste` no block is compressed.
  explicit BlockPacker(std::uint32_t segment_seed, bool in_haste = false)
      : seed_{segment_seed}, in_haste_{in_haste} {}

  /// Appends a block as it lies in the file to `out`: header, then `frames` compressed, or as they
  /// are if zstd saves less than a tenth. Sets `entry.stored` and `entry.raw`.
  void pack(std::span<const std::byte> frames, BlockEntry& entry, std::vector<std::byte>& out);

 private:
  [[nodiscard]] bool worth_a_try();
  void tried(bool compressed);

  std::uint32_t seed_;
  bool in_haste_;
  std::uint32_t failed_ = 0;  // Tries in a row that saved less than a tenth.
  std::uint32_t skip_ = 0;    // Blocks to store without a try.
};

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
/// be the events [block.end, end) of `segment`. `check`: `all` compares their own CRCs and looks at
/// every event; otherwise only their sizes and places are looked at, and whoever uses a frame
/// checks its structure. Errors: `corrupt`.
[[nodiscard]] Result<void> find_frames(Block& block, std::size_t offset, const BlockEntry& entry,
                                       Ordinal end, const SegmentHeader& segment,
                                       FrameView::Check check, std::string_view path);

}  // namespace stele::log
