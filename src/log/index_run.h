// Module: log
// The index of a sealed segment: "<20>.idx". Derived from the segment, checked page by page, and
// built again when it is missing or damaged; never needed to know what is in the log.
//
// The file is a row of pages (sealed_page.h). Numbers are little-endian; varints are LEB128.
//
//   PAGE 0, HEADER
//      0   8  magic "STELEIDX"
//      8   4  format version (1)
//     12   4  pages in the file
//     16   8  first position of the segment
//     24  16  chain after the segment: with it an index belongs to one segment only
//     40   4  events
//     44   4  frames
//     48      for each section in this order - filter, keys, key fences, appends, append fences,
//             postings - its first page (4) and its pages (4)
//     96   4  lines of the filter
//    100   4  keys
//   FILTER: a blocked Bloom filter of the hashes of all keys and append ids, 10 bits each: lines of
//     64 bytes, 63 a page; the high half of the hash chooses the line, 7 of its 512 bits are set.
//   KEYS, by hash: count (2), 6 zeros, hashes (8 each), offsets of the bodies in the page (2 each),
//     the bodies:
//       flags (1): 1 = a stream, 2 = postings elsewhere
//       a stream: version (varint), tip (8) after its last event here
//       count (varint), first ordinal (varint), last ordinal (varint)
//       postings elsewhere: page in the section, offset in the page, fragments (varints)
//       otherwise: for each further ordinal, its distance to the one before (varint)
//   POSTINGS: fragments. The first of a key lies where the key says, each further one at the front
//     of the next page. First (4), last (4), ordinals (4), size of the rest (2), form (1), zero
//     (1):
//       form 0: distances as above      form 1: all from first to last (nothing follows)
//       form 2: a bitmap: bit i of byte j stands for first + 8 x j + i
//   APPENDS, by the high 32 bits of the hash: count (2), 2 zeros, first hash (4), then for each:
//   its
//     distance to the hash before (varint; 0 for the first), number of its block (varint). An id is
//     found by reading that block, which has to be read for the comparison anyway.
//   FENCES: for each page of keys (or appends) its first hash, 8 (or 4) bytes, 511 (or 1,022) a
//   page.
//
// Size: the bank's events (a stream of ten, two types, an append each) take under 12 bytes each.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "log/block_cache.h"
#include "log/disk.h"
#include "log/format.h"
#include "log/index_key.h"
#include "log/sealed_page.h"

namespace stele::log {

inline constexpr std::uint32_t index_version = 1;
inline constexpr std::size_t index_filter_lines_per_page = 63;
inline constexpr std::size_t index_filter_line_size = 64;
inline constexpr std::size_t index_inline_size_max = 48;  ///< Bytes of postings beside their key.
inline constexpr std::size_t index_fragment_header_size = 16;

/// What an index must belong to.
struct IndexIdentity {
  Position first{};
  ChainHash chain_after{};
  std::uint32_t events = 0;
  std::uint32_t frames = 0;
  std::uint32_t seed = 0;  ///< The segment's (format.h).
};

struct IndexSection {
  std::uint32_t first = 0;
  std::uint32_t pages = 0;
};
enum class IndexPart : std::uint8_t { filter, keys, key_fences, appends, append_fences, postings };
inline constexpr std::size_t index_parts = 6;

/// The filter's bits for a hash: which line, and seven bits in it.
struct FilterBits {
  std::uint32_t line = 0;
  std::array<std::uint16_t, 7> bits{};
};
[[nodiscard]] FilterBits filter_bits(KeyHash hash, std::uint32_t lines) noexcept;

/// One run of a key's ordinals. Its bytes lie in a page that the user holds.
struct IndexFragment {
  enum class Form : std::uint8_t { distances = 0, all = 1, bitmap = 2 };
  Form form = Form::distances;
  Ordinal first = 0;
  Ordinal last = 0;
  std::uint32_t count = 0;
  std::span<const std::byte> rest = {};
};

/// Thread-safe. Every answer is a candidate by hash (index_key.h). Errors of every query: `corrupt`
/// (build the index again), `unavailable`.
class IndexRun {
 public:
  /// Takes a file that was opened for reading; reads one page. Errors: `corrupt` (also if it is
  /// another segment's), `unsupported`, `unavailable`.
  [[nodiscard]] static Result<std::unique_ptr<IndexRun>> open(std::unique_ptr<File> file,
                                                              const std::string& path,
                                                              const IndexIdentity& identity,
                                                              std::shared_ptr<BlockCache> cache);

  /// What is known about a key; its postings are in `page` or in the postings section.
  struct Entry {
    bool is_stream = false;
    bool elsewhere = false;
    StreamEntry stream;  ///< `count` and `last` for every kind of key.
    Ordinal first = 0;
    std::uint32_t page_number = 0;
    std::uint32_t offset = 0;
    std::uint32_t fragments = 1;
    BlockPtr page;
    std::span<const std::byte> rest = {};
  };
  [[nodiscard]] Result<std::optional<Entry>> find(KeyHash key) const;

  /// The blocks that may hold an append of this id.
  [[nodiscard]] Result<std::vector<std::uint32_t>> find_append(KeyHash append_id) const;

  [[nodiscard]] Result<Candidates> collect(const IndexQuery& query, Ordinal from,
                                           std::size_t limit) const;
  /// The same for one key that was found in this index.
  [[nodiscard]] Result<Candidates> collect(const Entry& entry, Ordinal from,
                                           std::size_t limit) const;
  [[nodiscard]] Result<std::vector<Ordinal>> collect_backward(KeyHash key, Ordinal before,
                                                              std::size_t limit) const;

  [[nodiscard]] Result<void> check_pages() const;  ///< Reads every page.
  [[nodiscard]] std::uint32_t pages() const noexcept { return pages_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  class Cursor;
  IndexRun(std::unique_ptr<File> file, const std::string& path, const IndexIdentity& identity,
           std::shared_ptr<BlockCache> cache);

  [[nodiscard]] Result<void> read_header(const IndexIdentity& identity);
  [[nodiscard]] const IndexSection& section(IndexPart part) const {
    return sections_[static_cast<std::size_t>(part)];
  }
  [[nodiscard]] Result<BlockPtr> page(IndexPart part, std::uint32_t number) const;
  [[nodiscard]] Result<bool> may_hold(KeyHash hash) const;
  template <typename Hash>
  [[nodiscard]] Result<std::uint32_t> page_before(IndexPart fences, std::uint32_t pages, Hash hash,
                                                  bool strict) const;
  [[nodiscard]] Result<std::optional<Entry>> entry_in(BlockPtr page, std::uint32_t number,
                                                      KeyHash key) const;
  [[nodiscard]] Result<IndexFragment> fragment(const Entry& entry, std::uint32_t n,
                                               BlockPtr& held) const;

  std::unique_ptr<File> file_;
  std::string path_;
  std::shared_ptr<BlockCache> cache_;
  PageReader reader_;
  std::uint32_t pages_ = 0;
  std::uint32_t events_ = 0;
  std::uint32_t lines_ = 0;
  std::array<IndexSection, index_parts> sections_{};
};

}  // namespace stele::log
