#include "log/index_builder.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

#include "log/bytes.h"

namespace stele::log {
namespace {

constexpr std::uint64_t filter_bits_per_key = 10;
constexpr std::size_t list_room_min = 256;  // A list of several pages starts on at least so much.
constexpr std::size_t first_slots = 1'024;  // A power of two.
constexpr unsigned bucket_bits = 12;        // Of a hash's top; each bucket is sorted alone.

/// Sorts by `hash_of`, whose values are spread evenly: first by their top bits in one pass, then
/// each handful. Four times as fast as sorting a few hundred thousand at once.
template <typename Item, typename HashOf, typename Less>
void sort_hashed(std::vector<Item>& items, const HashOf& hash_of, const Less& less) {
  constexpr std::size_t buckets = std::size_t{1} << bucket_bits;
  const auto bucket_of = [&](const Item& item) {
    return static_cast<std::size_t>(hash_of(item) >> (64 - bucket_bits));
  };
  std::vector<std::uint32_t> ends(buckets + 1);
  for (const Item& item : items) ++ends[bucket_of(item) + 1];
  for (std::size_t i = 1; i <= buckets; ++i) ends[i] += ends[i - 1];
  std::vector<Item> sorted(items.size());
  for (Item& item : items) sorted[ends[bucket_of(item)]++] = std::move(item);
  auto begin = sorted.begin();
  for (std::size_t i = 0; i < buckets; ++i) {
    const auto end = sorted.begin() + static_cast<std::ptrdiff_t>(ends[i]);
    std::sort(begin, end, less);
    begin = end;
  }
  items = std::move(sorted);
}

void put_distances(std::vector<std::byte>& out, std::span<const Ordinal> ordinals) {
  for (std::size_t i = 1; i < ordinals.size(); ++i) put_varint(out, ordinals[i] - ordinals[i - 1]);
}

std::size_t varint_size(std::uint32_t value) {
  std::size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

std::size_t distances_size(std::span<const Ordinal> ordinals) {
  std::size_t size = 0;
  for (std::size_t i = 1; i < ordinals.size(); ++i) {
    size += varint_size(ordinals[i] - ordinals[i - 1]);
  }
  return size;
}

struct MadeFragment {
  std::vector<std::byte> bytes;
  std::size_t taken = 0;  // Of the ordinals.
};

MadeFragment finish_fragment(IndexFragment::Form form, std::span<const Ordinal> taken,
                             const std::vector<std::byte>& rest) {
  MadeFragment made{.bytes = std::vector<std::byte>(index_fragment_header_size + rest.size()),
                    .taken = taken.size()};
  store(made.bytes.data(), taken.front());
  store(made.bytes.data() + 4, taken.back());
  store(made.bytes.data() + 8, static_cast<std::uint32_t>(taken.size()));
  store(made.bytes.data() + 12, static_cast<std::uint16_t>(rest.size()));
  store(made.bytes.data() + 14, static_cast<std::uint8_t>(form));
  std::ranges::copy(rest, made.bytes.begin() + index_fragment_header_size);
  return made;
}

// As many of `ordinals` as fit in `room` bytes, in the form that takes most of them.
MadeFragment make_fragment(std::span<const Ordinal> ordinals, std::size_t room) {
  const Ordinal first = ordinals.front();
  if (ordinals.back() - first + 1 == ordinals.size()) {
    return finish_fragment(IndexFragment::Form::all, ordinals, {});
  }
  room -= index_fragment_header_size;
  std::size_t listed = 1;
  std::size_t list_size = 0;
  for (; listed < ordinals.size(); ++listed) {
    const std::size_t size = varint_size(ordinals[listed] - ordinals[listed - 1]);
    if (list_size + size > room) break;
    list_size += size;
  }
  const auto mapped_end = std::lower_bound(ordinals.begin(), ordinals.end(), first + 8 * room);
  const auto mapped = static_cast<std::size_t>(mapped_end - ordinals.begin());
  const std::size_t map_size = (ordinals[mapped - 1] - first) / 8 + 1;
  std::vector<std::byte> rest;
  if (mapped > listed || (mapped == listed && map_size < list_size)) {
    rest.resize(map_size);
    for (const Ordinal each : ordinals.first(mapped)) {
      rest[(each - first) / 8] |= static_cast<std::byte>(1U << ((each - first) % 8));
    }
    return finish_fragment(IndexFragment::Form::bitmap, ordinals.first(mapped), rest);
  }
  put_distances(rest, ordinals.first(listed));
  return finish_fragment(IndexFragment::Form::distances, ordinals.first(listed), rest);
}

}  // namespace

std::uint32_t IndexBuilder::Pages::count() const {
  return static_cast<std::uint32_t>(bytes.size() / sealed_page_size);
}

void IndexBuilder::Pages::start() {
  bytes.insert(bytes.end(), sealed_page_size, std::byte{0});
  used = 0;
}

void IndexBuilder::Pages::put(std::span<const std::byte> piece) {
  std::memcpy(last() + used, piece.data(), piece.size());
  used += piece.size();
}

std::byte* IndexBuilder::Pages::last() { return bytes.data() + bytes.size() - sealed_page_size; }

IndexBuilder::IndexBuilder(std::uint64_t salt) : salt_{salt}, slots_(first_slots) {}

IndexBuilder::KeyNumber IndexBuilder::number_of(KeyHash hash) {
  if ((keys_.size() + 1) * 2 > slots_.size()) grow();
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = hash & mask;; i = (i + 1) & mask) {
    if (slots_[i] == 0) {
      keys_.push_back({.hash = hash});
      slots_[i] = static_cast<KeyNumber>(keys_.size());
    }
    if (keys_[slots_[i] - 1].hash == hash) return slots_[i] - 1;
  }
}

IndexBuilder::KeyNumber IndexBuilder::number_of(Recent& recent, KeyKind kind,
                                                std::string_view name) {
  if (!recent.known || recent.name != name) {
    recent.name = name;
    recent.key = number_of(key_hash(salt_, kind, name));
    recent.known = true;
  }
  return recent.key;
}

void IndexBuilder::grow() {
  slots_.assign(slots_.size() * 2, 0);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t n = 0; n < keys_.size(); ++n) {
    std::size_t i = keys_[n].hash & mask;
    while (slots_[i] != 0) i = (i + 1) & mask;
    slots_[i] = static_cast<KeyNumber>(n + 1);
  }
}

