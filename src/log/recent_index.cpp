#include "log/recent_index.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "log/index_query.h"
#include "log/parted_table.h"

namespace stele::log {
namespace {

constexpr std::size_t arena_block_words = 64 * 1'024;
constexpr std::size_t offsets_block_events = 16 * 1'024;
constexpr std::uint32_t chunk_head_words = 2;
constexpr std::uint32_t chunk_words_min = 4;
constexpr std::uint32_t chunk_words_max = 1'024;

// The ordinals of a key, ascending. `ring` names the last chunk, which names the first one as its
// next; 0 = there is only `first`.
struct Postings {
  Ordinal first = 0;
  Ordinal last = 0;
  std::uint32_t count = 0;
  std::uint32_t ring = 0;
};

struct KeySlot {
  KeyHash hash = 0;
  Postings postings = {};
  [[nodiscard]] bool used() const { return hash != 0; }
  [[nodiscard]] bool is(KeyHash other) const { return hash == other; }
  [[nodiscard]] std::uint64_t home() const { return hash; }
};

struct StreamSlot : KeySlot {
  std::uint64_t version = 0;
  std::uint64_t tip = 0;
};
static_assert(sizeof(StreamSlot) == 40 && sizeof(KeySlot) == 24);

struct AppendSlot {
  std::uint32_t low = 0;  // Of the hash: compared, and places the slot.
  std::uint32_t ordinal_plus_1 = 0;
  [[nodiscard]] bool used() const { return ordinal_plus_1 != 0; }
  [[nodiscard]] bool is(KeyHash other) const { return low == static_cast<std::uint32_t>(other); }
  [[nodiscard]] std::uint64_t home() const { return low; }
};

// Memory for chunks: [next chunk, words in use, ordinals...]. A chunk lies in one block, so its
// words are one array. Nothing is given back before the index goes.
class Arena {
 public:
  Arena() { (void)make(chunk_words_min); }  // So that no chunk has the name 0.

  [[nodiscard]] std::uint32_t* at(std::uint32_t name) {
    return &blocks_[name >> 16][name & 0xFFFF];
  }
  [[nodiscard]] const std::uint32_t* at(std::uint32_t name) const {
    return &blocks_[name >> 16][name & 0xFFFF];
  }

  std::uint32_t make(std::uint32_t words) {
    if (blocks_.empty() || used_ + words > arena_block_words) {
      blocks_.push_back(std::make_unique_for_overwrite<std::uint32_t[]>(arena_block_words));
      used_ = 0;
    }
    const auto name = static_cast<std::uint32_t>((blocks_.size() - 1) << 16 | used_);
    used_ += words;
    return name;
  }

  [[nodiscard]] std::size_t memory_size() const {
    return blocks_.size() * arena_block_words * sizeof(std::uint32_t);
  }

 private:
  std::vector<std::unique_ptr<std::uint32_t[]>> blocks_;
  std::size_t used_ = 0;
};

// The word after a chunk's next: its capacity and how many ordinals it holds.
constexpr std::uint32_t capacity_of(std::uint32_t word) { return word >> 16; }
constexpr std::uint32_t used_of(std::uint32_t word) { return word & 0xFFFF; }

// How large the next chunk of a key with `count` ordinals is: about half of what there is.
std::uint32_t next_chunk_words(std::uint32_t count) {
  const std::uint32_t wanted = std::min(count / 2 + chunk_head_words, chunk_words_max);
  return std::max(std::bit_ceil(wanted), chunk_words_min);
}

void add_posting(Arena& arena, Postings& postings, Ordinal ordinal) {
  if (postings.count == 0) postings.first = ordinal;
  postings.last = ordinal;
  if (postings.count++ == 0) return;
  if (postings.ring != 0) {
    std::uint32_t* const chunk = arena.at(postings.ring);
    const std::uint32_t used = used_of(chunk[1]);
    if (used < capacity_of(chunk[1])) {
      chunk[chunk_head_words + used] = ordinal;
      ++chunk[1];
      return;
    }
  }
  const std::uint32_t words = next_chunk_words(postings.count - 1);
  const std::uint32_t name = arena.make(words);
  std::uint32_t* const fresh = arena.at(name);
  fresh[1] = (words - chunk_head_words) << 16 | 1;
  fresh[chunk_head_words] = ordinal;
  if (postings.ring == 0) {
    fresh[0] = name;
  } else {
    std::uint32_t* const last = arena.at(postings.ring);
    fresh[0] = std::exchange(last[0], name);
  }
  postings.ring = name;
}

// Walks a key's ordinals forward, skipping whole chunks.
class Cursor {
 public:
  Cursor(const Arena& arena, const Postings& postings) : arena_{&arena}, postings_{postings} {
    if (postings.ring != 0) chunk_ = arena.at(postings.ring)[0];
  }

