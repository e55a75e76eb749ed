#include "log/sealed_block.h"

#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "base/crc32c.h"
#include "log/bytes.h"
#include "log/sealed_segment.h"

namespace stele::log {
namespace {

constexpr int zstd_level = -1;  // See sealed_segment.h.
constexpr std::uint16_t encoding_raw = 0;
constexpr std::uint16_t encoding_zstd = 1;
constexpr std::uint32_t failed_tries_min = 4;    // In a row, before any block is not tried.
constexpr std::uint32_t skip_doublings_max = 4;  // Then one of 2, 4, 8, 16 blocks is tried.

struct FreeCompressor {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

// One of each a thread: making one costs more than a block.
ZSTD_CCtx* compressor() {
  thread_local const std::unique_ptr<ZSTD_CCtx, FreeCompressor> context{ZSTD_createCCtx()};
  return context.get();
}
ZSTD_DCtx* decompressor() {
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeCompressor> context{ZSTD_createDCtx()};
  return context.get();
}

std::unexpected<Error> block_corrupt(std::string_view path, const BlockEntry& entry,
                                     std::string_view why) {
  return fail(Errc::corrupt, "Block " + std::to_string(entry.number) + " at offset " +
                                 std::to_string(entry.offset) + " of \"" + std::string{path} +
                                 "\" " + std::string{why} + ". Run \"stele verify\" on the log.");
}

}  // namespace

bool BlockPacker::worth_a_try() {
  if (in_haste_) return false;
  if (skip_ == 0) return true;
  --skip_;
  return false;
}

void BlockPacker::tried(bool compressed) {
  failed_ = compressed ? 0 : failed_ + 1;
  if (failed_ < failed_tries_min) return;
  const std::uint32_t doublings = std::min(failed_ - failed_tries_min + 1, skip_doublings_max);
  skip_ = (1U << doublings) - 1;
}

void BlockPacker::pack(std::span<const std::byte> frames, BlockEntry& entry,
                       std::vector<std::byte>& out) {
  const std::size_t head_at = out.size();
  const std::size_t contents_at = head_at + sealed_block_header_size;
  std::size_t size = 0;
  bool compressed = false;
  if (worth_a_try()) {
    out.resize(contents_at + ZSTD_compressBound(frames.size()));
    size = ZSTD_compressCCtx(compressor(), out.data() + contents_at, out.size() - contents_at,
                             frames.data(), frames.size(), zstd_level);
    compressed = ZSTD_isError(size) == 0 && size <= frames.size() - frames.size() / 10;
    tried(compressed);
  }
  if (compressed) {
    out.resize(contents_at + size);
  } else {
    size = frames.size();
    out.resize(contents_at);
    out.insert(out.end(), frames.begin(), frames.end());
  }
  entry.stored = static_cast<std::uint32_t>(size);
  entry.raw = static_cast<std::uint32_t>(frames.size());
  std::byte* const head = out.data() + head_at;
  store(head + 4, entry.stored);
  store(head + 8, entry.raw);
  store(head + 12, entry.first);
  store(head + 16, entry.number);
  store(head + 20, compressed ? encoding_zstd : encoding_raw);
  store(head + 22, std::uint16_t{0});
  store(head, crc32c(head + 4, out.size() - head_at - 4, seed_));
}

Result<void> check_block(std::span<const std::byte> stored, const BlockEntry& entry,
                         std::uint32_t segment_seed, std::string_view path) {
  const std::byte* const at = stored.data();
  if (load<std::uint32_t>(at) != crc32c(stored.subspan(4), segment_seed)) {
    return block_corrupt(path, entry, "fails its checksum");
  }
  const bool as_named =
      load<std::uint32_t>(at + 4) == entry.stored && load<std::uint32_t>(at + 8) == entry.raw &&
      load<std::uint32_t>(at + 12) == entry.first && load<std::uint32_t>(at + 16) == entry.number &&
      load<std::uint16_t>(at + 20) == (is_raw(entry) ? encoding_raw : encoding_zstd);
  if (!as_named) return block_corrupt(path, entry, "is not the one that the block table names");
  return {};
}

Result<void> unpack_block(std::span<const std::byte> stored, const BlockEntry& entry,
                          std::span<std::byte> out, std::string_view path) {
  const std::span<const std::byte> contents = stored.subspan(sealed_block_header_size);
  if (is_raw(entry)) {
    std::memcpy(out.data(), contents.data(), contents.size());
    return {};
  }
  const std::size_t size =
      ZSTD_decompressDCtx(decompressor(), out.data(), out.size(), contents.data(), contents.size());
  if (size != out.size()) return block_corrupt(path, entry, "does not unpack");
  return {};
}

Result<void> find_frames(Block& block, std::size_t offset, const BlockEntry& entry, Ordinal end,
                         const SegmentHeader& segment, FrameView::Check check,
                         std::string_view path) {
  const std::uint32_t seed = log_seed(segment.salt);
  const std::size_t frames_end = offset + entry.raw;
  while (offset < frames_end) {
    const auto rest = block.view().subspan(offset, frames_end - offset);
    const auto place = FrameView::place_at(rest);
    const bool right = place && place->size <= rest.size() &&
                       number(place->first) == number(segment.first) + block.end &&
                       (check != FrameView::Check::all || FrameView::parse(rest, seed, check));
    if (!right) return block_corrupt(path, entry, "holds a frame that does not belong there");
    block.frames.push_back({.first = block.end, .offset = static_cast<std::uint32_t>(offset)});
    block.end += place->events;
    offset += place->size;
  }
  if (block.end != end) return block_corrupt(path, entry, "holds another number of events");
  return {};
}

}  // namespace stele::log
