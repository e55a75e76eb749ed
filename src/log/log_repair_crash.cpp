// Damage anywhere in a log, looked at by `verify` and mended by `repair`: what verify calls good
// is all there; what repair leaves opens, and shows nothing but what was written, from the
// beginning on; and a repair that is cut off anywhere can be done again.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "log/format.h"
#include "log/repair.h"
#include "log/testing/log_script.h"
#include "log/verify.h"

namespace stele::log::testing {
namespace {

constexpr std::uint64_t flip_stride = 397;  // Bytes from one flip to the next, unless scaled.

struct Scene {
  SimulatedDisk disk{test_seed()};
  Facts facts;

  explicit Scene(bool sealed) {
    LogModel model;
    LogScript script{disk, model, test_seed()};
    EXPECT_TRUE(sealed ? script.run() : script.run_briefly());
    facts = model.facts();
  }
};

// How many events the log shows; each must be the one that was written there.
std::size_t shown(const Log& log, const Facts& facts) {
  std::size_t count = 0;
  for (Position after{};;) {
    const auto page = log.read_all(after, {}, 1'000);
    if (!page) {
      ADD_FAILURE() << page.error().message;
      return count;
    }
    for (const EventView& event : page->events) {
      const bool same = count < facts.seen.size() && facts.seen[count] == fingerprint(event);
      EXPECT_TRUE(same) << "position " << count + 1 << " shows what nobody wrote";
      ++count;
    }
    if (page->looked_to == after) return count;
    after = page->looked_to;
  }
}

std::size_t open_and_count(SimulatedDisk& disk, const Facts& facts) {
  const auto opened = OpenedLog::open(disk, 77);
  if (!opened) {
    ADD_FAILURE() << "It does not open: " << opened.error().message;
    return 0;
  }
  return shown((*opened)->log(), facts);
}

// Verify and repair after one flip. True if it was found.
bool verify_and_repair(SimulatedDisk& disk, const Facts& facts) {
  count_outcome();
  const StepClock clock;
  const auto report = verify(disk, log_folder);
  const bool told = !report || !report->good();
  if (!report) {
    EXPECT_TRUE(report.error().code == Errc::corrupt || report.error().code == Errc::unsupported)
        << report.error().message;
  }
  const auto repaired = repair(disk, log_folder, clock);
  if (!repaired) {
    EXPECT_TRUE(told) << "repair refuses what verify calls good: " << repaired.error().message;
    return told;
  }
  const std::size_t count = open_and_count(disk, facts);
  if (!told) {
    EXPECT_EQ(count, facts.seen.size()) << "verify called it good";
  }
  if (repaired->repaired) {
    EXPECT_TRUE(told) << "repair cut what verify calls good: " << repaired->damage;
    EXPECT_EQ(number(repaired->log_end), count);
    EXPECT_FALSE(repaired->kept.empty()) << "what was cut is kept beside the log";
    EXPECT_GT(number(repaired->epoch), 1U);
  }
  const auto after = verify(disk, log_folder);
  EXPECT_TRUE(after && after->good()) << "after a repair verify finds it good";
  return told;
}

void flip_all(bool sealed) {
  const Scene scene{sealed};
  std::uint64_t found = 0;
  const std::uint64_t stride =
      std::max<std::uint64_t>(1, flip_stride * crash_thinning / crash_scale());
  for (const std::string& path : scene.disk.files()) {
    const auto bytes = scene.disk.contents(path).value();
    for (std::uint64_t at = test_seed() % stride; at < bytes.size(); at += stride) {
      SCOPED_TRACE(path + " byte " + std::to_string(at));
      const auto disk = scene.disk.clone(at);
      ASSERT_TRUE(disk->flip(path, at, static_cast<std::uint8_t>(1U << (at % 8))));
      found += verify_and_repair(*disk, scene.facts) ? 1U : 0U;
      ASSERT_FALSE(::testing::Test::HasFailure());
    }
  }
  ::testing::Test::RecordProperty("found", static_cast<int>(found));
  EXPECT_GT(found, 0U);
}

TEST(LogRepair, AFlippedByteAnywhereInAnUnsealedLogIsFoundAndMendedOrHarmless) { flip_all(false); }

TEST(LogRepair, AFlippedByteAnywhereInASealedLogIsFoundAndMendedOrHarmless) { flip_all(true); }

TEST(LogRepairCrash, ARepairThatIsCutOffAnywhereIsDoneAgain) {
  const Scene scene{true};
  const auto files = scene.disk.files();
  const auto is_segment = [](const std::string& path) { return path.ends_with(".seg"); };
  ASSERT_GE(std::ranges::count_if(files, is_segment), 2);
  const StepClock clock;
  std::uint64_t cuts = 0;
  for (const std::string& path : files) {
    if (!is_segment(path)) continue;
    const auto damaged = scene.disk.clone(3);
    ASSERT_TRUE(damaged->flip(path, segment_header_size + 300, 1));
    std::vector<std::unique_ptr<SimulatedDisk>> moments;
    damaged->on_call([&](const CallInfo&) { moments.push_back(damaged->clone(moments.size())); });
    const auto whole = repair(*damaged, log_folder, clock);
    damaged->on_call([](const CallInfo&) {});
    ASSERT_TRUE(whole) << whole.error().message;
    const std::size_t kept = open_and_count(*damaged, scene.facts);
    for (std::size_t n = 0; n < moments.size(); ++n) {
      SCOPED_TRACE(path + ", cut off after call " + std::to_string(n));
      if (n % 2 == 0) {
        moments[n]->cut_power();
      } else {
        moments[n]->kill();
      }
      count_outcome();
      const auto again = repair(*moments[n], log_folder, clock);
      ASSERT_TRUE(again) << again.error().message;
      EXPECT_EQ(open_and_count(*moments[n], scene.facts), kept);
      ++cuts;
    }
  }
  EXPECT_GT(cuts, 20U);
}

}  // namespace
}  // namespace stele::log::testing
