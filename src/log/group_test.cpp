#include "log/group.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace stele::log {
namespace {

TEST(GroupEnd, WakesAllWhoWaitAndTellsThemTheSame) {
  constexpr int threads = 64;
  for (int round = 0; round < 20; ++round) {
    GroupEnd end;
    std::atomic<int> told{0};
    std::vector<std::jthread> waiting;
    for (int i = 0; i < threads; ++i) {
      waiting.emplace_back([&] {
        end.wait();
        if (end.error() && end.error()->code == Errc::unavailable) ++told;
      });
    }
    // In some rounds most are asleep by then, in others most have not come yet.
    std::this_thread::sleep_for(std::chrono::milliseconds{round % 4});
    EXPECT_FALSE(end.done());
    end.finish(Error{Errc::unavailable, "The disk is gone."});
    waiting.clear();
    EXPECT_EQ(told.load(), threads);
  }
}

TEST(GroupEnd, IsNotWaitedForOnceItIsDone) {
  GroupEnd end;
  end.finish(std::nullopt);
  end.wait();
  EXPECT_TRUE(end.done());
  EXPECT_FALSE(end.error());
}

}  // namespace
}  // namespace stele::log