void IndexBuilder::add_posting(KeyNumber number) {
  Key& key = keys_[number];
  if (key.postings != 0 && key.last == next_) return;  // A tag that an event has twice.
  ++key.postings;
  key.last = next_;
  postings_.push_back({.key = number, .ordinal = next_});
}

void IndexBuilder::add(const FrameView& frame, std::uint32_t block) {
  appends_.push_back({.hash = key_hash(salt_, frame.append_id()), .block = block});
  ++frames_;
  EventCursor events = frame.events();
  EventView event;
  while (events.next(event)) {
    if (stream_.name != event.stream) {
      (void)number_of(category_, KeyKind::category, category_of(event.stream));
    }
    const KeyNumber stream = number_of(stream_, KeyKind::stream, event.stream);
    keys_[stream].is_stream = true;
    keys_[stream].stream = {.version = event.version, .tip = tip_of(event.id)};
    add_posting(stream);
    add_posting(category_.key);
    add_posting(number_of(type_, KeyKind::type, event.type));
    for (const std::string_view tag : event.tags) {
      add_posting(number_of(key_hash(salt_, KeyKind::tag, tag)));
    }
    ++next_;
  }
}

// Collects the entries of one page of keys until it is full.
class IndexBuilder::KeyPage {
 public:
  explicit KeyPage(Pages& out) : out_{&out} {}

