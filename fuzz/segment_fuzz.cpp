// Open segments of any groups: the scan that a recovery begins with. The input is a row of groups,
// each: what to put right (1 byte), its size (2), its bytes (header and frames). They are laid out
// as in a file, with checksums put right where the input asks for it.

#include <algorithm>
#include <cstring>

#include "base/crc32c.h"
#include "log/bytes.h"
#include "log/memory_file.h"
#include "log/segment_scan.h"
#include "target.h"

namespace stele::fuzz {
namespace {

constexpr std::uint64_t salt = 0x5A17;
constexpr std::size_t groups_max = 24;
constexpr unsigned mend_header = 1;  // Number, first position, size and salt as they should be.
constexpr unsigned mend_group_sum = 2;
constexpr unsigned mend_frame_sums = 4;
constexpr unsigned mend_positions = 8;

log::SegmentHeader header() {
  log::SegmentHeader made;
  made.salt = salt;
  made.first = Position{5};
  made.first_group = 3;
  return made;
}

// Puts the frames' checksums, and perhaps positions, right; returns how many frames there are.
std::uint32_t mend_frames(std::span<std::byte> rest, unsigned what, std::uint64_t& position) {
  std::uint32_t frames = 0;
  for (; !rest.empty(); ++frames) {
    const auto size = log::FrameView::size_at(rest);
    if (!size || *size > rest.size()) break;
    std::byte* const at = rest.data();
    const std::size_t heads =
        log::frame_header_size + log::stream_head_size * log::load<std::uint16_t>(at + 12);
    if ((what & mend_positions) != 0) {
      log::store(at + 48, position);
      log::store(at + 56, std::uint64_t{7});
      position += log::load<std::uint16_t>(at + 14);
    }
    log::store(at + 4, crc32c(at + heads, *size - heads));
    log::store(at, crc32c(at + 4, heads - 4, log::log_seed(salt)));
    rest = rest.subspan(*size);
  }
  return frames;
}

std::vector<std::byte> file_of(std::string_view text) {
  const auto head = log::encode(header());
  std::vector<std::byte> file{head.begin(), head.end()};
  Input input{text};
  std::uint64_t position = number(header().first);
  std::uint64_t group = header().first_group;
  const std::uint32_t seed = log::segment_seed(salt, header().first);
  for (std::size_t n = 0; n < groups_max && !input.empty(); ++n, ++group) {
    const unsigned what = input.u8();
    std::vector<std::byte> bytes = exact_copy(input.text(input.u16()));
    bytes.resize(std::max(bytes.size(), log::group_header_size));
    const std::uint64_t first = position;
    std::uint32_t frames = 0;
    if ((what & mend_frame_sums) != 0) {
      frames = mend_frames(std::span{bytes}.subspan(log::group_header_size), what, position);
    }
    if ((what & mend_header) != 0) {
      log::encode({.number = group,
                   .size = static_cast<std::uint32_t>(bytes.size()),
                   .frames = frames,
                   .durable_group = group - 1,
                   .durable_position = Position{first - 1},
                   .first = Position{first}},
                  salt, seed, bytes);
    } else if ((what & mend_group_sum) != 0) {
      log::store(bytes.data() + 8, salt);
      log::store(bytes.data() + 4, crc32c(bytes.data() + 8, log::group_header_size - 8, seed));
    }
    bytes.resize(static_cast<std::size_t>(log::padded(bytes.size())));
    file.insert(file.end(), bytes.begin(), bytes.end());
  }
  if (!text.empty()) file.resize(file.size() - static_cast<std::uint8_t>(text.back()) % 64);
  return file;
}

struct Seen {
  log::SegmentScan scan;
  std::uint64_t frames = 0;
};

Seen scan(const std::vector<std::byte>& bytes) {
  const log::MemoryFile file{bytes};
  Seen seen;
  std::uint64_t next = number(header().first);
  auto done = log::scan_segment(file, header(), [&](const log::FrameView& frame, std::uint64_t at) {
    require(number(frame.first()) == next, "positions of a scan have no gap");
    require(at + frame.size() <= bytes.size(), "a frame lies in its file");
    next = number(frame.last()) + 1;
    ++seen.frames;
  });
  require(done.has_value(), "damage is a result of a scan, and no error");
  seen.scan = std::move(*done);
  require(seen.scan.frames == seen.frames, "a scan counts the frames that it shows");
  require(number(seen.scan.last) + 1 == next, "a scan tells the last position");
  return seen;
}

const Registered registered{
    "segment", [](std::string_view input) {
      const std::vector<std::byte> whole_header = exact_copy(input.substr(0, 4'096));
      (void)log::decode_segment_header(whole_header, "a segment");
      std::vector<std::byte> bytes = file_of(input);
      if (bytes.size() < log::segment_header_size) return;
      const Seen first = scan(bytes);
      // What is kept of it, alone, is the same log.
      bytes.resize(static_cast<std::size_t>(first.scan.end));
      bytes.resize(bytes.size() + log::group_alignment);
      const Seen again = scan(bytes);
      require(again.scan.clean, "behind what was cut off there is nothing");
      require(again.frames == first.frames, "what was good stays");
      require(again.scan.chain_after == first.scan.chain_after, "the chain is that of the frames");
    }};

}  // namespace
}  // namespace stele::fuzz
