// Module: log
// A sealed segment: the frames of a full segment, compressed, and its index. Immutable.
//
// "<20>.seg", kind 2. Numbers are little-endian.
//      0          4,096  segment header (format.h), kind sealed
//      4,096             blocks, back to back: whole frames, as many as fit in 4 KiB (one, if it
//                        is larger), without group headers and padding
//      then              block table, in pages of 4,096 (index_run.h): 16 bytes for each block
//      the last  4,096   footer
//
// BLOCK
//      0   4  CRC of bytes 4..(24 + stored size), going on from the segment's seed
//      4   4  stored size
//      8   4  raw size
//     12   4  ordinal of the first event
//     16   4  number of the block: 0, 1, 2...
//     20   2  encoding: 0 raw (zstd would save less than a tenth), 1 zstd
//     22   2  zero
//     24      the frames
//
// BLOCK TABLE ENTRY: offset in the file (4), ordinal of its first event (4), stored size (4), raw
// size (4). 255 entries a page, the rest of a page is zero.
//
// FOOTER
//      0   8  magic "STELEEND"
//      8   4  events in the segment
//     12   4  frames
//     16   4  blocks
//     20   4  offset of the block table
//     24   8  bytes of all frames
//     32   8  first position
//     40   8  group number after the segment's last group
//     48   8  recorded_at of the last frame
//     56  16  chain: XXH3-128 (format.h) after this segment's frames: what the next one repeats
//     72   4  pages of the block table
//     76      ordinal of the first event (4) of each page of the table
//  4,092   4  CRC of bytes 0..4,092, going on from the segment's seed
//
// Small blocks and zstd's level -1, because what a read of one event costs is the unpacking of its
// block. Measured on bank events of 300 bytes, part of their size and microseconds a block: 16 KiB,
// level 1: 0.34, 9.8; 4 KiB, level 1: 0.38, 4.4; 4 KiB, level -1: 0.40, 1.5. Scans read and unpack
// many blocks at once, so they do not pay for small ones.
//
// Every byte of the file is under a checksum, so damage is an error and never an answer. The index
// beside it ("<20>.idx", index_run.h) is derived: one that is missing, unreadable or of another
// segment is built again from the blocks, when the segment is opened or when a page fails.
//
// Only a few hundred bytes of a segment stay in memory; everything else goes through a bounded
// BlockCache, with plain reads: a mapped file would turn a disk's error into a signal.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "log/block_cache.h"
#include "log/disk.h"
#include "log/format.h"
#include "log/index_key.h"
#include "log/index_run.h"
#include "log/sealed_block.h"
#include "log/sealed_page.h"

