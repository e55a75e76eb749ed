#include "store/embedded/restore.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "log/testing/simulated_disk.h"
#include "store/digest.h"

namespace stele::store {
namespace {

using log::testing::SimulatedDisk;

constexpr const char* folder = "data";
constexpr std::int64_t first_time = 1'700'000'000'000'000;  // Microseconds since 1970.

class SteadyClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const noexcept override { return Timestamp{first_time * 2}; }
};

EventId event_id(std::uint64_t n) {
  EventId id;
  for (std::size_t i = 0; i < 8; ++i) id.bytes[15 - i] = static_cast<std::uint8_t>(n >> (8 * i));
  id.bytes[0] = 1;
  return id;
}

/// The n-th append of a small log: every second one also checks a stream that it does not write.
struct Sample {
  explicit Sample(std::uint64_t n)
      : stream{"account-" + std::to_string(n % 3)}, data(2'000 + n * 40 % 900, 'x') {
    events.push_back({.type = "Paid", .data = data, .content_type = "text/plain"});
    events.back().id = event_id(n);
    const bool is_new = n <= 3;
    streams.push_back(
        {.stream = stream,
         .expected = is_new ? Expected::none() : Expected::exactly(Version{(n - 1) / 3}),
         .events = events});
    after.push_back({.version = Version{(n - 1) / 3 + 1}, .tip = tip_of(event_id(n))});
    if (n % 2 == 0) {
      streams.push_back({.stream = "limit-1", .expected = Expected::any(), .events = {}});
      after.emplace_back();
    }
    append = {.id = event_id(1'000'000 + n),
              .digest = hash_bytes(std::to_string(n)),
              .first = Position{n},
              .recorded_at = Timestamp{first_time + static_cast<std::int64_t>(n)},
              .streams = streams,
              .after = after};
  }
  Sample(const Sample&) = delete;
  Sample& operator=(const Sample&) = delete;

  std::string stream;
  std::string data;
  std::vector<NewEvent> events;
  std::vector<StreamAppend> streams;
  std::vector<StreamState> after;
  RestoredAppend append;
};

class RestoreTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t appends = 60;

