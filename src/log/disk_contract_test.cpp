// What every disk does while nothing goes wrong. The simulated disk and the machine's must agree
// here, or a test on the simulated one proves nothing. A new disk adds one line at the end.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "log/disk.h"
#include "log/testing/simulated_disk.h"

namespace stele::log {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span{text}); }

std::string read(const File& file, std::uint64_t offset, std::size_t size) {
  std::string text(size, '?');
  const auto done = file.read_at(offset, std::as_writable_bytes(std::span{text}));
  return done ? text : "error: " + std::string{to_string(done.error().code)};
}

struct DiskUnderTest {
  std::string name;
  std::unique_ptr<Disk> (*make)();
  bool real = false;
};

class DiskContract : public ::testing::TestWithParam<DiskUnderTest> {
 protected:
  void SetUp() override {
    if (GetParam().real) {
      std::string name = std::filesystem::temp_directory_path() / "stele-disk-XXXXXX";
      ASSERT_NE(::mkdtemp(name.data()), nullptr);
      root_ = name;
    }
    disk_ = GetParam().make();
    ASSERT_TRUE(disk_->make_folder(root_ + "/data"));
  }
  void TearDown() override {
    if (GetParam().real) std::filesystem::remove_all(root_);
  }
  [[nodiscard]] std::string path(const std::string& name) const { return root_ + "/data/" + name; }
  std::unique_ptr<File> create(const std::string& name, std::string_view text = "") {
    auto file = disk_->open(path(name), OpenMode::create);
    EXPECT_TRUE(file);
    EXPECT_TRUE((*file)->write_at(0, bytes(text)));
    return std::move(*file);
  }

  std::string root_ = "root";
  std::unique_ptr<Disk> disk_;
};

