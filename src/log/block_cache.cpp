#include "log/block_cache.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace stele::log {
namespace {

constexpr std::size_t entry_cost = 128;    // Of two slots and the shared owner, in bytes.
constexpr std::size_t slot_share = 1'024;  // One slot for so many bytes.
constexpr std::size_t slots_min = 64;

std::uint64_t key_of(std::uint64_t file, std::uint32_t block) { return file << 32 | block; }

std::uint64_t hash_of(std::uint64_t key) {
  key = (key ^ key >> 31) * 0x9E37'79B9'7F4A'7C15ULL;
  return key ^ key >> 29;
}

std::size_t shard_of(std::uint64_t hash) { return hash >> 60; }

}  // namespace

RunBuffers::Buffer RunBuffers::take() {
  {
    const std::lock_guard lock{mutex_};
    if (!kept_.empty()) {
      Buffer buffer = std::move(kept_.back());
      kept_.pop_back();
      return buffer;
    }
  }
  return std::make_unique_for_overwrite<std::byte[]>(run_buffer_size);
}

void RunBuffers::give_back(Buffer buffer) {
  const std::lock_guard lock{mutex_};
  if (kept_.size() < run_buffers_max) kept_.push_back(std::move(buffer));
}

BlockCache::BlockCache(std::size_t size_max) : shard_size_max_{size_max / shards_count} {
  for (Shard& shard : shards_) shard.set_size_max(shard_size_max_);
}

BlockPtr BlockCache::find(std::uint64_t file, std::uint32_t block) {
  const std::uint64_t key = key_of(file, block);
  const std::uint64_t hash = hash_of(key);
  return shards_[shard_of(hash)].find(key, hash);
}

void BlockCache::put(std::uint64_t file, std::uint32_t block, BlockPtr value, Put how) {
  const std::size_t cost = value->memory_size() + entry_cost;
  if (cost > shard_size_max_ / 8) return;
  const std::uint64_t key = key_of(file, block);
  const std::uint64_t hash = hash_of(key);
  shards_[shard_of(hash)].put(key, hash, std::move(value), cost, how);
}

bool BlockCache::has_room(std::uint64_t file, std::uint32_t block, std::size_t size) const {
  return shards_[shard_of(hash_of(key_of(file, block)))].has_room(size + entry_cost);
}

void BlockCache::prefetch(std::uint64_t file, std::uint32_t block) const {
  const std::uint64_t hash = hash_of(key_of(file, block));
  shards_[shard_of(hash)].prefetch(hash);
}

std::size_t BlockCache::memory_size() const {
  std::size_t size = 0;
  for (const Shard& shard : shards_) size += shard.memory_size();
  return size;
}

void BlockCache::Shard::set_size_max(std::size_t size_max) {
  const std::lock_guard lock{mutex_};
  size_max_ = size_max;
  slots_.resize(std::bit_ceil(std::max(size_max / slot_share, slots_min)));
}

// Where `key` is, or the unused slot where it belongs.
std::size_t BlockCache::Shard::place_of(std::uint64_t key, std::uint64_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t place = hash & mask;
  while (slots_[place].key != 0 && slots_[place].key != key) place = (place + 1) & mask;
  return place;
}

BlockPtr BlockCache::Shard::find(std::uint64_t key, std::uint64_t hash) {
  const std::lock_guard lock{mutex_};
  Slot& slot = slots_[place_of(key, hash)];
  if (slot.key == 0) return nullptr;
  slot.used_again = true;
  return slot.block;
}

void BlockCache::Shard::put(std::uint64_t key, std::uint64_t hash, BlockPtr value, std::size_t cost,
                            Put how) {
  std::vector<BlockPtr> evicted;  // Freed after the lock.
  const std::lock_guard lock{mutex_};
  if (slots_[place_of(key, hash)].key != 0) return;  // Another reader was quicker: the same bytes.
  if (how == Put::if_room && is_full_for(cost)) return;
  while (used_ != 0 && is_full_for(cost)) {
    hand_ = hand_ & (slots_.size() - 1);
    Slot& slot = slots_[hand_];
    if (slot.key == 0 || std::exchange(slot.used_again, false)) {
      ++hand_;
      continue;
    }
    evicted.push_back(take_out(hand_));  // What moves into its place is looked at next.
  }
  slots_[place_of(key, hash)] = {.key = key,
                                 .block = std::move(value),
                                 .cost = static_cast<std::uint32_t>(cost),
                                 .used_again = false};
  held_ += cost;
  ++used_;
}

bool BlockCache::Shard::is_full_for(std::size_t cost) const {
  return held_ + cost > size_max_ || used_ >= slots_.size() / 2;
}

bool BlockCache::Shard::has_room(std::size_t cost) const {
  const std::lock_guard lock{mutex_};
  return !is_full_for(cost);
}

// Empties a slot, and closes the gap for those that were placed past it.
BlockPtr BlockCache::Shard::take_out(std::size_t place) {
  const std::size_t mask = slots_.size() - 1;
  BlockPtr block = std::move(slots_[place].block);
  held_ -= slots_[place].cost;
  --used_;
  for (std::size_t next = (place + 1) & mask; slots_[next].key != 0; next = (next + 1) & mask) {
    const std::size_t home = hash_of(slots_[next].key) & mask;
    // It may move if its home does not lie behind the gap.
    if (((next - home) & mask) < ((next - place) & mask)) continue;
    slots_[place] = std::move(slots_[next]);
    place = next;
  }
  slots_[place] = {};
  return block;
}

std::size_t BlockCache::Shard::memory_size() const {
  const std::lock_guard lock{mutex_};
  return held_;
}

}  // namespace stele::log
