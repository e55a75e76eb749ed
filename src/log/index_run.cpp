#include "log/index_run.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "log/bytes.h"
#include "log/index_query.h"

namespace stele::log {
namespace {

std::uint64_t take_or_0(std::span<const std::byte>& bytes, bool& whole) {
  std::uint64_t value = 0;
  if (!take_varint(bytes, value)) whole = false;
  return value;
}

std::uint64_t load_fence(const std::byte* at, std::size_t width) {
  return width == sizeof(std::uint32_t) ? load<std::uint32_t>(at) : load<std::uint64_t>(at);
}

// The ordinals of one fragment, ascending, without taking memory for them.
class FragmentWalk {
 public:
  FragmentWalk() = default;
  explicit FragmentWalk(const IndexFragment& fragment)
      : fragment_{fragment}, rest_{fragment.rest}, at_{fragment.first} {}

  // The first one that is not below `from`; ordinal_none behind the last. Never goes back.
  Ordinal seek(Ordinal from) {
    if (from > fragment_.last) return ordinal_none;
    if (from <= at_) return at_;
    switch (fragment_.form) {
      case IndexFragment::Form::all:
        return at_ = from;
      case IndexFragment::Form::bitmap:
        return seek_bit(from);
      case IndexFragment::Form::distances:
        break;
    }
    std::uint64_t distance = 0;
    while (at_ < from) {
      if (!take_varint(rest_, distance) || distance == 0) return ordinal_none;
      at_ += static_cast<Ordinal>(distance);
    }
    return at_;
  }

 private:
  Ordinal seek_bit(Ordinal from) {
    std::size_t byte = (from - fragment_.first) / 8;
    unsigned bits = 0;
    unsigned mask = 0xFFU << ((from - fragment_.first) % 8);
    for (; byte < rest_.size(); ++byte, mask = 0xFF) {
      bits = static_cast<unsigned>(rest_[byte]) & mask;
      if (bits == 0) continue;
      at_ = fragment_.first + static_cast<Ordinal>(byte * 8) +
            static_cast<Ordinal>(std::countr_zero(bits));
      return at_;
    }
    return ordinal_none;
  }