  Ordinal seek(Ordinal from) {
    if (from > postings_.last) return ordinal_none;
    if (from <= postings_.first) return postings_.first;
    const std::uint32_t* words = arena_->at(chunk_);
    while (words[chunk_head_words + used_of(words[1]) - 1] < from) {
      chunk_ = words[0];
      words = arena_->at(chunk_);
      place_ = 0;
    }
    const std::uint32_t* const values = words + chunk_head_words;
    if (values[place_] < from) {  // The next one is the most usual; then the rest by halves.
      ++place_;
      if (values[place_] < from) {
        place_ = static_cast<std::uint32_t>(
            std::lower_bound(values + place_, values + used_of(words[1]), from) - values);
      }
    }
    return values[place_];
  }

 private:
  const Arena* arena_;
  Postings postings_;
  std::uint32_t chunk_ = 0;
  std::uint32_t place_ = 0;
};

}  // namespace

struct RecentIndex::Impl {
  PartedTable<StreamSlot> streams;
  PartedTable<KeySlot> keys;
  PartedTable<AppendSlot> appends;
  Arena arena;
  std::vector<std::unique_ptr<std::uint32_t[]>> offsets;  // Of frames, by ordinal.

  void add_offset(Ordinal ordinal, std::uint32_t offset) {
    if (ordinal % offsets_block_events == 0) {
      offsets.push_back(std::make_unique_for_overwrite<std::uint32_t[]>(offsets_block_events));
    }
    offsets[ordinal / offsets_block_events][ordinal % offsets_block_events] = offset;
  }

  void add_key(KeyHash hash, Ordinal ordinal) {
    KeySlot& slot = keys.find_or_add(hash);
    slot.hash = hash;
    // A tag that an event carries twice, or whose hash another tag of it shares, counts once.
    if (slot.postings.count != 0 && slot.postings.last == ordinal) return;
    add_posting(arena, slot.postings, ordinal);
  }

  [[nodiscard]] const Postings* postings_of(KeyHash hash) const {
    if (const StreamSlot* const slot = streams.find(hash)) return &slot->postings;
    const KeySlot* const slot = keys.find(hash);
    return slot == nullptr ? nullptr : &slot->postings;
  }
};

RecentIndex::RecentIndex() : impl_{std::make_unique<Impl>()} {}
RecentIndex::~RecentIndex() = default;
RecentIndex::RecentIndex(RecentIndex&&) noexcept = default;
RecentIndex& RecentIndex::operator=(RecentIndex&&) noexcept = default;

void RecentIndex::prefetch(const IndexedEvent& event) const {
  impl_->streams.prefetch(event.stream);
  for (const KeyHash tag : event.tags) impl_->keys.prefetch(tag);
  // Categories and types are few: their slots are in the cache already.
}

void RecentIndex::prefetch_stream(KeyHash stream) const { impl_->streams.prefetch(stream); }
void RecentIndex::prefetch_append(KeyHash append_id) const { impl_->appends.prefetch(append_id); }

void RecentIndex::add_frame(KeyHash append_id, std::uint32_t frame_offset,
                            std::span<const IndexedEvent> events) {
  AppendSlot& append = impl_->appends.add(append_id);
  append = {.low = static_cast<std::uint32_t>(append_id), .ordinal_plus_1 = size_ + 1};
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (i + 1 < events.size()) prefetch(events[i + 1]);
    const IndexedEvent& event = events[i];
    const Ordinal ordinal = size_++;
    impl_->add_offset(ordinal, frame_offset);
    StreamSlot& stream = impl_->streams.find_or_add(event.stream);
    stream.hash = event.stream;
    stream.version = number(event.version);
    stream.tip = number(event.tip);
    add_posting(impl_->arena, stream.postings, ordinal);
    impl_->add_key(event.category, ordinal);
    impl_->add_key(event.type, ordinal);
    for (const KeyHash tag : event.tags) impl_->add_key(tag, ordinal);
  }
}

