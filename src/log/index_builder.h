// Module: log
// Builds the index of a sealed segment from its frames, in memory (index_run.h has the format).

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "log/format.h"
#include "log/index_run.h"

namespace stele::log {

/// Takes the frames in order, then builds. Needs 16 bytes for each posting and append, about 60 for
/// each stream, and the size of the index.
class IndexBuilder {
 public:
  explicit IndexBuilder(std::uint64_t salt) : salt_{salt} {}

  void add(const FrameView& frame, std::uint32_t block);

  /// The bytes of the file. Ends the builder's use.
  [[nodiscard]] std::vector<std::byte> build(const IndexIdentity& identity);

 private:
  struct Posting {
    KeyHash key = 0;
    Ordinal ordinal = 0;
    friend auto operator<=>(const Posting&, const Posting&) = default;
  };
  struct Append {
    KeyHash hash = 0;
    std::uint32_t block = 0;
    friend auto operator<=>(const Append&, const Append&) = default;
  };
  /// The pages of one section, and how much of the last one is in use.
  struct Pages {
    std::vector<std::byte> bytes;
    std::size_t used = sealed_page_room;

    [[nodiscard]] std::uint32_t count() const;
    [[nodiscard]] std::size_t room() const { return sealed_page_room - used; }
    void start();                                ///< A fresh page.
    void put(std::span<const std::byte> piece);  ///< Behind what is in the last page.
    [[nodiscard]] std::byte* last();
  };
  class KeyPage;
  struct ListPlace {
    std::uint32_t page = 0;
    std::size_t offset = 0;
    std::uint32_t fragments = 0;
  };

  [[nodiscard]] Pages& pages(IndexPart part) { return parts_[static_cast<std::size_t>(part)]; }
  void make_filter();
  void make_keys();
  void make_appends();
  void make_fences(IndexPart part, std::span<const std::uint64_t> firsts, std::size_t width);
  void add_key(KeyPage& page, KeyHash key, std::span<const Ordinal> ordinals);
  [[nodiscard]] ListPlace put_list(std::span<const Ordinal> ordinals, std::size_t size);

  std::uint64_t salt_;
  Ordinal next_ = 0;
  std::uint32_t frames_ = 0;
  std::uint32_t keys_ = 0;
  std::uint32_t lines_ = 0;
  std::vector<Posting> postings_;
  std::vector<Append> appends_;
  std::unordered_map<KeyHash, StreamState> streams_;
  std::array<Pages, index_parts> parts_;
};

}  // namespace stele::log
