#include "log/testing/simulated_disk.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

namespace stele::log::testing {
namespace {

constexpr std::uint64_t seeds = 64;

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span{text}); }

std::string text_of(const SimulatedDisk& disk, const std::string& path) {
  const auto contents = disk.contents(path);
  if (!contents) return "missing";
  std::string text;
  for (const std::byte b : *contents) text += static_cast<char>(b);
  return text;
}

// A file "data/a" of two pages, durable with its name; all bytes are 'o'.
class SimulatedDiskTest : public ::testing::Test {
 protected:
  SimulatedDiskTest() {
    EXPECT_TRUE(disk_.make_folder("data"));
    EXPECT_TRUE(disk_.sync_folder(""));
    file_ = std::move(*disk_.open("data/a", OpenMode::create));
    EXPECT_TRUE(file_->write_at(0, bytes(std::string(8'192, 'o'))));
    EXPECT_TRUE(file_->sync());
    EXPECT_TRUE(disk_.sync_folder("data"));
  }
  // What may be found in "data/a" after a loss of power, over many seeds.
  std::set<std::string> after_power_cut(const std::string& path = "data/a") {
    std::set<std::string> found;
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
      const auto copy = disk_.clone(seed);
      copy->cut_power();
      found.insert(text_of(*copy, path));
    }
    return found;
  }

  SimulatedDisk disk_{test_seed()};
  std::unique_ptr<File> file_;
};

TEST_F(SimulatedDiskTest, APowerCutKeepsWhatWasSynced) {
  ASSERT_TRUE(file_->write_at(0, bytes(std::string(8'192, 'n'))));
  ASSERT_TRUE(file_->sync());

  EXPECT_EQ(after_power_cut(), std::set{std::string(8'192, 'n')});
}

TEST_F(SimulatedDiskTest, APowerCutKeepsAnySectorsOfAnUnsyncedWrite) {
  ASSERT_TRUE(file_->write_at(0, bytes(std::string(4'096, 'n'))));

  const std::set<std::string> found = after_power_cut();

  EXPECT_TRUE(found.contains(std::string(8'192, 'o')));
  EXPECT_TRUE(found.contains(std::string(4'096, 'n') + std::string(4'096, 'o')));
  EXPECT_GT(found.size(), 10U);
  for (const std::string& text : found) {
    for (std::size_t at = 0; at < text.size(); at += SimulatedDisk::sector_size) {
      EXPECT_EQ(text.substr(at, SimulatedDisk::sector_size).find_first_not_of(text[at]),
                std::string::npos);
    }
  }
}

TEST_F(SimulatedDiskTest, APowerCutKeepsTheOldOrTheNewSize) {
  ASSERT_TRUE(file_->truncate(100));
  const std::set<std::string> cut = after_power_cut();
  EXPECT_TRUE(cut.contains(std::string(100, 'o')));
  EXPECT_TRUE(cut.contains(std::string(8'192, 'o')));

  ASSERT_TRUE(file_->sync());
  EXPECT_EQ(after_power_cut(), std::set{std::string(100, 'o')});
}

TEST_F(SimulatedDiskTest, AKillKeepsTheCacheAndEndsHandlesAndLocks) {
  const auto lock = disk_.lock("data/LOCK");
  ASSERT_TRUE(file_->write_at(0, bytes("new")));
  disk_.kill();

  EXPECT_EQ(file_->write_at(0, bytes("late")).error().code, Errc::unavailable);
  EXPECT_EQ(text_of(disk_, "data/a").substr(0, 4), "newo");
  EXPECT_TRUE(disk_.lock("data/LOCK"));
}

TEST_F(SimulatedDiskTest, NamesAreDurableOnlyAfterTheFolderIsSynced) {
  auto made = disk_.open("data/b", OpenMode::create);
  ASSERT_TRUE(made);
  ASSERT_TRUE((*made)->write_at(0, bytes("b")));
  ASSERT_TRUE((*made)->sync());
  EXPECT_EQ(after_power_cut("data/b"), (std::set<std::string>{"b", "missing"}));

  ASSERT_TRUE(disk_.sync_folder("data"));
  EXPECT_EQ(after_power_cut("data/b"), std::set<std::string>{"b"});
}

TEST_F(SimulatedDiskTest, ARenameIsNeverHalfDone) {
  auto made = disk_.open("data/b", OpenMode::create);
  ASSERT_TRUE((*made)->write_at(0, bytes("b")));
  ASSERT_TRUE((*made)->sync());
  ASSERT_TRUE(disk_.sync_folder("data"));
  ASSERT_TRUE(disk_.rename("data/b", "data/a"));

  EXPECT_EQ(after_power_cut(), (std::set<std::string>{"b", std::string(8'192, 'o')}));
  EXPECT_EQ(after_power_cut("data/b"), (std::set<std::string>{"b", "missing"}));
}

TEST_F(SimulatedDiskTest, ARemovedNameMayComeBackUntilTheFolderIsSynced) {
  ASSERT_TRUE(disk_.remove("data/a"));
  EXPECT_EQ(after_power_cut().size(), 2U);

  ASSERT_TRUE(disk_.sync_folder("data"));
  EXPECT_EQ(after_power_cut(), std::set<std::string>{"missing"});
}

TEST_F(SimulatedDiskTest, AFolderWhoseNameIsLostTakesItsFilesAlong) {
  ASSERT_TRUE(disk_.make_folder("data/sub"));
  auto made = disk_.open("data/sub/b", OpenMode::create);
  ASSERT_TRUE((*made)->write_at(0, bytes("b")));
  ASSERT_TRUE((*made)->sync());
  ASSERT_TRUE(disk_.sync_folder("data/sub"));
  EXPECT_EQ(after_power_cut("data/sub/b"), (std::set<std::string>{"b", "missing"}));

  ASSERT_TRUE(disk_.sync_folder("data"));
  EXPECT_EQ(after_power_cut("data/sub/b"), std::set<std::string>{"b"});
}

TEST_F(SimulatedDiskTest, AFailedSyncLosesPagesThatALaterSyncNoLongerWrites) {
  std::set<std::string> found;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    SimulatedDisk disk{seed};
    auto file = std::move(*disk.open("a", OpenMode::create));
    ASSERT_TRUE(disk.sync_folder(""));
    ASSERT_TRUE(file->write_at(0, bytes("old")));
    ASSERT_TRUE(file->sync());
    ASSERT_TRUE(file->write_at(0, bytes("new")));
    disk.fail({.call = Call::sync});
    ASSERT_FALSE(file->sync());
    ASSERT_TRUE(file->sync());

    EXPECT_EQ(text_of(disk, "a"), "new");
    disk.kill();
    EXPECT_EQ(text_of(disk, "a"), "new");
    const auto evicted = disk.clone(seed);
    evicted->evict();
    disk.cut_power();
    EXPECT_EQ(text_of(disk, "a"), text_of(*evicted, "a"));
    found.insert(text_of(disk, "a"));
  }
  EXPECT_EQ(found, (std::set<std::string>{"new", "old"}));
}

TEST_F(SimulatedDiskTest, WritingBackEarlyKeepsStatesBetweenSyncAndLastWrite) {
  std::string seen;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const auto copy = disk_.clone(seed);
    copy->set_write_back_percent(50);
    const auto file = std::move(*copy->open("data/a", OpenMode::write));
    for (const char c : {'1', '2', '3'}) {
      ASSERT_TRUE(file->write_at(0, bytes(std::string(8'192, c))));
    }
    copy->cut_power();
    seen += text_of(*copy, "data/a");
  }

  EXPECT_NE(seen.find('1'), std::string::npos);
  EXPECT_NE(seen.find('2'), std::string::npos);
}

TEST_F(SimulatedDiskTest, FailsTheNthCallOfAKindOnce) {
  disk_.fail({.call = Call::write_at, .nth = 2, .code = Errc::read_only});

  EXPECT_TRUE(file_->write_at(0, bytes("1")));
  EXPECT_TRUE(file_->sync());
  EXPECT_EQ(file_->write_at(0, bytes("2")).error().code, Errc::read_only);
  EXPECT_TRUE(file_->write_at(0, bytes("3")));
  EXPECT_EQ(text_of(disk_, "data/a").substr(0, 2), "3o");
}

TEST_F(SimulatedDiskTest, AFaultMayDoHalfTheWorkAndLastForEver) {
  disk_.fail({.call = Call::write_at, .partly = true, .for_ever = true});

  EXPECT_FALSE(file_->write_at(0, bytes("1234")));
  EXPECT_FALSE(file_->write_at(4, bytes("5678")));
  EXPECT_EQ(text_of(disk_, "data/a").substr(0, 8), "12oo56oo");
  disk_.clear_faults();
  EXPECT_TRUE(file_->write_at(0, bytes("1234")));
}

TEST_F(SimulatedDiskTest, AFullDiskRefusesNewPagesOnlyAndTakesThemAfterSpaceIsFreed) {
  disk_.set_capacity(3 * SimulatedDisk::page_size);
  EXPECT_EQ(disk_.free_bytes("data").value(), SimulatedDisk::page_size);
  ASSERT_TRUE(file_->zero_fill(8'192, 4'096));

  EXPECT_TRUE(file_->write_at(8'192, bytes("in place")));
  EXPECT_EQ(file_->write_at(12'288, bytes("new")).error().code, Errc::read_only);
  EXPECT_EQ(disk_.free_bytes("data").value(), 0U);
  ASSERT_TRUE(file_->truncate(4'096));
  EXPECT_TRUE(file_->write_at(4'096, bytes("new")));
}

TEST_F(SimulatedDiskTest, FlipsBitsInCacheAndPlatter) {
  ASSERT_TRUE(disk_.flip("data/a", 5'000, 1));
  EXPECT_FALSE(disk_.flip("data/a", 8'192, 1));

  EXPECT_EQ(text_of(disk_, "data/a")[5'000], 'o' ^ 1);
  EXPECT_EQ((*after_power_cut().begin())[5'000], 'o' ^ 1);
}

TEST_F(SimulatedDiskTest, CountsCallsAndShowsThemToTheHook) {
  std::vector<std::string> seen;
  disk_.on_call([&](const CallInfo& call) {
    seen.push_back(std::string{to_string(call.call)} + " " + call.path);
  });
  const std::uint64_t before = disk_.calls(Call::sync);
  ASSERT_TRUE(file_->sync());
  ASSERT_TRUE(disk_.list("data"));

  EXPECT_EQ(disk_.calls(Call::sync), before + 1);
  EXPECT_EQ(seen, (std::vector<std::string>{"sync data/a", "list data"}));
}

TEST_F(SimulatedDiskTest, ACloneGoesItsOwnWay) {
  const auto copy = disk_.clone(7);
  ASSERT_TRUE(file_->write_at(0, bytes("mine")));
  auto theirs = copy->open("data/a", OpenMode::write);
  ASSERT_TRUE((*theirs)->write_at(0, bytes("their")));

  EXPECT_EQ(text_of(disk_, "data/a").substr(0, 5), "mineo");
  EXPECT_EQ(text_of(*copy, "data/a").substr(0, 5), "their");
}

TEST_F(SimulatedDiskTest, TheSameSeedGivesTheSameDisk) {
  ASSERT_TRUE(file_->write_at(0, bytes(std::string(8'192, 'n'))));
  const auto one = disk_.clone(9);
  const auto two = disk_.clone(9);
  one->cut_power();
  two->cut_power();

  EXPECT_EQ(one->contents("data/a"), two->contents("data/a"));
}

}  // namespace
}  // namespace stele::log::testing
