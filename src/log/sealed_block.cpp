#include "log/sealed_block.h"

#include <zstd.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "base/crc32c.h"
#include "log/bytes.h"
#include "log/sealed_segment.h"

namespace stele::log {
namespace {

constexpr int zstd_level = 1;
constexpr std::uint16_t encoding_raw = 0;
constexpr std::uint16_t encoding_zstd = 1;

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

// Finds the frames and checks that they are the events [entry.first, end).
bool find_frames(Block& block, std::size_t offset, std::size_t frames_end,
                 const SegmentHeader& segment, FrameView::Check check) {
  const std::uint32_t seed = log_seed(segment.salt);
  Ordinal at = block.first;
  while (offset < frames_end) {
    const auto frame =
        FrameView::parse(block.view().subspan(offset, frames_end - offset), seed, check);
    if (!frame || number(frame->first()) != number(segment.first) + at) return false;
    block.frames.push_back({.first = at, .offset = static_cast<std::uint32_t>(offset)});
    at += frame->event_count();
    offset += frame->size();
  }
  return at == block.end;
}

}  // namespace

std::vector<std::byte> pack_block(std::span<const std::byte> frames, BlockEntry& entry,
                                  std::uint32_t segment_seed) {
  std::vector<std::byte> out(sealed_block_header_size + ZSTD_compressBound(frames.size()));
  std::byte* const contents = out.data() + sealed_block_header_size;
  std::uint16_t encoding = encoding_zstd;
  std::size_t size =
      ZSTD_compressCCtx(compressor(), contents, out.size() - sealed_block_header_size,
                        frames.data(), frames.size(), zstd_level);
  if (ZSTD_isError(size) != 0 || size > frames.size() - frames.size() / 10) {
    encoding = encoding_raw;
    size = frames.size();
    std::memcpy(contents, frames.data(), size);
  }
  out.resize(sealed_block_header_size + size);
  entry.stored = static_cast<std::uint32_t>(size);
  entry.raw = static_cast<std::uint32_t>(frames.size());
  store(out.data() + 4, entry.stored);
  store(out.data() + 8, entry.raw);
  store(out.data() + 12, entry.first);
  store(out.data() + 16, entry.number);
  store(out.data() + 20, encoding);
  store(out.data() + 22, std::uint16_t{0});
  store(out.data(), crc32c(out.data() + 4, out.size() - 4, segment_seed));
  return out;
}

Result<BlockPtr> unpack_block(std::unique_ptr<std::byte[]> stored, const BlockEntry& entry,
                              Ordinal end, const SegmentHeader& segment, FrameView::Check check,
                              std::string_view path) {
  const std::byte* const at = stored.get();
  const std::size_t stored_size = sealed_block_header_size + entry.stored;
  const std::uint32_t seed = segment_seed(segment.salt, segment.first);
  if (load<std::uint32_t>(at) != crc32c(at + 4, stored_size - 4, seed)) {
    return block_corrupt(path, entry, "fails its checksum");
  }
  const auto encoding = load<std::uint16_t>(at + 20);
  const bool as_named =
      load<std::uint32_t>(at + 4) == entry.stored && load<std::uint32_t>(at + 8) == entry.raw &&
      load<std::uint32_t>(at + 12) == entry.first && load<std::uint32_t>(at + 16) == entry.number &&
      encoding <= encoding_zstd && (encoding == encoding_zstd || entry.raw == entry.stored);
  if (!as_named) return block_corrupt(path, entry, "is not the one that the block table names");

  auto block = std::make_shared<Block>();
  block->first = entry.first;
  block->end = end;
  std::size_t frames_at = 0;
  if (encoding == encoding_raw) {
    frames_at = sealed_block_header_size;  // Kept as it was read, with the header in front.
    block->bytes = std::move(stored);
    block->size = stored_size;
  } else {
    block->bytes = std::make_unique_for_overwrite<std::byte[]>(entry.raw);
    block->size = entry.raw;
    const std::size_t size = ZSTD_decompressDCtx(decompressor(), block->bytes.get(), entry.raw,
                                                 at + sealed_block_header_size, entry.stored);
    if (size != entry.raw) return block_corrupt(path, entry, "does not unpack");
  }
  block->frames.reserve(std::min<std::size_t>(end - entry.first, entry.raw / frame_header_size));
  if (!find_frames(*block, frames_at, block->size, segment, check)) {
    return block_corrupt(path, entry, "holds frames that do not belong there");
  }
  return block;
}

}  // namespace stele::log
