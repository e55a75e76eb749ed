// Module: log
// Builds the index of a sealed segment from its frames, in memory (index_run.h has the format).

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "log/format.h"
#include "log/index_run.h"

namespace stele::log {

/// Takes the frames in order, then builds. A key gets a small number when it is seen first, and its
/// postings are counted: so nothing but the different keys has to be sorted, and the cost of a
/// posting does not grow with the segment. Needs 12 bytes for each posting, 16 for each append,
/// about 90 for each key, and the size of the index.
class IndexBuilder {
 public:
  explicit IndexBuilder(std::uint64_t salt);

  void add(const FrameView& frame, std::uint32_t block);

  /// The bytes of the file. Ends the builder's use.
  [[nodiscard]] std::vector<std::byte> build(const IndexIdentity& identity);

 private:
  /// The place of a key in `keys_`.
  using KeyNumber = std::uint32_t;

  struct Key {
    KeyHash hash = 0;
    std::uint32_t postings = 0;
    Ordinal last = 0;  ///< Its last posting, if it has any.
    bool is_stream = false;
    StreamState stream = {};
  };
  struct Posting {
    KeyNumber key = 0;
    Ordinal ordinal = 0;
  };
  struct Append {
    KeyHash hash = 0;
    std::uint32_t block = 0;
    friend auto operator<=>(const Append&, const Append&) = default;
  };
  /// A name that was seen last, and its number: most events repeat the one before.
  struct Recent {
    std::string name;
    KeyNumber key = 0;
    bool known = false;
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
  [[nodiscard]] KeyNumber number_of(KeyHash hash);
  [[nodiscard]] KeyNumber number_of(Recent& recent, KeyKind kind, std::string_view name);
  void grow();
  void add_posting(KeyNumber number);
  void make_filter();
  void make_keys();
  void make_appends();
  void make_fences(IndexPart part, std::span<const std::uint64_t> firsts, std::size_t width);
  void add_key(KeyPage& page, const Key& key, std::span<const Ordinal> ordinals);
  [[nodiscard]] ListPlace put_list(std::span<const Ordinal> ordinals, std::size_t size);

  std::uint64_t salt_;
  Ordinal next_ = 0;
  std::uint32_t frames_ = 0;
  std::uint32_t lines_ = 0;
  std::vector<Key> keys_;
  std::vector<KeyNumber> slots_;  // By hash, open addressing; a number + 1, or 0.
  std::vector<Posting> postings_;
  std::vector<Append> appends_;
  Recent stream_;
  Recent category_;
  Recent type_;
  std::vector<std::byte> body_;  // Of one key, while it is made.
  std::array<Pages, index_parts> parts_;
};

}  // namespace stele::log
