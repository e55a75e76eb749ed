#include "log/index_builder.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "log/bytes.h"

namespace stele::log {
namespace {

constexpr std::uint64_t filter_bits_per_key = 10;
constexpr std::size_t list_room_min = 256;  // A list of several pages starts on at least so much.

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

void IndexBuilder::add(const FrameView& frame, std::uint32_t block) {
  appends_.push_back({.hash = key_hash(salt_, frame.append_id()), .block = block});
  ++frames_;
  EventCursor events = frame.events();
  EventView event;
  while (events.next(event)) {
    const KeyHash stream = key_hash(salt_, KeyKind::stream, event.stream);
    postings_.push_back({.key = stream, .ordinal = next_});
    postings_.push_back(
        {.key = key_hash(salt_, KeyKind::category, category_of(event.stream)), .ordinal = next_});
    postings_.push_back({.key = key_hash(salt_, KeyKind::type, event.type), .ordinal = next_});
    for (const std::string_view tag : event.tags) {
      postings_.push_back({.key = key_hash(salt_, KeyKind::tag, tag), .ordinal = next_});
    }
    streams_[stream] = {.version = event.version, .tip = tip_of(event.id)};
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

void IndexBuilder::add_key(KeyPage& page, KeyHash key, std::span<const Ordinal> ordinals) {
  const std::size_t size = distances_size(ordinals);
  const bool elsewhere = size > index_inline_size_max;
  const auto stream = streams_.find(key);
  const bool is_stream = stream != streams_.end();
  std::vector<std::byte> body{static_cast<std::byte>((is_stream ? 1 : 0) | (elsewhere ? 2 : 0))};
  if (is_stream) {
    put_varint(body, number(stream->second.version));
    body.resize(body.size() + 8);
    store(body.data() + body.size() - 8, number(stream->second.tip));
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
  page.add(key, body);
}

void IndexBuilder::make_keys() {
  KeyPage page{pages(IndexPart::keys)};
  std::vector<Ordinal> ordinals;
  for (std::size_t i = 0; i < postings_.size();) {
    const KeyHash key = postings_[i].key;
    ordinals.clear();
    for (; i < postings_.size() && postings_[i].key == key; ++i) {
      ordinals.push_back(postings_[i].ordinal);
    }
    add_key(page, key, ordinals);
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
  const std::uint64_t count = keys_ + appends_.size();
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
  for (std::size_t i = 0; i < postings_.size(); ++i) {
    if (i == 0 || postings_[i].key != postings_[i - 1].key) add(postings_[i].key);
  }
  for (const Append& append : appends_) add(append.hash);
}

std::vector<std::byte> IndexBuilder::build(const IndexIdentity& identity) {
  std::ranges::sort(postings_);
  const auto [last, end] = std::ranges::unique(postings_);  // A tag that an event has twice.
  postings_.erase(last, end);
  std::ranges::sort(appends_);
  for (std::size_t i = 0; i < postings_.size(); ++i) {
    if (i == 0 || postings_[i].key != postings_[i - 1].key) ++keys_;
  }
  make_filter();
  make_keys();
  make_appends();

  std::vector<std::byte> file(sealed_page_size);
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
  store(head + 100, keys_);
  for (std::uint32_t page = 0; page < file.size() / sealed_page_size; ++page) {
    finish_page({file.data() + std::size_t{page} * sealed_page_size, sealed_page_size}, page,
                identity.seed);
  }
  return file;
}

}  // namespace stele::log
