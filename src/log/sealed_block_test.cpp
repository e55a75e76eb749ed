// Which blocks of a segment are compressed.

#include "log/sealed_block.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <random>
#include <vector>

namespace stele::log {
namespace {

constexpr std::size_t block_size = 4'096;
constexpr std::size_t skipped_max = 15;  // Of 16 blocks one is tried.

std::vector<std::byte> random_block(std::mt19937& random) {
  std::vector<std::byte> out(block_size);
  for (std::byte& each : out) each = static_cast<std::byte>(random());
  return out;
}

/// Packs `block` and says whether it was compressed.
bool compresses(BlockPacker& packer, const std::vector<std::byte>& block) {
  BlockEntry entry;
  std::vector<std::byte> out;
  packer.pack(block, entry, out);
  EXPECT_EQ(entry.raw, block.size());
  EXPECT_TRUE(check_block(out, entry, 7, "a.seg"));
  std::vector<std::byte> unpacked(block.size());
  EXPECT_TRUE(unpack_block(out, entry, unpacked, "a.seg"));
  EXPECT_EQ(unpacked, block);
  return !is_raw(entry);
}

TEST(BlockPacker, CompressesWhatBecomesSmaller) {
  BlockPacker packer{7};
  const std::vector<std::byte> zeros(block_size);
  std::mt19937 random{1};
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(compresses(packer, zeros));
    EXPECT_FALSE(compresses(packer, random_block(random)));
  }
}

TEST(BlockPacker, TriesAgainSoonAfterManyBlocksThatDidNotCompress) {
  BlockPacker packer{7};
  const std::vector<std::byte> zeros(block_size);
  std::mt19937 random{1};
  for (int i = 0; i < 300; ++i) EXPECT_FALSE(compresses(packer, random_block(random)));
  std::size_t raw = 0;
  while (!compresses(packer, zeros)) ++raw;
  EXPECT_LE(raw, skipped_max);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(compresses(packer, zeros));
}

TEST(BlockPacker, InHasteCompressesNothing) {
  BlockPacker packer{7, true};
  const std::vector<std::byte> zeros(block_size);
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(compresses(packer, zeros));
}

}  // namespace
}  // namespace stele::log