  void add(KeyHash key, std::span<const std::byte> body) {
    constexpr std::size_t entry_size = sizeof(KeyHash) + sizeof(std::uint16_t);
    const std::size_t size = 8 + (hashes_.size() + 1) * entry_size + bodies_.size() + body.size();
    if (size > sealed_page_room) flush();
    if (hashes_.empty()) firsts_.push_back(key);
    hashes_.push_back(key);
    offsets_.push_back(bodies_.size());
    bodies_.insert(bodies_.end(), body.begin(), body.end());
  }

  void flush() {
    if (hashes_.empty()) return;
    out_->start();
    std::byte* at = out_->last();
    store(at, static_cast<std::uint16_t>(hashes_.size()));
    at += 8;
    for (const KeyHash each : hashes_) {
      store(at, each);
      at += sizeof each;
    }
    const std::size_t bodies_at = 8 + hashes_.size() * (sizeof(KeyHash) + sizeof(std::uint16_t));
    for (const std::size_t each : offsets_) {
      store(at, static_cast<std::uint16_t>(bodies_at + each));
      at += sizeof(std::uint16_t);
    }
    std::memcpy(at, bodies_.data(), bodies_.size());
    hashes_.clear();
    offsets_.clear();
    bodies_.clear();
  }

  [[nodiscard]] const std::vector<std::uint64_t>& firsts() const { return firsts_; }

 private:
  Pages* out_;
  std::vector<KeyHash> hashes_;
  std::vector<std::size_t> offsets_;
  std::vector<std::byte> bodies_;
  std::vector<std::uint64_t> firsts_;
};

IndexBuilder::ListPlace IndexBuilder::put_list(std::span<const Ordinal> ordinals,
                                               std::size_t size) {
  Pages& out = pages(IndexPart::postings);
  if (out.room() < index_fragment_header_size + std::min(size, list_room_min)) out.start();
  ListPlace place{.page = out.count() - 1, .offset = out.used, .fragments = 0};
  while (true) {
    const MadeFragment made = make_fragment(ordinals, out.room());
    out.put(made.bytes);
    ++place.fragments;
    ordinals = ordinals.subspan(made.taken);
    if (ordinals.empty()) return place;
    out.start();
  }
}

void IndexBuilder::add_key(KeyPage& page, const Key& key, std::span<const Ordinal> ordinals) {
  const std::size_t size = distances_size(ordinals);
  const bool elsewhere = size > index_inline_size_max;
  std::vector<std::byte>& body = body_;
  body.clear();
  body.push_back(static_cast<std::byte>((key.is_stream ? 1 : 0) | (elsewhere ? 2 : 0)));
  if (key.is_stream) {
    put_varint(body, number(key.stream.version));
    body.resize(body.size() + 8);
    store(body.data() + body.size() - 8, number(key.stream.tip));
  }
  put_varint(body, ordinals.size());
  put_varint(body, ordinals.front());
  put_varint(body, ordinals.back());
  if (elsewhere) {
    const ListPlace place = put_list(ordinals, size);
    put_varint(body, place.page);
    put_varint(body, place.offset);
    put_varint(body, place.fragments);
  } else {
    put_distances(body, ordinals);
  }
  page.add(key.hash, body);
}

void IndexBuilder::make_keys() {
  // Where each key's postings begin, in the order of the keys' hashes.
  struct Place {
    KeyHash hash = 0;
    KeyNumber key = 0;
  };
  std::vector<Place> order;
  order.reserve(keys_.size());
  for (const Key& key : keys_) {
    order.push_back({.hash = key.hash, .key = static_cast<KeyNumber>(order.size())});
  }
  sort_hashed(
      order, [](const Place& place) { return place.hash; },
      [](const Place& a, const Place& b) { return a.hash < b.hash; });
  std::vector<std::uint32_t> begins(keys_.size());
  std::uint32_t begin = 0;
  for (const Place& place : order) {
    begins[place.key] = begin;
    begin += keys_[place.key].postings;
  }
  std::vector<Ordinal> ordinals(postings_.size());
  for (const Posting& posting : postings_) ordinals[begins[posting.key]++] = posting.ordinal;

  KeyPage page{pages(IndexPart::keys)};
  std::span<const Ordinal> rest{ordinals};
  for (const Place& place : order) {
    const Key& key = keys_[place.key];
    add_key(page, key, rest.first(key.postings));
    rest = rest.subspan(key.postings);
  }
  page.flush();
  make_fences(IndexPart::key_fences, page.firsts(), sizeof(std::uint64_t));
}

