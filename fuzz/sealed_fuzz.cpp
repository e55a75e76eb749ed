// Sealed segments and their indexes, edited, with or without their checksums put right. Without:
// every answer is right, or an error. With: contents that no writer makes, behind right checksums,
// lead to an error or an answer, never out of the page they stand in.

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "base/crc32c.h"
#include "edits.h"
#include "log/bytes.h"
#include "log/memory_file.h"
#include "log/seal_segment.h"
#include "log/sealed_segment.h"
#include "log/testing/sealed_log.h"
#include "log/testing/simulated_disk.h"
#include "target.h"

namespace stele::fuzz {
namespace {

using log::SealedSegment;
using log::testing::OpenSegmentWriter;
using log::testing::SimulatedDisk;
using log::testing::WrittenEvent;

constexpr const char* folder = "log";
constexpr std::size_t events = 700;

struct Sealed {
  std::unique_ptr<SimulatedDisk> disk;
  log::SegmentHeader header;
  log::IndexIdentity identity;
  std::vector<WrittenEvent> written;
  std::uint32_t blocks_end = 0;
  std::string segment;
  std::string index;
};

const Sealed& sealed() {
  static const Sealed made = [] {
    Sealed result;
    result.disk = std::make_unique<SimulatedDisk>(5);
    OpenSegmentWriter writer{*result.disk, folder};
    for (std::size_t i = 0; i < events; ++i) {
      const std::string n = std::to_string(i);
      writer.append({{.stream = "account-" + std::to_string(i % 60),
                      .type = i % 5 == 0 ? "Opened" : "Changed",
                      .data = std::string(i % 90, static_cast<char>('a' + i % 26)) + n,
                      .tags = {"all", "n:" + std::to_string(i % 40)}}});
      if (i % 32 == 0) writer.close_group();
    }
    const auto done = log::seal_segment(*result.disk, writer.finish(), [] { return true; });
    require(done.has_value(), "a good segment is sealed");
    result.header = writer.header();
    result.written = writer.written();
    result.segment = std::string{folder} + "/" + log::segment_name(Position{1});
    result.index = std::string{folder} + "/" + log::index_name(Position{1});
    const auto opened = SealedSegment::open(*result.disk, folder, Position{1},
                                            std::make_shared<log::BlockCache>(64 * 1'024));
    require(opened.has_value(), "a sealed segment opens");
    const log::SealedInfo& info = (*opened)->info();
    result.blocks_end = info.table_offset;
    result.identity = {.first = Position{1},
                       .chain_after = info.chain_after,
                       .events = info.events,
                       .frames = info.frames,
                       .seed = log::segment_seed(result.header.salt, Position{1})};
    return result;
  }();
  return made;
}

void mend_pages(std::span<std::byte> bytes, std::uint32_t seed) {
  for (std::uint32_t n = 0; bytes.size() >= log::sealed_page_size; ++n) {
    log::finish_page(bytes.first(log::sealed_page_size), n, seed);
    bytes = bytes.subspan(log::sealed_page_size);
  }
}

// Puts right the checksums of header, blocks (as the table names them), table and footer.
void mend_segment(std::vector<std::byte>& bytes) {
  const std::uint32_t seed = sealed().identity.seed;
  if (bytes.size() < log::segment_header_size + log::sealed_footer_size) return;
  std::byte* const at = bytes.data();
  log::store(at + 4'092, crc32c(at, 4'092));
  const std::size_t foot = bytes.size() - log::sealed_footer_size;
  log::store(at + foot + 4'092, crc32c(at + foot, 4'092, seed));
  const std::size_t table = std::min<std::size_t>(sealed().blocks_end, foot);
  mend_pages(std::span{bytes}.subspan(table, foot - table), seed);
  for (std::size_t entry = table; entry + 16 <= foot; entry += 16) {
    const std::size_t block = log::load<std::uint32_t>(at + entry);
    const std::size_t size =
        log::sealed_block_header_size + log::load<std::uint32_t>(at + entry + 8);
    if (block >= table || size > table - block) continue;
    log::store(at + block, crc32c(at + block + 4, size - 4, seed));
  }
}

log::KeyHash key(log::KeyKind kind, std::string_view text) {
  return log::key_hash(sealed().header.salt, kind, text);
}

bool damage(const Error& error) {
  return error.code == Errc::corrupt || error.code == Errc::unsupported;
}

// Asks for one event in every way; with `trusted` what is told must be what was written.
void ask(const SealedSegment& segment, std::size_t n, bool trusted) {
  const WrittenEvent& told = sealed().written[n];
  const auto ordinal = static_cast<log::Ordinal>(n);
  if (ordinal < segment.info().events) {
    const auto frame = segment.frame_with(ordinal);
    require(frame || damage(frame.error()), "an event is there, or damage is told");
    if (frame && trusted) {
      require(frame->frame.append_id() == told.append_id, "an event is in the frame it was in");
    }
    const auto run = segment.run_with(ordinal, 50);
    require(run || damage(run.error()), "a run is there, or damage is told");
  }
  const auto stream = segment.find_stream(told.told.stream);
  require(stream || damage(stream.error()), "a stream is found, or damage is told");
  if (stream && trusted) require(stream->has_value(), "a stream that is there is found");
  const auto append = segment.find_append(told.append_id);
  require(append || damage(append.error()), "an append is found, or damage is told");
  if (append && trusted) require(append->has_value(), "an append that is there is found");
  const log::IndexQuery query{.streams = {},
                              .categories = {key(log::KeyKind::category, "account")},
                              .types = {key(log::KeyKind::type, told.told.type)},
                              .tags = {key(log::KeyKind::tag, told.told.tags.back())}};
  const auto found = segment.collect(query, ordinal, 5);
  require(found || damage(found.error()), "candidates are named, or damage is told");
  if (found && trusted) {
    require(!found->ordinals.empty() && found->ordinals.front() == ordinal,
            "an index leaves out nothing");
  }
  (void)segment.collect_backward(query.tags[0], ordinal, 10);
  (void)segment.last_of(query.types[0]);
}

void ask_index(const std::vector<std::byte>& bytes) {
  const auto run =
      log::IndexRun::open(std::make_unique<log::MemoryFile>(bytes), "an index", sealed().identity,
                          std::make_shared<log::BlockCache>(64 * 1'024));
  if (!run) return;
  for (std::size_t n = 0; n < events; n += 97) {
    const WrittenEvent& told = sealed().written[n];
    const log::KeyHash tag = key(log::KeyKind::tag, told.told.tags.back());
    (void)(*run)->find(key(log::KeyKind::stream, told.told.stream));
    (void)(*run)->find_append(log::key_hash(sealed().header.salt, told.append_id));
    (void)(*run)->collect({.tags = {tag, key(log::KeyKind::tag, "all")}}, 0, events);
    (void)(*run)->collect_backward(key(log::KeyKind::tag, "all"), events, events);
  }
  (void)(*run)->check_pages();
}

const Registered registered{
    "sealed", [](std::string_view text) {
      Input input{text};
      const bool mend = (input.u8() & 1U) != 0;
      const auto disk = sealed().disk->clone(3);
      auto segment_bytes = disk->contents(sealed().segment).value();
      auto index_bytes = disk->contents(sealed().index).value();
      const std::size_t asked = input.u16() % events;
      for (std::size_t n = 0; n < edits_max && !input.empty(); ++n) {
        const std::uint8_t which = input.u8();
        if (which % 3 == 0) {
          edit(input, segment_bytes);
        } else if (which % 3 == 1) {
          edit(input, index_bytes);
        } else {  // The ends of the segment, where its numbers are.
          const std::size_t from = std::min<std::size_t>(sealed().blocks_end, segment_bytes.size());
          const auto middle = segment_bytes.begin() + static_cast<std::ptrdiff_t>(from);
          std::vector<std::byte> end{middle, segment_bytes.end()};
          edit(input, end);
          segment_bytes.erase(middle, segment_bytes.end());
          segment_bytes.insert(segment_bytes.end(), end.begin(), end.end());
        }
      }
      if (mend) {
        mend_segment(segment_bytes);
        mend_pages(index_bytes, sealed().identity.seed);
        ask_index(index_bytes);
      }
      disk->put(sealed().segment, segment_bytes);
      disk->put(sealed().index, index_bytes);
      const auto opened = SealedSegment::open(*disk, folder, Position{1},
                                              std::make_shared<log::BlockCache>(256 * 1'024));
      require(opened || damage(opened.error()), "a segment opens, or damage is told");
      if (!opened) return;
      for (const std::size_t n : {asked, std::size_t{0}, events - 1}) ask(**opened, n, !mend);
      const auto verified = (*opened)->verify();
      require(verified || damage(verified.error()), "verify finds it good, or tells the damage");
    }};

}  // namespace
}  // namespace stele::fuzz
