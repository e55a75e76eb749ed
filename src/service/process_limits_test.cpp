#include "service/process_limits.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <new>

namespace stele::service {
namespace {

TEST(ProcessLimits, ConnectionsLeaveRoomForFiles) {
  EXPECT_EQ(connections_allowed(10'000, {.limit = 20'000, .open = 30}), 10'000U);
  EXPECT_EQ(connections_allowed(10'000, {.limit = 1'024, .open = 24}), 750U);
  EXPECT_EQ(connections_allowed(10'000, {.limit = 8'256, .open = 56}), 7'944U);
  EXPECT_EQ(connections_allowed(10'000, {.limit = 64, .open = 24}), 30U);
  EXPECT_EQ(connections_allowed(10'000, {.limit = 10, .open = 20}), 1U);
  EXPECT_EQ(connections_allowed(10'000, {}), 10'000U) << "an unknown limit is none";
}

TEST(ProcessLimits, LargeBodiesTakeAnEighthOfTheMemoryThatThereIs) {
  constexpr std::size_t mebibyte = 1'024 * 1'024;
  EXPECT_EQ(buffered_size_allowed(0), 512 * mebibyte);
  EXPECT_EQ(buffered_size_allowed(800 * mebibyte), 100 * mebibyte);
  EXPECT_EQ(buffered_size_allowed(std::size_t{64} * 1'024 * mebibyte), 512 * mebibyte);
  EXPECT_EQ(buffered_size_allowed(mebibyte), 16 * mebibyte);
}

TEST(ProcessLimits, ALimitOfTheAddressSpaceIsSeen) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &before), 0);
  rlimit low = before;
  low.rlim_cur = std::size_t{1} << 45;  // Enough for any sanitizer's shadow.
  if (before.rlim_cur != RLIM_INFINITY || ::setrlimit(RLIMIT_AS, &low) != 0) GTEST_SKIP();
  EXPECT_LE(memory_limit(), std::size_t{1} << 45);
  EXPECT_GT(memory_limit(), 0U);
  EXPECT_EQ(::setrlimit(RLIMIT_AS, &before), 0);
}

TEST(ProcessLimitsDeathTest, AProcessWithoutMemoryEndsWithASentence) {
  EXPECT_EXIT(
      {
        end_when_out_of_memory();
        std::get_new_handler()();
      },
      ::testing::ExitedWithCode(1), "no memory left");
}

TEST(ProcessLimits, TheSoftLimitIsRaisedToTheHardOne) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = before.rlim_max / 2;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  const Descriptors raised = raise_descriptors();
  EXPECT_EQ(raised.limit, before.rlim_max);
  EXPECT_GE(raised.open, 3U);
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
}  // namespace stele::service