void IndexBuilder::make_appends() {
  Pages& out = pages(IndexPart::appends);
  std::vector<std::uint64_t> firsts;
  std::vector<std::byte> entry;
  std::uint32_t before = 0;
  std::uint16_t in_page = 0;
  for (const Append& append : appends_) {
    const auto hash = static_cast<std::uint32_t>(append.hash >> 32);
    entry.clear();
    put_varint(entry, hash - before);
    put_varint(entry, append.block);
    if (entry.size() > out.room()) {
      out.start();
      out.used = 8;
      store(out.last() + 4, hash);
      firsts.push_back(hash);
      in_page = 0;
      entry.clear();
      put_varint(entry, 0);
      put_varint(entry, append.block);
    }
    out.put(entry);
    store(out.last(), ++in_page);
    before = hash;
  }
  make_fences(IndexPart::append_fences, firsts, sizeof(std::uint32_t));
}

void IndexBuilder::make_fences(IndexPart part, std::span<const std::uint64_t> firsts,
                               std::size_t width) {
  Pages& out = pages(part);
  for (const std::uint64_t each : firsts) {
    if (out.room() < width) out.start();
    std::array<std::byte, sizeof each> bytes;
    store(bytes.data(), each);
    out.put(std::span{bytes}.first(width));
  }
}

void IndexBuilder::make_filter() {
  const std::uint64_t count = keys_.size() + appends_.size();
  lines_ =
      static_cast<std::uint32_t>(count * filter_bits_per_key / (index_filter_line_size * 8)) + 1;
  Pages& out = pages(IndexPart::filter);
  for (std::uint32_t line = 0; line < lines_; line += index_filter_lines_per_page) out.start();
  const auto add = [&](KeyHash hash) {
    const FilterBits bits = filter_bits(hash, lines_);
    std::byte* const line = out.bytes.data() +
                            bits.line / index_filter_lines_per_page * sealed_page_size +
                            bits.line % index_filter_lines_per_page * index_filter_line_size;
    for (const std::uint16_t bit : bits.bits)
      line[bit / 8] |= static_cast<std::byte>(1U << bit % 8);
  };
  for (const Key& key : keys_) add(key.hash);
  for (const Append& append : appends_) add(append.hash);
}

std::vector<std::byte> IndexBuilder::build(const IndexIdentity& identity) {
  sort_hashed(appends_, [](const Append& append) { return append.hash; }, std::less<>{});
  make_filter();
  make_keys();
  make_appends();

  std::vector<std::byte> file(sealed_page_size);
  std::size_t size = file.size();
  for (const Pages& part : parts_) size += part.bytes.size();
  file.reserve(size);
  std::size_t table_at = 48;
  for (Pages& part : parts_) {
    store(file.data() + table_at, static_cast<std::uint32_t>(file.size() / sealed_page_size));
    store(file.data() + table_at + 4, part.count());
    table_at += 8;
    file.insert(file.end(), part.bytes.begin(), part.bytes.end());
    part = {};
  }
  std::byte* const head = file.data();
  std::memcpy(head, "STELEIDX", 8);
  store(head + 8, index_version);
  store(head + 12, static_cast<std::uint32_t>(file.size() / sealed_page_size));
  store(head + 16, number(identity.first));
  std::memcpy(head + 24, identity.chain_after.data(), identity.chain_after.size());
  store(head + 40, next_);
  store(head + 44, frames_);
  store(head + 96, lines_);
  store(head + 100, static_cast<std::uint32_t>(keys_.size()));
  for (std::uint32_t page = 0; page < file.size() / sealed_page_size; ++page) {
    finish_page({file.data() + std::size_t{page} * sealed_page_size, sealed_page_size}, page,
                identity.seed);
  }
  return file;
}

}  // namespace stele::log
