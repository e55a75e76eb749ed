#include "log/block_cache.h"

#include <utility>

namespace stele::log {
namespace {

constexpr std::size_t entry_cost = 96;  // Of the ring, the map and the shared owner, in bytes.

std::uint64_t key_of(std::uint64_t file, std::uint32_t block) { return file << 32 | block; }

std::size_t shard_of(std::uint64_t key) { return (key * 0x9E37'79B9'7F4A'7C15ULL) >> 60; }

std::size_t cost_of(const BlockPtr& block) { return block->memory_size() + entry_cost; }

}  // namespace

BlockCache::BlockCache(std::size_t size_max) : shard_size_max_{size_max / shards_count} {}

BlockPtr BlockCache::find(std::uint64_t file, std::uint32_t block) {
  const std::uint64_t key = key_of(file, block);
  return shards_[shard_of(key)].find(key);
}

void BlockCache::put(std::uint64_t file, std::uint32_t block, BlockPtr value) {
  if (cost_of(value) > shard_size_max_ / 8) return;
  const std::uint64_t key = key_of(file, block);
  shards_[shard_of(key)].put(key, std::move(value), shard_size_max_);
}

std::size_t BlockCache::memory_size() const {
  std::size_t size = 0;
  for (const Shard& shard : shards_) size += shard.memory_size();
  return size;
}

BlockPtr BlockCache::Shard::find(std::uint64_t key) {
  const std::lock_guard lock{mutex_};
  const auto found = places_.find(key);
  if (found == places_.end()) return nullptr;
  Entry& entry = ring_[found->second];
  entry.used_again = true;
  return entry.block;
}

void BlockCache::Shard::put(std::uint64_t key, BlockPtr value, std::size_t size_max) {
  std::vector<BlockPtr> evicted;  // Freed after the lock.
  const std::lock_guard lock{mutex_};
  const auto [place, is_new] = places_.try_emplace(key, 0);
  if (!is_new) return;  // Another reader was quicker; both hold the same bytes.
  const std::size_t cost = cost_of(value);
  make_room(cost, size_max, evicted);
  held_ += cost;
  if (free_.empty()) {
    free_.push_back(ring_.size());
    ring_.emplace_back();
  }
  place->second = free_.back();
  free_.pop_back();
  ring_[place->second] = {.key = key, .block = std::move(value), .cost = cost, .used_again = false};
}

std::size_t BlockCache::Shard::memory_size() const {
  const std::lock_guard lock{mutex_};
  return held_;
}

void BlockCache::Shard::make_room(std::size_t needed, std::size_t size_max,
                                  std::vector<BlockPtr>& evicted) {
  while (held_ != 0 && held_ + needed > size_max) {
    hand_ = hand_ + 1 < ring_.size() ? hand_ + 1 : 0;
    Entry& entry = ring_[hand_];
    if (entry.block == nullptr) continue;
    if (std::exchange(entry.used_again, false)) continue;
    held_ -= entry.cost;
    places_.erase(entry.key);
    evicted.push_back(std::move(entry.block));
    entry = {};
    free_.push_back(hand_);
  }
}

}  // namespace stele::log
