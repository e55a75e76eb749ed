#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "log/bytes.h"
#include "log/disk.h"

namespace stele::log {
namespace {

class RealDiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "stele-disk-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string path(std::string_view name) const {
    return folder_ + "/" + std::string{name};
  }

  std::string folder_;
  std::unique_ptr<Disk> disk_ = make_real_disk();
};

TEST_F(RealDiskTest, ReadsWhatItWroteAndSaysWhenAFileIsTooShort) {
  auto file = disk_->open(path("a"), OpenMode::create);
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->write_at(3, as_bytes("hello")));
  ASSERT_TRUE((*file)->zero_fill(8, 300'000));
  ASSERT_TRUE((*file)->sync());
  EXPECT_EQ((*file)->size(), 300'008U);
  std::array<std::byte, 8> bytes{};
  ASSERT_TRUE((*file)->read_at(1, bytes));
  EXPECT_EQ(text_at(bytes.data(), bytes.size()), (std::string_view{"\0\0hello\0", 8}));
  EXPECT_EQ((*file)->read_at(300'001, bytes).error().code, Errc::corrupt);
}

TEST_F(RealDiskTest, NamesThePathThatIsMissing) {
  const auto file = disk_->open(path("missing"), OpenMode::read);
  EXPECT_EQ(file.error().code, Errc::not_found);
  EXPECT_TRUE(file.error().message.contains("missing"));
  EXPECT_EQ(disk_->list(path("nowhere")).error().code, Errc::not_found);
}

TEST_F(RealDiskTest, ListsRenamesAndRemoves) {
  ASSERT_TRUE(disk_->make_folder(path("x/y")));
  ASSERT_TRUE(disk_->open(path("x/b"), OpenMode::create));
  ASSERT_TRUE(disk_->rename(path("x/b"), path("x/a")));
  EXPECT_EQ(disk_->list(path("x")), (std::vector<std::string>{"a", "y"}));
  ASSERT_TRUE(disk_->remove(path("x/a")));
  ASSERT_TRUE(disk_->sync_folder(path("x")));
  EXPECT_GT(disk_->free_bytes(folder_).value(), 0U);
}

TEST_F(RealDiskTest, LetsOneHolderLockAndNamesItToTheNext) {
  auto first = disk_->lock(path("LOCK"));
  ASSERT_TRUE(first);
  const auto second = disk_->lock(path("LOCK"));
  EXPECT_EQ(second.error().code, Errc::held);
  EXPECT_TRUE(second.error().message.contains(std::to_string(::getpid())));
  first->reset();
  EXPECT_TRUE(disk_->lock(path("LOCK")));
}

}  // namespace
}  // namespace stele::log
