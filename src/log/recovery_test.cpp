// What opening does with what a crash, or damage, left: cut, write again, or refuse; and what
// `verify` and `repair` say and do about damage.

#include "log/recovery.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <vector>

#include "log/bytes.h"
#include "log/repair.h"
#include "log/sealed_segment.h"
#include "log/testing/simulated_disk.h"
#include "log/verify.h"

namespace stele::log {
namespace {

using testing::Call;
using testing::SimulatedDisk;

class StepClock final : public Clock {
 public:
  Timestamp now() const noexcept override { return Timestamp{time_.fetch_add(7)}; }

 private:
  mutable std::atomic<std::int64_t> time_{1'700'000'000'000'000};
};

class RecoveryTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Log>> try_open() {
    Options options;
    options.background = false;
    options.segment_size = 64 * 1'024;
    return Log::open(*disk_, "data", {.clock = clock_, .random = *random_}, options);
  }
  void open() {
    log_.reset();
    auto opened = try_open();
    ASSERT_TRUE(opened) << opened.error().message;
    log_ = std::move(*opened);
  }
  Result<AppendOutcome> try_append(std::size_t size = 100) {
    const std::string data(size, 'x');
    const std::array event{NewEvent{.type = "T", .data = data}};
    const std::array streams{StreamAppend{.stream = "a-1", .events = event}};
    AppendRequest request{.streams = streams};
    request.id = make_uuid_v7(Timestamp{1}, *random_);
    request.digest = Digest{};
    return log_->append(request);
  }
  void append(int count, std::size_t size = 100) {
    for (int i = 0; i < count; ++i) {
      const auto outcome = try_append(size);
      ASSERT_TRUE(outcome) << outcome.error().message;
    }
  }
  /// Ends the process: nothing is written any more.
  void kill() {
    disk_->kill();
    log_.reset();
  }
  std::uint64_t events() {
    const auto page = log_->read_all(Position{0}, {}, 10'000);
    EXPECT_TRUE(page) << page.error().message;
    return page ? page->events.size() : 0;
  }
  [[nodiscard]] std::vector<std::string> segments() const {
    std::vector<std::string> out;
    for (const std::string& path : disk_->files()) {
      if (path.ends_with(".seg")) out.push_back(path);
    }
    return out;
  }
  void flip(const std::string& path, std::uint64_t at) { ASSERT_TRUE(disk_->flip(path, at, 0x10)); }

  StepClock clock_;
  std::unique_ptr<RandomSource> random_ = make_seeded_random(1);
  std::unique_ptr<SimulatedDisk> disk_ = std::make_unique<SimulatedDisk>(testing::test_seed());
  std::unique_ptr<Log> log_;
};

// Group i (from 0) of the first segment begins here: one small append each.
constexpr std::uint64_t group_at(std::uint64_t i) {
  return segment_header_size + i * group_alignment;
}

TEST_F(RecoveryTest, KeepsWhatWasAnsweredOverAKillAndALossOfPower) {
  for (const bool power : {false, true}) {
    log_.reset();
    disk_ = std::make_unique<SimulatedDisk>(testing::test_seed());
    open();
    append(40, 2'000);
    if (power) {
      disk_->cut_power();
      log_.reset();
    } else {
      kill();
    }
    open();
    EXPECT_EQ(events(), 40U);
    append(1);
    EXPECT_EQ(events(), 41U);
  }
}

TEST_F(RecoveryTest, WritesTheLastGroupAgainBecauseACacheProvesNothing) {
  open();
  append(3);
  // The sync fails, the bytes stay in the cache, marked clean; then the process ends.
  disk_->fail({.call = Call::sync});
  EXPECT_EQ(try_append().error().code, Errc::outcome_unknown);
  kill();
  open();
  EXPECT_EQ(events(), 4U);  // It may be there; once it was seen it must stay.
  disk_->cut_power();
  log_.reset();
  open();
  EXPECT_EQ(events(), 4U);
}

TEST_F(RecoveryTest, CutsATornGroupThatNothingProvesAndOverwritesItsRemains) {
  open();
  append(3, 9'000);
  kill();
  const std::string path = segments().front();
  flip(path, group_at(2 * 3) + 5'000);  // In the last group: header is good, a body is not.
  open();
  EXPECT_EQ(events(), 2U);
  log_.reset();
  const auto bytes = disk_->contents(path);
  ASSERT_TRUE(bytes);
  const auto behind = std::span{*bytes}.subspan(group_at(7));
  EXPECT_TRUE(std::ranges::all_of(behind, [](std::byte b) { return b == std::byte{}; }));
  open();
  append(2);
  EXPECT_EQ(events(), 4U);
}

TEST_F(RecoveryTest, RefusesDamageThatALaterGroupProvesAndNamesFileAndOffset) {
  open();
  append(5);
  kill();
  const std::string path = segments().front();
  for (const std::uint64_t at : {group_at(1), group_at(1) + 100}) {
    flip(path, at);
    const auto before = disk_->contents(path);
    const auto opened = try_open();
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Errc::corrupt);
    EXPECT_TRUE(opened.error().message.contains(path)) << opened.error().message;
    EXPECT_TRUE(opened.error().message.contains(std::to_string(group_at(1))));
    EXPECT_TRUE(opened.error().message.contains("stele repair"));
    EXPECT_EQ(disk_->contents(path), before);
    flip(path, at);
  }
  open();
  EXPECT_EQ(events(), 5U);
}

TEST_F(RecoveryTest, FindsDamageInTheLastGroupOnceAMarkProvesIt) {
  open();
  append(2);
  ASSERT_TRUE(log_->tick());  // The mark.
  kill();
  flip(segments().front(), group_at(1) + 80);
  EXPECT_EQ(try_open().error().code, Errc::corrupt);
}

TEST_F(RecoveryTest, LeavesAMarkAtACleanStopAndNoSecondOne) {
  open();
  append(1);
  log_.reset();
  open();
  log_.reset();
  const auto bytes = disk_->contents(segments().front());
  const auto magic = [&](std::uint64_t i) { return load<std::uint32_t>(&(*bytes)[group_at(i)]); };
  EXPECT_EQ(magic(1), magic(0));
  EXPECT_EQ(magic(2), 0U);
}

TEST_F(RecoveryTest, RefusesAMissingSegmentAndOneOfAnotherLog) {
  open();
  append(40, 4'000);
  log_.reset();
  const auto names = segments();
  ASSERT_GT(names.size(), 3U);
  const auto second = *disk_->contents(names[1]);
  ASSERT_TRUE(disk_->remove(names[1]));
  EXPECT_EQ(try_open().error().code, Errc::corrupt);
  disk_->put(names[1], second);
  open();
  log_.reset();
  disk_->put(names[1], *disk_->contents(names[2]));
  EXPECT_EQ(try_open().error().code, Errc::corrupt);
}

TEST_F(RecoveryTest, OpensInTheStateOfAnyPointWhenSegmentsAreSealedInBetween) {
  open();
  append(60, 3'000);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(log_->tick());
  append(20, 3'000);
  kill();
  open();
  EXPECT_EQ(events(), 80U);
  EXPECT_GT(log_->stats().sealed_segments, 1U);
}

TEST_F(RecoveryTest, VerifiesAGoodLogAndSaysWhatItHolds) {
  open();
  append(60, 3'000);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(log_->tick());
  const Position end = log_->log_end();
  EXPECT_EQ(verify(*disk_, "data").error().code, Errc::held);
  log_.reset();
  const auto report = verify(*disk_, "data");
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_TRUE(report->good()) << report->damage.front().what;
  EXPECT_EQ(report->log_end, end);
  EXPECT_EQ(report->frames, 60U);
  EXPECT_EQ(verify(*disk_, "nowhere").error().code, Errc::not_found);
}

TEST_F(RecoveryTest, RepairsDamageInAnOpenSegmentAndKeepsTheCutBytes) {
  open();
  append(5);
  log_.reset();
  const std::string path = segments().front();
  flip(path, group_at(3) + 100);
  const auto damaged = *disk_->contents(path);
  ASSERT_FALSE(verify(*disk_, "data")->good());

  const auto report = repair(*disk_, "data", clock_);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_TRUE(report->repaired);
  EXPECT_EQ(report->log_end, Position{3});
  EXPECT_EQ(report->epoch, Epoch{2});
  ASSERT_EQ(report->kept.size(), 1U);
  EXPECT_EQ(disk_->contents(report->kept.front()), damaged);

  open();
  EXPECT_EQ(events(), 3U);
  EXPECT_EQ(log_->epoch(), Epoch{2});
  append(3);
  log_.reset();
  EXPECT_TRUE(verify(*disk_, "data")->good());
  EXPECT_FALSE(repair(*disk_, "data", clock_)->repaired);
}

TEST_F(RecoveryTest, RepairsDamageInASealedSegmentAndMovesTheLaterOnesAside) {
  open();
  append(60, 3'000);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(log_->tick());
  ASSERT_GT(log_->stats().sealed_segments, 2U);
  log_.reset();
  const auto before = segments();
  const auto size = disk_->contents(before[1])->size();
  flip(before[1], size / 2);
  const auto found = verify(*disk_, "data");
  ASSERT_TRUE(found);
  ASSERT_FALSE(found->good());
  EXPECT_EQ(found->damage.front().path, before[1]);

  const auto report = repair(*disk_, "data", clock_);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_TRUE(report->repaired);
  EXPECT_EQ(report->kept.size(), before.size() - 1);
  open();
  EXPECT_EQ(events(), number(report->log_end));
  EXPECT_GE(number(report->log_end), number(position_in_name(before[1].substr(9), ".seg")) - 1);
  append(30, 3'000);
  log_.reset();
  EXPECT_TRUE(verify(*disk_, "data")->good());
}

TEST_F(RecoveryTest, NamesEveryDamagedBlockOfASealedSegmentAndReadsTheOthers) {
  open();
  append(60, 3'000);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(log_->tick());
  ASSERT_GT(log_->stats().sealed_segments, 2U);
  log_.reset();
  const std::string path = segments()[1];
  const auto first = number(position_in_name(path.substr(9), ".seg"));
  // Frames of 3,000 bytes: one to a block, and x's pack well.
  const auto whole =
      SealedSegment::open(*disk_, "data/log", Position{first}, std::make_shared<BlockCache>());
  ASSERT_TRUE(whole);
  const std::uint32_t table_at = (*whole)->info().table_offset;
  const std::uint32_t blocks = (*whole)->info().blocks;
  ASSERT_GT(blocks, 4U);
  const auto bytes = *disk_->contents(path);
  const auto offset_of = [&](std::size_t block) {
    return load<std::uint32_t>(&bytes[table_at + block * block_entry_size]);
  };
  flip(path, offset_of(1) + 40);
  flip(path, offset_of(blocks - 2) + 40);

  const auto report = verify(*disk_, "data");
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_EQ(report->damage.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const std::size_t block = i == 0 ? 1 : blocks - 2;
    const Damage& damage = report->damage[i];
    EXPECT_EQ(damage.path, path);
    EXPECT_EQ(damage.offset, offset_of(block));
    const std::string position = std::to_string(first + block);
    const auto lost = std::string{"positions "}.append(position).append(" to ").append(position);
    EXPECT_NE(damage.what.find(lost), std::string::npos) << damage.what;
    EXPECT_EQ(damage.what.find("stele verify"), std::string::npos) << damage.what;
  }
}

TEST_F(RecoveryTest, RepairsALostHeaderAMissingSegmentAndADamagedFooter) {
  const std::array<std::function<void(const std::vector<std::string>&)>, 3> harms{
      [&](const auto& names) { flip(names[2], 70); },
      [&](const auto& names) { ASSERT_TRUE(disk_->remove(names[1])); },
      [&](const auto& names) { flip(names[1], disk_->contents(names[1])->size() - 100); }};
  for (const auto& harm : harms) {
    log_.reset();
    disk_ = std::make_unique<SimulatedDisk>(testing::test_seed());
    open();
    append(60, 3'000);
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(log_->tick());
    log_.reset();
    harm(segments());
    ASSERT_FALSE(verify(*disk_, "data")->good());
    const auto report = repair(*disk_, "data", clock_);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_TRUE(report->repaired);
    open();
    EXPECT_EQ(events(), number(report->log_end));
    EXPECT_GT(events(), 10U);
    EXPECT_GT(number(log_->epoch()), 1U);
    append(5);
    log_.reset();
    EXPECT_TRUE(verify(*disk_, "data")->good());
  }
}

TEST_F(RecoveryTest, RepairsALostIndexWithoutCuttingAnything) {
  open();
  append(60, 3'000);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(log_->tick());
  log_.reset();
  for (const std::string& path : disk_->files()) {
    if (path.ends_with(".idx")) flip(path, disk_->contents(path)->size() / 2);
  }
  const auto report = repair(*disk_, "data", clock_);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_FALSE(report->repaired);
  open();
  EXPECT_EQ(events(), 60U);
}

}  // namespace
}  // namespace stele::log