  IndexFragment fragment_;
  std::span<const std::byte> rest_;
  Ordinal at_ = 0;
};

}  // namespace

FilterBits filter_bits(KeyHash hash, std::uint32_t lines) noexcept {
  FilterBits found;
  found.line = static_cast<std::uint32_t>(((hash >> 32) * lines) >> 32);
  std::uint64_t mixed = (hash & 0xFFFF'FFFF) * 0x9E37'79B9'7F4A'7C15ULL ^ hash;
  mixed = (mixed ^ mixed >> 29) * 0xBF58'476D'1CE4'E5B9ULL;
  mixed ^= mixed >> 32;
  for (std::uint16_t& bit : found.bits) {
    bit = static_cast<std::uint16_t>(mixed & 511);
    mixed >>= 9;
  }
  return found;
}

IndexRun::IndexRun(std::unique_ptr<File> file, const std::string& path,
                   const IndexIdentity& identity, std::shared_ptr<BlockCache> cache)
    : file_{std::move(file)},
      path_{path},
      cache_{std::move(cache)},
      reader_{*file_, path_, 0, identity.seed, *cache_, cache_->new_file(), 0} {}

Result<std::unique_ptr<IndexRun>> IndexRun::open(std::unique_ptr<File> file,
                                                 const std::string& path,
                                                 const IndexIdentity& identity,
                                                 std::shared_ptr<BlockCache> cache) {
  std::unique_ptr<IndexRun> run{new IndexRun{std::move(file), path, identity, std::move(cache)}};
  if (const auto read = run->read_header(identity); !read) return std::unexpected{read.error()};
  return run;
}

Result<void> IndexRun::read_header(const IndexIdentity& identity) {
  const auto size = file_->size();
  if (!size) return std::unexpected{size.error()};
  const auto other = [this](std::string_view why) {
    return fail(Errc::corrupt, "The index \"" + path_ + "\" " + std::string{why} +
                                   "; it can be built again from its segment.");
  };
  if (*size < sealed_page_size) return other("is cut short");
  // Not through the cache: read once.
  std::array<std::byte, sealed_page_size> head;
  if (const auto read = file_->read_at(0, head); !read) return std::unexpected{read.error()};
  if (!page_is_right(head, 0, identity.seed)) return other("has a damaged header");
  const std::byte* const at = head.data();
  if (text_at(at, 8) != "STELEIDX") return other("is no index");
  if (load<std::uint32_t>(at + 8) != index_version) return other("has another version");
  pages_ = load<std::uint32_t>(at + 12);
  events_ = load<std::uint32_t>(at + 40);
  lines_ = load<std::uint32_t>(at + 96);
  const bool same = load<std::uint64_t>(at + 16) == number(identity.first) &&
                    std::memcmp(at + 24, identity.chain_after.data(), 16) == 0 &&
                    events_ == identity.events && load<std::uint32_t>(at + 44) == identity.frames;
  if (!same) return other("belongs to another segment");
  if (*size != std::uint64_t{pages_} * sealed_page_size) return other("has the wrong size");
  for (std::size_t i = 0; i < index_parts; ++i) {
    sections_[i] = {.first = load<std::uint32_t>(at + 48 + 8 * i),
                    .pages = load<std::uint32_t>(at + 52 + 8 * i)};
  }
  return {};
}

Result<BlockPtr> IndexRun::page(IndexPart part, std::uint32_t number) const {
  if (number >= section(part).pages) return reader_.nonsense(section(part).first + number);
  return reader_.page(section(part).first + number);
}

Result<bool> IndexRun::may_hold(KeyHash hash) const {
  const FilterBits wanted = filter_bits(hash, lines_);
  const auto held = page(IndexPart::filter,
                         static_cast<std::uint32_t>(wanted.line / index_filter_lines_per_page));
  if (!held) return std::unexpected{held.error()};
  const std::byte* const line =
      (*held)->bytes.get() + wanted.line % index_filter_lines_per_page * index_filter_line_size;
  return std::ranges::all_of(wanted.bits, [line](std::uint16_t bit) {
    return (static_cast<unsigned>(line[bit / 8]) >> bit % 8 & 1U) != 0;
  });
}

// The last page whose first hash is at most `hash` (below it, if `strict`); the first page if there
// is none.
template <typename Hash>
Result<std::uint32_t> IndexRun::page_before(IndexPart fences, std::uint32_t pages, Hash hash,
                                            bool strict) const {
  constexpr std::uint32_t per_page = sealed_page_room / sizeof(Hash);
  std::uint32_t low = 0;
  std::uint32_t high = pages;  // The answer is in [low, high).
  BlockPtr held;
  std::uint32_t held_number = 0;
  while (high - low > 1) {
    const std::uint32_t middle = low + (high - low) / 2;
    if (held == nullptr || held_number != middle / per_page) {
      auto fresh = page(fences, middle / per_page);
      if (!fresh) return std::unexpected{fresh.error()};
      held = std::move(*fresh);
      held_number = middle / per_page;
    }
    const std::uint64_t fence =
        load_fence(held->bytes.get() + middle % per_page * sizeof(Hash), sizeof(Hash));
    if (fence < hash || (fence == hash && !strict)) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

Result<std::optional<IndexRun::Entry>> IndexRun::find(KeyHash key) const {
  const auto maybe = may_hold(key);
  if (!maybe) return std::unexpected{maybe.error()};
  const std::uint32_t pages = section(IndexPart::keys).pages;
  if (!*maybe || pages == 0) return std::nullopt;
  const auto number = page_before<std::uint64_t>(IndexPart::key_fences, pages, key, false);
  if (!number) return std::unexpected{number.error()};
  auto held = page(IndexPart::keys, *number);
  if (!held) return std::unexpected{held.error()};
  return entry_in(std::move(*held), *number, key);
}

Result<std::optional<IndexRun::Entry>> IndexRun::entry_in(BlockPtr page, std::uint32_t page_number,
                                                          KeyHash key) const {
  const std::byte* const at = page->bytes.get();
  const std::size_t count = load<std::uint16_t>(at);
  constexpr std::size_t count_max = (sealed_page_room - 8) / 10;  // A hash and an offset each.
  if (count > count_max) return reader_.nonsense(section(IndexPart::keys).first + page_number);
  std::size_t low = 0;
  std::size_t high = count;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (load<std::uint64_t>(at + 8 + 8 * middle) < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == count || load<std::uint64_t>(at + 8 + 8 * low) != key) return std::nullopt;
  const std::size_t body = load<std::uint16_t>(at + 8 + 8 * count + 2 * low);
  const std::size_t body_end =
      low + 1 == count ? sealed_page_room : load<std::uint16_t>(at + 8 + 8 * count + 2 * low + 2);
  if (body >= body_end || body_end > sealed_page_room) {
    return reader_.nonsense(section(IndexPart::keys).first + page_number);
  }
  Entry entry;
  std::span<const std::byte> rest = page->view().subspan(body, body_end - body);
  const auto flags = static_cast<unsigned>(rest.front());
  rest = rest.subspan(1);
  bool whole = true;
  entry.is_stream = (flags & 1U) != 0;
  entry.elsewhere = (flags & 2U) != 0;
  if (entry.is_stream) {
    entry.stream.version = Version{take_or_0(rest, whole)};
    if (rest.size() < 8) return reader_.nonsense(section(IndexPart::keys).first + page_number);
    entry.stream.tip = Tip{load<std::uint64_t>(rest.data())};
    rest = rest.subspan(8);
  }
  entry.stream.count = static_cast<std::uint32_t>(take_or_0(rest, whole));
  entry.first = static_cast<Ordinal>(take_or_0(rest, whole));
  entry.stream.last = static_cast<Ordinal>(take_or_0(rest, whole));
  if (entry.elsewhere) {
    entry.page_number = static_cast<std::uint32_t>(take_or_0(rest, whole));
    entry.offset = static_cast<std::uint32_t>(take_or_0(rest, whole));
    entry.fragments = static_cast<std::uint32_t>(take_or_0(rest, whole));
  }
  if (!whole || entry.stream.last >= events_) {
    return reader_.nonsense(section(IndexPart::keys).first + page_number);
  }
  entry.rest = rest;
  entry.page = std::move(page);
  return entry;
}

// The n-th fragment of a key's postings; `held` keeps its page.
Result<IndexFragment> IndexRun::fragment(const Entry& entry, std::uint32_t n,
                                         BlockPtr& held) const {
  if (!entry.elsewhere) {
    held = entry.page;
    return IndexFragment{.form = IndexFragment::Form::distances,
                         .first = entry.first,
                         .last = entry.stream.last,
                         .count = entry.stream.count,
                         .rest = entry.rest};
  }
  auto fresh = page(IndexPart::postings, entry.page_number + n);
  if (!fresh) return std::unexpected{fresh.error()};
  held = std::move(*fresh);
  const auto nonsense = [&] {
    return reader_.nonsense(section(IndexPart::postings).first + entry.page_number + n);
  };
  const std::size_t offset = n == 0 ? entry.offset : 0;
  if (offset + index_fragment_header_size > sealed_page_room) return nonsense();
  const std::byte* const at = held->bytes.get() + offset;
  const std::size_t size = load<std::uint16_t>(at + 12);
  const auto form = load<std::uint8_t>(at + 14);
  if (offset + index_fragment_header_size + size > sealed_page_room || form > 2) return nonsense();
  return IndexFragment{.form = static_cast<IndexFragment::Form>(form),
                       .first = load<std::uint32_t>(at),
                       .last = load<std::uint32_t>(at + 4),
                       .count = load<std::uint32_t>(at + 8),
                       .rest = {at + index_fragment_header_size, size}};
}

Result<std::vector<std::uint32_t>> IndexRun::find_append(KeyHash append_id) const {
  const auto maybe = may_hold(append_id);
  if (!maybe) return std::unexpected{maybe.error()};
  std::vector<std::uint32_t> blocks;
  const std::uint32_t pages = section(IndexPart::appends).pages;
  if (!*maybe || pages == 0) return blocks;
  const auto wanted = static_cast<std::uint32_t>(append_id >> 32);
  const auto start = page_before<std::uint32_t>(IndexPart::append_fences, pages, wanted, true);
  if (!start) return std::unexpected{start.error()};
  for (std::uint32_t page_number = *start; page_number < pages; ++page_number) {
    const auto held = page(IndexPart::appends, page_number);
    if (!held) return std::unexpected{held.error()};
    const std::byte* const at = (*held)->bytes.get();
    auto left = load<std::uint16_t>(at);
    std::uint64_t hash = load<std::uint32_t>(at + 4);
    std::span<const std::byte> rest{at + 8, sealed_page_room - 8};
    bool whole = true;
    for (; left > 0 && hash <= wanted; --left) {
      hash += take_or_0(rest, whole);
      const std::uint64_t block = take_or_0(rest, whole);
      if (!whole) return reader_.nonsense(section(IndexPart::appends).first + page_number);
      if (hash == wanted) blocks.push_back(static_cast<std::uint32_t>(block));
    }
    if (hash > wanted) break;
  }
  return blocks;
}

// Walks the postings of one key, page by page. An error ends the walk and is kept in `error`.
class IndexRun::Cursor {
 public:
  Cursor(const IndexRun& run, Entry entry, std::optional<Error>& error)
      : run_{&run}, entry_{std::move(entry)}, error_{&error} {}

  Ordinal seek(Ordinal from) {
    if (from > entry_.stream.last || error_->has_value()) return ordinal_none;
    if (!started_ && !open(entry_.fragments > 1 ? nearest(from) : 0)) return ordinal_none;
    while (true) {
      if (const Ordinal found = walk_.seek(from); found != ordinal_none) return found;
      if (fragment_ + 1 >= entry_.fragments) return ordinal_none;
      const std::uint32_t next = last_ + 1 >= from ? fragment_ + 1 : nearest(from);
      if (!open(std::max(next, fragment_ + 1))) return ordinal_none;
    }
  }

 private:
  bool open(std::uint32_t n) {
    auto fragment = run_->fragment(entry_, n, held_);
    if (!fragment) {
      *error_ = std::move(fragment.error());
      return false;
    }
    started_ = true;
    fragment_ = n;
    last_ = fragment->last;
    walk_ = FragmentWalk{*fragment};
    return true;
  }

  // The last fragment that begins at or before `from`, by halves.
  std::uint32_t nearest(Ordinal from) {
    std::uint32_t low = started_ ? fragment_ : 0;
    std::uint32_t high = entry_.fragments;
    while (high - low > 1) {
      const std::uint32_t middle = low + (high - low) / 2;
      BlockPtr held;
      const auto fragment = run_->fragment(entry_, middle, held);
      if (!fragment) {
        *error_ = fragment.error();
        return low;
      }
      (fragment->first <= from ? low : high) = middle;
    }
    return low;
  }

  const IndexRun* run_;
  Entry entry_;
  std::optional<Error>* error_;
  BlockPtr held_;
  FragmentWalk walk_;
  std::uint32_t fragment_ = 0;
  Ordinal last_ = 0;
  bool started_ = false;
};

Result<Candidates> IndexRun::collect(const IndexQuery& query, Ordinal from,
                                     std::size_t limit) const {
  std::optional<Error> error;
  std::vector<AnyOf<Cursor>> terms;
  const auto make = [&](KeyHash key) -> std::optional<Cursor> {
    auto entry = find(key);
    if (!entry) {
      error = std::move(entry.error());
      return std::nullopt;
    }
    if (!*entry) return std::nullopt;
    return Cursor{*this, std::move(**entry), error};
  };
  const bool possible = make_terms(query, make, terms);
  if (error) return std::unexpected{*error};
  if (!possible) return Candidates{.looked_to = std::max(from, events_)};
  Candidates found = join(terms, from, events_, limit);
  if (error) return std::unexpected{*error};
  return found;
}

Result<Candidates> IndexRun::collect(const Entry& entry, Ordinal from, std::size_t limit) const {
  std::optional<Error> error;
  Cursor cursor{*this, entry, error};
  Candidates found{.looked_to = events_};
  found.ordinals.reserve(std::min<std::size_t>(entry.stream.count, limit));
  while (found.ordinals.size() < limit) {
    const Ordinal at = cursor.seek(from);
    if (at >= events_) break;
    found.ordinals.push_back(at);
    from = at + 1;
  }
  if (error) return std::unexpected{*error};
  if (found.ordinals.size() == limit) found.looked_to = from;
  return found;
}

Result<std::vector<Ordinal>> IndexRun::collect_backward(KeyHash key, Ordinal before,
                                                        std::size_t limit) const {
  const auto entry = find(key);
  if (!entry) return std::unexpected{entry.error()};
  std::vector<Ordinal> found;
  if (!*entry || limit == 0 || (*entry)->first >= before) return found;
  for (std::uint32_t n = (*entry)->fragments; n-- > 0 && found.size() < limit;) {
    BlockPtr held;
    const auto run = fragment(**entry, n, held);
    if (!run) return std::unexpected{run.error()};
    if (run->first >= before) continue;
    std::vector<Ordinal> all;
    FragmentWalk walk{*run};
    for (Ordinal at = walk.seek(0); at != ordinal_none && at < before; at = walk.seek(at + 1)) {
      all.push_back(at);
    }
    const auto wanted = static_cast<std::ptrdiff_t>(std::min(all.size(), limit - found.size()));
    found.insert(found.end(), all.rbegin(), all.rbegin() + wanted);
  }
  return found;
}

Result<void> IndexRun::check_pages() const {
  for (std::uint32_t n = 0; n < pages_; ++n) {
    if (const auto read = reader_.page(n); !read) return std::unexpected{read.error()};
  }
  return {};
}

}  // namespace stele::log
