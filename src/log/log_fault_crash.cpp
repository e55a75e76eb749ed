// Every call to the disk fails in turn; the disk fills up at every point; every byte is flipped.

#include <gtest/gtest.h>

#include <algorithm>

#include "log/testing/log_script.h"

namespace stele::log::testing {
namespace {

constexpr std::uint64_t calls_max = 20'000;  // Of one scripted run; more means that it hangs.

std::string joined(const std::vector<std::string>& problems) {
  std::string text;
  for (const std::string& problem : problems) text += "\n  " + problem;
  return text;
}

void expect_recovers(SimulatedDisk& disk, const LogModel& model, std::uint64_t seed) {
  EXPECT_TRUE(model.problems().empty()) << joined(model.problems());
  Facts facts = model.facts();
  const auto problems = recover_and_compare(disk, facts, seed);
  EXPECT_TRUE(problems.empty()) << joined(problems);
}

// Runs the script with one fault. Returns false once the fault lies beyond the run's end.
bool run_with_fault(const Fault& fault, std::uint64_t seed, bool power_cut) {
  SimulatedDisk disk{seed};
  disk.fail(fault);
  LogModel model;
  LogScript script{disk, model, test_seed()};
  const bool whole = script.run();
  const bool reached = disk.calls() >= fault.nth;
  disk.clear_faults();
  if (power_cut) disk.cut_power();
  script.close();
  disk.kill();
  expect_recovers(disk, model, seed);
  EXPECT_TRUE(whole || reached);
  return reached;
}

void fail_every_call(Errc code, bool partly, bool for_ever, std::uint64_t stride) {
  for (std::uint64_t nth = 1 + test_seed() % stride; nth < calls_max; nth += stride) {
    const Fault fault{
        .call = std::nullopt, .nth = nth, .code = code, .partly = partly, .for_ever = for_ever};
    const bool reached = run_with_fault(fault, test_seed() + nth, nth % 2 == 0);
    ASSERT_FALSE(::testing::Test::HasFailure())
        << "with call " << nth << " failing, STELE_SEED=" << test_seed();
    if (!reached) return;
  }
  FAIL() << "The scripted run does not end.";
}

std::uint64_t stride(std::uint64_t usual) {
  return std::max<std::uint64_t>(1, usual * crash_thinning / crash_scale());
}

TEST(LogFault, EveryCallFailsOnceAndNothingAcknowledgedIsLost) {
  fail_every_call(Errc::unavailable, false, false, stride(1));
}

TEST(LogFault, EveryCallFailsHalfDoneAndNothingAcknowledgedIsLost) {
  fail_every_call(Errc::unavailable, true, false, stride(5));
}

TEST(LogFault, FromEveryCallOnTheDiskIsGoneAndNothingAcknowledgedIsLost) {
  fail_every_call(Errc::unavailable, false, true, stride(5));
}

TEST(LogFault, EveryCallFindsTheDiskFullOnceAndNothingAcknowledgedIsLost) {
  fail_every_call(Errc::read_only, true, false, stride(5));
}

// The disk holds only so much; then there is space again, and the log takes appends again without
// being opened again. It opens on the full disk.
TEST(LogFull, GoesReadOnlyOnAFullDiskAndComesBackByItself) {
  std::uint64_t refusals = 0;
  bool whole = false;
  for (std::uint64_t pages = 1; !whole; pages += stride(4)) {
    SCOPED_TRACE("a disk of " + std::to_string(pages) + " pages");
    SimulatedDisk disk{test_seed()};
    disk.set_capacity(pages * SimulatedDisk::page_size);
    LogModel model;
    LogScript script{disk, model, test_seed()};
    whole = script.run();
    OpenedLog* opened = script.opened();
    if (opened != nullptr) {
      ++refusals;
      EXPECT_FALSE(opened->fatal()) << "a full disk is no failed sync";
      const auto before = compare(opened->log(), model.facts());
      EXPECT_TRUE(before.empty()) << "while it is full:" << joined(before);
      disk.set_capacity(std::nullopt);
      for (int i = 0; i < 3; ++i) {
        opened->clock().advance(std::chrono::seconds{2});
        (void)opened->log().tick();
      }
      EXPECT_TRUE(script.append_one()) << "it does not come back by itself";
      script.close();
      disk.set_capacity(disk.used_bytes());
      auto again = OpenedLog::open(disk, 99);
      ASSERT_TRUE(again) << "it does not open on a full disk: " << again.error().message;
      const auto after = compare((*again)->log(), model.facts());
      EXPECT_TRUE(after.empty()) << "opened on the full disk:" << joined(after);
    }
    disk.set_capacity(std::nullopt);
    expect_recovers(disk, model, pages);
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(refusals, 10U / crash_thinning);
}

class LogFlip : public ::testing::Test {
 protected:
  // Flips a bit of each byte of `path`; returns how many flips went unnoticed, all of them without
  // any effect on what is read.
  std::uint64_t flip_every_byte(const SimulatedDisk& disk, const std::string& path,
                                const Facts& facts) {
    const auto bytes = disk.contents(path).value();
    std::uint64_t harmless = 0;
    for (std::uint64_t at = 0; at < bytes.size(); ++at) {
      if (at % stride(bytes[at] == std::byte{} ? zero_stride : byte_stride) != 0) continue;
      const auto copy = disk.clone(at);
      EXPECT_TRUE(copy->flip(path, at, static_cast<std::uint8_t>(1U << (at % 8))));
      const bool noticed = check_flipped(*copy, facts);
      harmless += noticed ? 0U : 1U;
      if (HasFailure()) {
        ADD_FAILURE() << "byte " << at << " of " << path << " flipped";
        break;
      }
    }
    return harmless;
  }

  static bool check_flipped(SimulatedDisk& disk, const Facts& facts) {
    count_outcome();
    auto opened = OpenedLog::open(disk, 5);
    if (!opened) {
      EXPECT_TRUE(opened.error().code == Errc::corrupt || opened.error().code == Errc::unsupported)
          << opened.error().message;
      return true;
    }
    const auto problems = compare((*opened)->log(), facts);
    for (const std::string& problem : problems) {
      EXPECT_TRUE(problem.starts_with(told_prefix)) << "silently: " << problem;
    }
    return !problems.empty();
  }

  // Without STELE_CRASH_SCALE not every byte in every run. Zeros are padding for the most.
  static constexpr std::uint64_t zero_stride = 29;
  static constexpr std::uint64_t byte_stride = 3;
};

TEST_F(LogFlip, EveryFlippedByteOfAnUnsealedLogIsFoundOrHarmless) {
  SimulatedDisk disk{test_seed()};
  LogModel model;
  LogScript script{disk, model, test_seed()};
  ASSERT_TRUE(script.run_briefly());
  const Facts facts = model.facts();
  for (const std::string& path : disk.files()) {
    const std::uint64_t harmless = flip_every_byte(disk, path, facts);
    RecordProperty("harmless in " + path, static_cast<int>(harmless));
  }
}

TEST_F(LogFlip, EveryFlippedByteOfSealedSegmentsAndIndexesIsFoundOrHarmless) {
  SimulatedDisk disk{test_seed()};
  LogModel model;
  LogScript script{disk, model, test_seed()};
  ASSERT_TRUE(script.run());
  const Facts facts = model.facts();
  std::uint64_t sealed = 0;
  for (const std::string& path : disk.files()) {
    if (!disk.contents(path.substr(0, path.size() - 4) + ".idx")) continue;
    ++sealed;
    if (sealed > 2) break;  // One segment with its index; the others are like it.
    flip_every_byte(disk, path, facts);
  }
  EXPECT_GE(sealed, 2U);
}

}  // namespace
}  // namespace stele::log::testing