std::optional<StreamEntry> RecentIndex::find_stream(KeyHash stream) const {
  const StreamSlot* const slot = impl_->streams.find(stream);
  if (slot == nullptr) return std::nullopt;
  return StreamEntry{.version = Version{slot->version},
                     .tip = Tip{slot->tip},
                     .last = slot->postings.last,
                     .count = slot->postings.count};
}

void RecentIndex::find_append(KeyHash append_id, std::vector<Ordinal>& out) const {
  out.clear();
  impl_->appends.for_each(append_id,
                          [&](const AppendSlot& slot) { out.push_back(slot.ordinal_plus_1 - 1); });
}

std::uint32_t RecentIndex::frame_offset(Ordinal ordinal) const {
  return impl_->offsets[ordinal / offsets_block_events][ordinal % offsets_block_events];
}

Candidates RecentIndex::collect(const IndexQuery& query, Ordinal from, std::size_t limit,
                                Ordinal end) const {
  end = std::min(end, size_);
  std::vector<AnyOf<Cursor>> terms;
  const auto make = [this](KeyHash key) -> std::optional<Cursor> {
    const Postings* const postings = impl_->postings_of(key);
    if (postings == nullptr) return std::nullopt;
    return Cursor{impl_->arena, *postings};
  };
  if (!make_terms(query, make, terms)) return {.looked_to = std::max(from, end)};
  return join(terms, from, end, limit);
}

std::vector<Ordinal> RecentIndex::collect_backward(KeyHash key, Ordinal before,
                                                   std::size_t limit) const {
  const Postings* const postings = impl_->postings_of(key);
  if (postings == nullptr || limit == 0 || postings->first >= before) return {};
  // Which chunks may hold the last `limit` below `before` is known once they are walked.
  std::vector<std::span<const Ordinal>> chunks{{&postings->first, 1}};
  if (postings->ring != 0) {
    std::uint32_t name = impl_->arena.at(postings->ring)[0];
    for (bool more = true; more;) {
      const std::uint32_t* const words = impl_->arena.at(name);
      if (words[chunk_head_words] >= before) break;
      chunks.emplace_back(words + chunk_head_words, used_of(words[1]));
      more = name != postings->ring;
      name = words[0];
    }
  }
  std::vector<Ordinal> found;
  for (auto chunk = chunks.rbegin(); chunk != chunks.rend() && found.size() < limit; ++chunk) {
    auto end = std::lower_bound(chunk->begin(), chunk->end(), before);
    while (end != chunk->begin() && found.size() < limit) found.push_back(*--end);
  }
  return found;
}

std::optional<Ordinal> RecentIndex::last_of(KeyHash key) const {
  const Postings* const postings = impl_->postings_of(key);
  if (postings == nullptr) return std::nullopt;
  return postings->last;
}

std::size_t RecentIndex::memory_size() const {
  return impl_->streams.memory_size() + impl_->keys.memory_size() + impl_->appends.memory_size() +
         impl_->arena.memory_size() +
         impl_->offsets.size() * offsets_block_events * sizeof(std::uint32_t);
}

}  // namespace stele::log