namespace stele::log {

inline constexpr std::size_t sealed_block_size = 4 * 1'024;      ///< Raw bytes a block aims at.
inline constexpr std::size_t sealed_run_size_max = 128 * 1'024;  ///< Raw bytes read at once.
inline constexpr std::size_t sealed_block_header_size = 24;
inline constexpr std::size_t sealed_footer_size = 4'096;
inline constexpr std::size_t sealed_table_pages_max = (4'092 - 76) / 4;  ///< Of the block table.

inline constexpr std::uint32_t sealed_table_entries_per_page = sealed_page_room / block_entry_size;

/// What the header and the footer say.
struct SealedInfo {
  SegmentHeader header;
  std::uint32_t events = 0;
  std::uint32_t frames = 0;
  std::uint32_t blocks = 0;
  std::uint32_t table_offset = 0;
  std::uint64_t frames_size = 0;  ///< Bytes of all frames, not compressed.
  std::uint64_t next_group = 0;
  Timestamp last_recorded_at{};
  ChainHash chain_after{};
  std::vector<Ordinal> table_fences = {};
};

/// A frame and the block that its views point into.
struct SealedFrame {
  BlockPtr block;
  FrameView frame;
  Ordinal first = 0;  ///< Of its first event.
};

/// What is damaged in a segment, and which events cannot be read because of it: [first, end); none
/// if both are the same.
struct SealedDamage {
  std::string path;
  std::uint64_t offset = 0;
  Ordinal first = 0;
  Ordinal end = 0;
  std::string what;
};

/// A stream that was found, and its place in the index: asking for its events does not look it up
/// again. Lives as long as the segment.
struct StreamPostings {
  StreamEntry entry;
  IndexRun::Entry key = {};
  const IndexRun* index = nullptr;
};

/// Thread-safe. Errors of every query: `corrupt` (names file and offset; see `stele verify`),
/// `unavailable` (the disk).
class SealedSegment {
 public:
  /// Reads the header, the footer and the head of the index: three reads, whatever the size. An
  /// index that is missing or not of this segment is built again (a scan: about 0.2 s for 32 MiB)
  /// and kept in memory only if it cannot be written. `disk` must outlive the segment.
  /// Errors: `not_found`, `corrupt`, `unsupported`, `unavailable`.
  [[nodiscard]] static Result<std::shared_ptr<const SealedSegment>> open(
      Disk& disk, const std::string& folder, Position first, std::shared_ptr<BlockCache> cache);
  ~SealedSegment();
  SealedSegment(const SealedSegment&) = delete;
  SealedSegment& operator=(const SealedSegment&) = delete;

  [[nodiscard]] const SealedInfo& info() const noexcept { return info_; }
  [[nodiscard]] Position first() const noexcept { return info_.header.first; }
  [[nodiscard]] Position last() const noexcept {
    return Position{number(info_.header.first) + info_.events - 1};
  }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// True if the index had to be built again, on opening or since.
  [[nodiscard]] bool index_was_rebuilt() const noexcept { return rebuilt_.load(); }

  /// The block that holds an event, with all its frames, through the cache. `ordinal` < events.
  [[nodiscard]] Result<BlockPtr> block_with(Ordinal ordinal) const;

  /// The same for several events, faster than one by one: out[i] is the block of ordinals[i]. Both
  /// have the same size.
  [[nodiscard]] Result<void> blocks_with(std::span<const Ordinal> ordinals,
                                         std::span<BlockPtr> out) const;

  /// That block and as many of those behind it as hold `events` events: what a scan takes. At most
  /// about `sealed_run_size_max`, but for one block. Blocks of a scan enter the cache only while
  /// there is room: they push nothing out. Then they are read and unpacked as one.
  [[nodiscard]] Result<std::vector<BlockPtr>> run_with(Ordinal ordinal, std::size_t events) const;

  /// A frame of one of these blocks.
  [[nodiscard]] Result<FrameView> frame_in(const Block& block, const FrameRef& at) const;
  /// The one that holds the event at `ordinal`, which is in the block.
  [[nodiscard]] Result<FrameView> frame_in(const Block& block, Ordinal ordinal) const;

  /// The frame that holds an event. `ordinal` < events.
  [[nodiscard]] Result<SealedFrame> frame_with(Ordinal ordinal) const;

  /// Where a stream stood at the end of this segment; none if it has no event here. Confirmed: the
  /// name was compared.
  [[nodiscard]] Result<std::optional<StreamEntry>> find_stream(std::string_view name) const;

  /// The same, with what its events are asked for by; `key` is the name's hash.
  [[nodiscard]] Result<std::optional<StreamPostings>> find_stream(std::string_view name,
                                                                  KeyHash key) const;
  /// At most `limit` candidates for a stream that was found, from `from` on. `key` is its hash.
  [[nodiscard]] Result<Candidates> collect(const StreamPostings& stream, KeyHash key, Ordinal from,
                                           std::size_t limit) const;

  /// The frame of an append; none if it is not here. Confirmed: the id was compared.
  [[nodiscard]] Result<std::optional<SealedFrame>> find_append(const AppendId& id) const;

  /// At most `limit` candidates for `query` among the ordinals `from` and up (see `IndexQuery`).
  [[nodiscard]] Result<Candidates> collect(const IndexQuery& query, Ordinal from,
                                           std::size_t limit) const;

  /// At most `limit` candidates of one key below `before`, newest first.
  [[nodiscard]] Result<std::vector<Ordinal>> collect_backward(KeyHash key, Ordinal before,
                                                              std::size_t limit) const;

  /// The candidate with the highest ordinal of one key.
  [[nodiscard]] Result<std::optional<Ordinal>> last_of(KeyHash key) const;

  /// Called with each frame that is good.
  using TakeFrame = std::function<void(const FrameView&)>;

  /// Reads and checks everything: blocks, frames with their own CRCs, chain, positions, each page
  /// of the index, and that the index finds what is there. What is damaged is told, piece by piece,
  /// and the rest is read all the same. Errors: `unavailable`.
  [[nodiscard]] Result<std::vector<SealedDamage>> find_damage(const TakeFrame& take = {}) const;

  /// The same, as an error of the first damage. Errors: `corrupt`, `unavailable`.
  [[nodiscard]] Result<void> verify() const;

 private:
  SealedSegment(Disk& disk, std::string folder, std::shared_ptr<BlockCache> cache);

  [[nodiscard]] Result<void> read_ends();
  [[nodiscard]] Result<void> read_footer(std::uint64_t size);
  [[nodiscard]] IndexIdentity identity() const;
  [[nodiscard]] Result<std::unique_ptr<IndexRun>> open_index() const;
  [[nodiscard]] Result<void> rebuild_index() const;  // With mutex_ held, or before anyone reads.
  [[nodiscard]] Result<std::vector<std::byte>> index_bytes() const;
  [[nodiscard]] Result<bool> check_block_of(std::uint32_t& number, std::vector<SealedDamage>& out,
                                            BlockPtr& block) const;
  [[nodiscard]] Result<void> check_index(const std::vector<std::byte>& right,
                                         std::vector<SealedDamage>& out) const;
  [[nodiscard]] Result<BlockEntry> entry_of(std::uint32_t number, Ordinal& end) const;
  [[nodiscard]] Result<std::uint32_t> number_of(Ordinal ordinal) const;
  [[nodiscard]] Result<BlockPtr> block(std::uint32_t number) const;
  struct Run {
    std::vector<BlockEntry> entries;
    Ordinal end = 0;  // One past its last event.
  };
  [[nodiscard]] Result<Run> plan_run(std::uint32_t number, Ordinal ordinal,
                                     std::size_t events) const;
  [[nodiscard]] Result<BlockPtr> load_joined(const Run& run, FrameView::Check check) const;
  [[nodiscard]] Result<void> load_each(const Run& run, std::vector<BlockPtr>& out) const;
  [[nodiscard]] Result<BlockPtr> load_block(std::uint32_t number, FrameView::Check check) const;
  [[nodiscard]] Result<bool> is_of(Ordinal ordinal, std::string_view stream,
                                   StreamEntry& entry) const;
  template <typename Ask>
  auto ask_index(const Ask& ask) const -> decltype(ask(std::declval<const IndexRun&>()));

  Disk* disk_ = nullptr;
  std::string folder_;
  std::string path_;
  std::unique_ptr<File> file_;
  std::shared_ptr<BlockCache> cache_;
  std::uint64_t cache_file_ = 0;
  SealedInfo info_;
  std::uint32_t seed_ = 0;           // The segment's.
  std::optional<PageReader> table_;  // Set once the footer was read.
  mutable std::atomic<bool> rebuilt_{false};
  mutable std::atomic<const IndexRun*> index_{nullptr};
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<IndexRun>> runs_;  // Guarded by mutex_; old ones stay.
};

}  // namespace stele::log
