#include "log/gather.h"

#include <gtest/gtest.h>

namespace stele::log {
namespace {

using std::chrono::microseconds;

/// `rounds` syncs of `sync_us` with `clients` who each come back after `think_us`.
GatherPolicy after_rounds(int rounds, int clients, std::int64_t sync_us, std::int64_t think_us) {
  GatherPolicy policy;
  std::int64_t now = 0;
  for (int round = 0; round < rounds; ++round) {
    now += sync_us;
    policy.completed(Timestamp{now}, microseconds{sync_us}, static_cast<std::size_t>(clients));
    if (round + 1 == rounds) break;
    for (int i = 0; i < clients; ++i) policy.arrived(Timestamp{now + think_us});
    now += think_us;
  }
  return policy;
}

TEST(GatherPolicy, WaitsForClientsWhoComeBackSoonerThanASyncTakes) {
  const GatherPolicy policy = after_rounds(20, 16, 130, 20);
  const Timestamp now{20 * 130 + 19 * 20};
  EXPECT_GE(policy.patience(now), microseconds{20});
  EXPECT_LE(policy.patience(now), microseconds{23});
  EXPECT_EQ(policy.patience(now + microseconds{30}), microseconds{0});
}

TEST(GatherPolicy, StopsWaitingOnceAllAreBack) {
  GatherPolicy policy = after_rounds(20, 4, 130, 20);
  const Timestamp now{20 * 130 + 19 * 20};
  for (int i = 0; i < 3; ++i) policy.arrived(now);
  EXPECT_GT(policy.patience(now), microseconds{0});
  policy.arrived(now);
  EXPECT_TRUE(policy.cohort_is_here());
  EXPECT_EQ(policy.patience(now), microseconds{0});
}

TEST(GatherPolicy, StartsAtOnceForSlowClientsForOneClientAndAtTheBeginning) {
  EXPECT_EQ(after_rounds(20, 16, 130, 120).patience(Timestamp{20 * 130 + 19 * 120}),
            microseconds{0});
  EXPECT_EQ(after_rounds(80, 1, 130, 5).patience(Timestamp{80 * 130 + 79 * 5}), microseconds{0});
  EXPECT_EQ(after_rounds(1, 16, 130, 5).patience(Timestamp{130}), microseconds{0});
}

}  // namespace
}  // namespace stele::log
