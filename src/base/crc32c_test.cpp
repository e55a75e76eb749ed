#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace stele {
namespace {

std::string pattern(std::size_t size) {
  std::string out(size, '\0');
  std::uint32_t x = 1;
  for (char& c : out) {
    x = x * 1'664'525 + 1'013'904'223;
    c = static_cast<char>(x >> 24);
  }
  return out;
}

TEST(Crc32c, GivesThePublishedValues) {
  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
}

TEST(Crc32c, IsTheSameWithAndWithoutSpecialInstructionsAtEverySizeAndAlignment) {
  const std::string bytes = pattern(20'000);
  for (std::size_t size = 0; size < 200; ++size) {
    for (std::size_t start = 0; start < 8; ++start) {
      ASSERT_EQ(crc32c(bytes.data() + start, size), crc32c_portable(bytes.data() + start, size));
    }
  }
  for (std::size_t size = 3'000; size < 19'000; size += 977) {
    ASSERT_EQ(crc32c(bytes.data() + 3, size), crc32c_portable(bytes.data() + 3, size)) << size;
  }
}

TEST(Crc32c, GoesOnFromWhereItStopped) {
  const std::string bytes = pattern(9'000);
  for (const std::size_t cut : {0U, 1U, 7U, 3'100U, 8'999U}) {
    const std::string_view all = bytes;
    EXPECT_EQ(crc32c(all.substr(cut), crc32c(all.substr(0, cut))), crc32c(all));
  }
}

}  // namespace
}  // namespace stele
