// Blocks of a sealed segment made of any bytes, behind a right checksum: unpacking and finding the
// frames in them. And frames of any bytes, packed: they come out as they went in.

#include <cstring>

#include "base/crc32c.h"
#include "log/bytes.h"
#include "log/sealed_block.h"
#include "log/sealed_segment.h"
#include "target.h"

namespace stele::fuzz {
namespace {

constexpr std::uint32_t seed = 0x1234;
constexpr std::uint32_t raw_size_max = 64 * 1'024;

void unpack(Input input) {
  log::BlockEntry entry{.number = 3, .offset = 4'096, .first = input.u16(), .stored = 0, .raw = 0};
  entry.raw = input.u32() % raw_size_max + 1;
  const log::Ordinal end = entry.first + input.u16();
  std::vector<std::byte> stored(log::sealed_block_header_size);
  const auto contents = exact_copy(input.rest());
  stored.insert(stored.end(), contents.begin(), contents.end());
  if (contents.empty()) return;
  entry.stored = static_cast<std::uint32_t>(contents.size());
  log::store(stored.data() + 4, entry.stored);
  log::store(stored.data() + 8, entry.raw);
  log::store(stored.data() + 12, entry.first);
  log::store(stored.data() + 16, entry.number);
  log::store(stored.data() + 20, static_cast<std::uint16_t>(log::is_raw(entry) ? 0 : 1));
  log::store(stored.data(), crc32c(stored.data() + 4, stored.size() - 4, seed));
  require(log::check_block(stored, entry, seed, "a block").has_value(), "its head is right");
  log::Block block;
  block.bytes = std::make_unique<std::byte[]>(entry.raw);
  block.size = entry.raw;
  block.first = block.end = entry.first;
  if (!log::unpack_block(stored, entry, {block.bytes.get(), entry.raw}, "a block")) return;
  log::SegmentHeader segment;
  segment.salt = 0x5A17;
  (void)log::find_frames(block, 0, entry, end, segment, log::FrameView::Check::structure,
                         "a block");
}

void pack_and_unpack(std::string_view text) {
  const auto frames = exact_copy(text);
  if (frames.empty()) return;
  log::BlockEntry entry{.number = 1, .first = 9};
  std::vector<std::byte> stored;
  log::BlockPacker{seed}.pack(frames, entry, stored);
  require(log::check_block(stored, entry, seed, "a block").has_value(), "a packed block is right");
  std::vector<std::byte> out(entry.raw);
  require(log::unpack_block(stored, entry, out, "a block").has_value(), "it unpacks");
  require(out == frames, "what was packed comes out as it was");
}

const Registered registered{"block", [](std::string_view input) {
                              unpack(Input{input});
                              pack_and_unpack(input);
                            }};

}  // namespace
}  // namespace stele::fuzz