TEST_P(DiskContract, ReadsBackWhatWasWrittenAtAnyOffset) {
  const auto file = create("a", "hello");
  const std::string big(10'000, 'x');
  ASSERT_TRUE(file->write_at(4'093, bytes(big)));
  ASSERT_TRUE(file->write_at(4'095, bytes("yz")));

  EXPECT_EQ(file->size().value(), 14'093U);
  EXPECT_EQ(read(*file, 0, 5), "hello");
  EXPECT_EQ(read(*file, 5, 4), std::string(4, '\0'));
  EXPECT_EQ(read(*file, 4'092, 6), std::string("\0xxyzx", 6));
  EXPECT_EQ(read(*file, 14'090, 3), "xxx");
}

TEST_P(DiskContract, AReadPastTheEndIsCorrupt) {
  const auto file = create("a", "hello");

  EXPECT_EQ(read(*file, 3, 3), "error: corrupt");
  EXPECT_EQ(read(*file, 5, 0), "");
}

TEST_P(DiskContract, WritesAreSeenThroughEveryHandleBeforeAnySync) {
  const auto writer = create("a", "one");
  const auto reader = disk_->open(path("a"), OpenMode::read);
  ASSERT_TRUE(reader);
  ASSERT_TRUE(writer->write_at(0, bytes("two")));

  EXPECT_EQ(read(**reader, 0, 3), "two");
  ASSERT_TRUE(writer->sync());
  EXPECT_EQ(read(**reader, 0, 3), "two");
}

TEST_P(DiskContract, OpenSaysNotFoundOnlyWhereNothingIsMade) {
  EXPECT_EQ(disk_->open(path("no"), OpenMode::read).error().code, Errc::not_found);
  EXPECT_EQ(disk_->open(path("no"), OpenMode::write).error().code, Errc::not_found);
  EXPECT_TRUE(disk_->open(path("no"), OpenMode::create));
  EXPECT_TRUE(disk_->open(path("no"), OpenMode::write));
}

TEST_P(DiskContract, CreateEmptiesAFileThatIsThere) {
  create("a", "hello");

  EXPECT_EQ(create("a")->size().value(), 0U);
}

TEST_P(DiskContract, TruncateCutsAndExtendsWithZeros) {
  const auto file = create("a", std::string(9'000, 'x'));
  ASSERT_TRUE(file->truncate(4'100));
  ASSERT_TRUE(file->truncate(9'000));

  EXPECT_EQ(file->size().value(), 9'000U);
  EXPECT_EQ(read(*file, 4'098, 4), std::string("xx\0\0", 4));
  EXPECT_EQ(read(*file, 8'998, 2), std::string(2, '\0'));
}

TEST_P(DiskContract, ZeroFillGrowsAndClears) {
  const auto file = create("a", "hello");
  ASSERT_TRUE(file->zero_fill(2, 70'000));

  EXPECT_EQ(file->size().value(), 70'002U);
  EXPECT_EQ(read(*file, 0, 4), std::string("he\0\0", 4));
  EXPECT_EQ(read(*file, 70'000, 2), std::string(2, '\0'));
}

TEST_P(DiskContract, ListsNamesInByteOrder) {
  create("b");
  create("a");
  create("B");

  EXPECT_EQ(disk_->list(root_ + "/data").value(), (std::vector<std::string>{"B", "a", "b"}));
  EXPECT_EQ(disk_->list(root_ + "/nothing").error().code, Errc::not_found);
}

TEST_P(DiskContract, RenameReplacesAndOpenFilesKeepTheirBytes) {
  const auto old = create("old", "old");
  const auto target = create("target", "target");
  ASSERT_TRUE(disk_->rename(path("old"), path("target")));

  EXPECT_EQ(disk_->list(root_ + "/data").value(), std::vector<std::string>{"target"});
  EXPECT_EQ(read(*target, 0, 6), "target");
  EXPECT_EQ(read(**disk_->open(path("target"), OpenMode::read), 0, 3), "old");
  EXPECT_EQ(disk_->rename(path("no"), path("x")).error().code, Errc::not_found);
}

TEST_P(DiskContract, ALinkedFileLivesOnUnderItsSecondName) {
  const auto file = create("first", "hello");
  create("other", "world");
  ASSERT_TRUE(disk_->link(path("first"), path("second")));
  EXPECT_FALSE(disk_->link(path("other"), path("second")));  // The name is taken.
  EXPECT_EQ(disk_->link(path("no"), path("x")).error().code, Errc::not_found);
  ASSERT_TRUE(disk_->rename(path("other"), path("first")));

  const auto second = disk_->open(path("second"), OpenMode::write);
  ASSERT_TRUE(second);
  ASSERT_TRUE((*second)->write_at(0, std::as_bytes(std::span{"J", 1})));
  EXPECT_EQ(read(*file, 0, 5), "Jello");
  EXPECT_EQ(read(**disk_->open(path("first"), OpenMode::read), 0, 5), "world");
}

TEST_P(DiskContract, ARemovedFileIsReadOnByThoseWhoHaveItOpen) {
  const auto file = create("a", "hello");
  ASSERT_TRUE(disk_->remove(path("a")));

  EXPECT_EQ(disk_->open(path("a"), OpenMode::read).error().code, Errc::not_found);
  EXPECT_EQ(read(*file, 0, 5), "hello");
  EXPECT_EQ(disk_->remove(path("a")).error().code, Errc::not_found);
}

TEST_P(DiskContract, MakesFoldersWithTheOnesAboveAndTwice) {
  ASSERT_TRUE(disk_->make_folder(root_ + "/x/y/z"));
  ASSERT_TRUE(disk_->make_folder(root_ + "/x/y/z"));

  EXPECT_TRUE(disk_->open(root_ + "/x/y/z/file", OpenMode::create));
  EXPECT_TRUE(disk_->sync_folder(root_ + "/x/y/z"));
  EXPECT_TRUE(disk_->sync_folder(root_ + "/x/y"));
  EXPECT_EQ(disk_->list(root_ + "/x/y").value(), std::vector<std::string>{"z"});
}

TEST_P(DiskContract, ALockIsHeldByOneUntilItIsGone) {
  auto first = disk_->lock(path("LOCK"));
  ASSERT_TRUE(first);

  EXPECT_EQ(disk_->lock(path("LOCK")).error().code, Errc::held);
  first->reset();
  EXPECT_TRUE(disk_->lock(path("LOCK")));
}

TEST_P(DiskContract, SaysHowMuchMayStillBeWritten) {
  EXPECT_GT(disk_->free_bytes(root_ + "/data").value(), 0U);
}

std::unique_ptr<Disk> make_simulated_disk() {
  auto disk = std::make_unique<testing::SimulatedDisk>();
  EXPECT_TRUE(disk->make_folder("root"));
  return disk;
}

std::string name_of(const ::testing::TestParamInfo<DiskUnderTest>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Simulated, DiskContract,
                         ::testing::Values(DiskUnderTest{"simulated", &make_simulated_disk, false}),
                         &name_of);

INSTANTIATE_TEST_SUITE_P(Real, DiskContract,
                         ::testing::Values(DiskUnderTest{"real", &make_real_disk, true}), &name_of);

}  // namespace
}  // namespace stele::log
