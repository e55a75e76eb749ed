#include "log/block_cache.h"

#include <gtest/gtest.h>

namespace stele::log {
namespace {

constexpr std::size_t cache_size = 1'024 * 1'024;

BlockPtr block_of(std::size_t size) {
  auto block = std::make_shared<Block>();
  block->bytes = std::make_unique<std::byte[]>(size);
  block->size = size;
  return block;
}

std::size_t found(BlockCache& cache, std::uint64_t file, std::uint32_t blocks) {
  std::size_t count = 0;
  for (std::uint32_t n = 0; n < blocks; ++n) count += cache.find(file, n) != nullptr ? 1U : 0U;
  return count;
}

TEST(BlockCache, GivesBackTheBlockOfItsFileOnly) {
  BlockCache cache{cache_size};
  const std::uint64_t a = cache.new_file();
  const std::uint64_t b = cache.new_file();
  const BlockPtr block = block_of(100);
  cache.put(a, 7, block);

  EXPECT_EQ(cache.find(a, 7), block);
  EXPECT_EQ(cache.find(b, 7), nullptr);
  EXPECT_EQ(cache.find(a, 8), nullptr);
}

TEST(BlockCache, NeverHoldsMoreThanItsMaximum) {
  BlockCache cache{cache_size};
  const std::uint64_t file = cache.new_file();
  for (std::uint32_t n = 0; n < 2'000; ++n) {
    cache.put(file, n, block_of(4'096));
    ASSERT_LE(cache.memory_size(), cache_size);
  }
  EXPECT_NE(cache.find(file, 1'999), nullptr) << "the newest has a place";
}

TEST(BlockCache, TakesBlocksOfAScanOnlyWhileThereIsRoom) {
  BlockCache cache{cache_size};
  const std::uint64_t used = cache.new_file();
  for (std::uint32_t n = 0; n < 100; ++n) cache.put(used, n, block_of(4'096));
  const std::uint64_t scanned = cache.new_file();
  for (std::uint32_t n = 0; n < 2'000; ++n) {
    cache.put(scanned, n, block_of(4'096), BlockCache::Put::if_room);
  }

  EXPECT_LE(cache.memory_size(), cache_size);
  EXPECT_EQ(found(cache, used, 100), 100U) << "a scan pushes nothing out";
  EXPECT_GT(found(cache, scanned, 2'000), 50U) << "what there was room for is kept";
  EXPECT_FALSE(cache.has_room(scanned, 3'000, cache_size / 16));
  EXPECT_TRUE(BlockCache{cache_size}.has_room(1, 1, 4'096));
}

}  // namespace
}  // namespace stele::log