  Restore::Setup setup(log::Disk& disk) {
    return {.disk = disk,
            .random = *random_,
            .clock = clock_,
            .data = folder,
            .log_id = event_id(77),
            .options = {.segment_size = 64 * 1'024, .block_cache_size = 1'024 * 1'024}};
  }
  Result<log::VerifyReport> restore(log::Disk& disk, std::uint64_t count = appends) {
    auto begun = Restore::begin(setup(disk));
    if (!begun) return std::unexpected{begun.error()};
    for (std::uint64_t n = 1; n <= count; ++n) {
      if (auto done = (*begun)->add(Sample{n}.append); !done) return std::unexpected{done.error()};
    }
    return (*begun)->finish();
  }
  Result<std::unique_ptr<log::Log>> open(log::Disk& disk) {
    return log::Log::open(disk, folder, {.clock = clock_, .random = *random_},
                          {.segment_size = 64 * 1'024, .background = false});
  }
  /// True if the folder is a whole log, false if it holds none; anything else fails the test.
  bool whole_or_nothing(log::Disk& disk) {
    const auto log = open(disk);
    if (!log) {
      EXPECT_EQ(log.error().code, Errc::unavailable) << log.error().message;
      EXPECT_TRUE(log.error().message.contains("was not finished")) << log.error().message;
      return false;
    }
    const std::uint64_t end = number((*log)->log_end());
    EXPECT_TRUE(end == 0 || end == appends) << "The log ends at " << end;
    return end == appends;
  }

  SteadyClock clock_;
  std::unique_ptr<RandomSource> random_ = make_system_random();
};

TEST_F(RestoreTest, GivesBackEveryAppendUnderItsIdsAndTimes) {
  SimulatedDisk disk;
  const auto report = restore(disk);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_GT(report->segments, 1U) << "The sample should not fit one segment.";

  const auto log = open(disk);
  ASSERT_TRUE(log) << log.error().message;
  EXPECT_EQ((*log)->log_id(), event_id(77));
  EXPECT_EQ(number((*log)->epoch()), static_cast<std::uint64_t>(first_time * 2 / 1'000));
  const auto page = (*log)->read_all(Position{}, {}, 1'000);
  ASSERT_TRUE(page);
  ASSERT_EQ(page->events.size(), appends);
  for (std::uint64_t n = 1; n <= appends; ++n) {
    const Sample sample{n};
    const EventView& event = page->events[n - 1];
    EXPECT_EQ(event.id, event_id(n));
    EXPECT_EQ(event.stream, sample.stream);
    EXPECT_EQ(event.data, sample.data);
    EXPECT_EQ(event.recorded_at, sample.append.recorded_at);
    const auto found = (*log)->find_append(sample.append.id);
    ASSERT_TRUE(found && *found);
    EXPECT_EQ((*found)->digest, sample.append.digest);
    EXPECT_EQ((*found)->streams, sample.after);
  }
}

TEST_F(RestoreTest, AnswersARepeatedRequestAsTheFirstOneWasAnswered) {
  SimulatedDisk disk;
  ASSERT_TRUE(restore(disk));
  const auto log = open(disk);
  ASSERT_TRUE(log);
  const Sample sample{8};
  AppendRequest request{
      .id = sample.append.id, .streams = sample.streams, .digest = sample.append.digest};

  const auto again = (*log)->append(request);
  ASSERT_TRUE(again);
  const auto& answer = std::get<Appended>(*again);
  EXPECT_TRUE(answer.replayed);
  EXPECT_EQ(answer.first, sample.append.first);
  EXPECT_EQ(answer.streams, sample.after);

  request.digest = hash_bytes("another request");
  EXPECT_EQ((*log)->append(request).error().code, Errc::id_reused);
}

TEST_F(RestoreTest, TakesAFolderWithAnEmptyLogAndRefusesOneWithEvents) {
  SimulatedDisk disk;
  ASSERT_TRUE(open(disk));  // Makes an empty log.
  ASSERT_TRUE(restore(disk));

  const auto refused = restore(disk);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid);
  EXPECT_TRUE(refused.error().message.contains("ends at position 60")) << refused.error().message;
  EXPECT_TRUE(whole_or_nothing(disk));
}

TEST_F(RestoreTest, RefusesWhatCouldNotHaveBeenAppended) {
  const auto refusal = [this](auto change) {
    SimulatedDisk disk;
    auto begun = Restore::begin(setup(disk));
    EXPECT_TRUE(begun);
    Result<void> done;
    for (std::uint64_t n = 1; n <= 4 && done; ++n) {
      Sample sample{n};
      if (n == 4) change(sample);
      done = (*begun)->add(sample.append);
    }
    if (done) {
      const auto finished = (*begun)->finish();
      if (!finished) done = std::unexpected{finished.error()};
    }
    begun->reset();
    EXPECT_FALSE(whole_or_nothing(disk));
    return done ? std::string{"nothing"} : done.error().message;
  };
  EXPECT_TRUE(refusal([](Sample& s) { s.append.first = Position{9}; }).contains("begins at"));
  EXPECT_TRUE(refusal([](Sample& s) {
                s.append.recorded_at = Timestamp{first_time};
              }).contains("recorded before"));
  EXPECT_TRUE(refusal([](Sample& s) { s.append.id = event_id(1'000'001); }).contains("append id"));
  EXPECT_TRUE(refusal([](Sample& s) {
                s.streams[0].expected = Expected::none();
              }).contains("does not follow"));
  EXPECT_TRUE(
      refusal([](Sample& s) { s.after[0].version = Version{7}; }).contains("at other versions"));
}

TEST_F(RestoreTest, IsWholeOrClearlyUnfinishedAfterAKillAtAnyCall) {
  SimulatedDisk whole;
  ASSERT_TRUE(restore(whole));
  const std::uint64_t calls = whole.calls();
  std::size_t finished = 0;
  for (std::uint64_t at = 1; at <= calls; at += 2) {
    SimulatedDisk disk;
    disk.fail({.nth = at, .for_ever = true});
    EXPECT_FALSE(restore(disk)) << "call " << at;
    disk.clear_faults();
    disk.kill();
    if (whole_or_nothing(disk)) ++finished;
    disk.kill();
    // Started again, it ends well, whatever was left; unless it had ended already.
    const auto again = restore(disk);
    EXPECT_TRUE(again || again.error().message.contains("holds a log")) << "call " << at;
    EXPECT_TRUE(whole_or_nothing(disk)) << "call " << at;
  }
  EXPECT_LE(finished, 2U) << "Only the removal of the marker makes it a log.";
}

TEST_F(RestoreTest, IsWholeOrClearlyUnfinishedAfterAPowerCutAtAnyCall) {
  SimulatedDisk counting;
  ASSERT_TRUE(restore(counting));
  const std::uint64_t calls = counting.calls();
  for (std::uint64_t at = 1; at <= calls; at += 3) {
    SimulatedDisk disk{at};
    disk.fail({.nth = at, .for_ever = true});
    EXPECT_FALSE(restore(disk));
    disk.clear_faults();
    disk.cut_power();
    whole_or_nothing(disk);
  }
}

TEST_F(RestoreTest, IsHeldByOneRestoreAtATime) {
  SimulatedDisk disk;
  const auto first = Restore::begin(setup(disk));
  ASSERT_TRUE(first);
  EXPECT_EQ(Restore::begin(setup(disk)).error().code, Errc::held);
}

}  // namespace
}  // namespace stele::store
