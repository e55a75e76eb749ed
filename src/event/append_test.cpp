#include "stele/append.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <thread>

namespace stele {
namespace {

using namespace std::chrono_literals;

Completion completion(std::uint64_t token) {
  return {.token = token, .outcome = AppendOutcome{Appended{}}};
}

TEST(CompletionQueue, GivesBackWhatWasPushedInOrder) {
  CompletionQueue queue;
  std::vector<Completion> batch;
  batch.push_back(completion(1));
  batch.push_back(completion(2));
  queue.push(batch);
  EXPECT_TRUE(batch.empty());
  queue.push(completion(3));

  std::vector<Completion> out;
  ASSERT_EQ(queue.take(out, 0us), 3U);
  EXPECT_EQ(out[0].token, 1U);
  EXPECT_EQ(out[1].token, 2U);
  EXPECT_EQ(out[2].token, 3U);
  EXPECT_EQ(queue.take(out, 0us), 0U);
  EXPECT_TRUE(out.empty());
}

TEST(CompletionQueue, EndsAWaitAfterTheTimeOut) {
  CompletionQueue queue;
  std::vector<Completion> out;
  EXPECT_EQ(queue.take(out, 1ms), 0U);
}

TEST(CompletionQueue, InterruptWakesTheNextTakeOnce) {
  CompletionQueue queue;
  std::vector<Completion> out;
  queue.interrupt();
  EXPECT_EQ(queue.take(out, 60s), 0U);
  EXPECT_EQ(queue.take(out, 1ms), 0U);
}

TEST(CompletionQueue, LosesNothingBetweenManyPushersAndTakers) {
  constexpr std::uint64_t each = 5'000;
  CompletionQueue queue;
  std::vector<std::uint64_t> seen;
  std::vector<std::jthread> pushers;
  for (std::uint64_t t = 0; t < 4; ++t) {
    pushers.emplace_back([&, t] {
      std::vector<Completion> batch;
      for (std::uint64_t i = 0; i < each; ++i) {
        batch.push_back(completion(t * each + i));
        if (i % 7 == 0) queue.push(batch);
      }
      queue.push(batch);
    });
  }
  std::vector<Completion> out;
  while (seen.size() < 4 * each && queue.take(out, 10s) > 0) {
    for (const Completion& done : out) seen.push_back(done.token);
  }
  std::ranges::sort(seen);
  std::vector<std::uint64_t> all(4 * each);
  std::iota(all.begin(), all.end(), 0U);
  EXPECT_EQ(seen, all);
}

TEST(Filter, TakesAnyCategoryAnyTypeAndAllTags) {
  const std::string packed = std::string("\x03") + "one" + "\x03" + "two";
  EventView event;
  event.stream = "account-42";
  event.type = "Opened";
  event.tags = TagList{packed};
  EXPECT_TRUE(Filter{}.matches(event));
  EXPECT_TRUE((Filter{.categories = {"order", "account"}}).matches(event));
  EXPECT_FALSE((Filter{.categories = {"acc"}}).matches(event));
  EXPECT_TRUE((Filter{.types = {"Closed", "Opened"}}).matches(event));
  EXPECT_FALSE((Filter{.types = {"opened"}}).matches(event));
  EXPECT_TRUE((Filter{.tags = {"two", "one"}}).matches(event));
  EXPECT_FALSE((Filter{.tags = {"one", "three"}}).matches(event));
  EXPECT_FALSE(
      (Filter{.categories = {"account"}, .types = {"Opened"}, .tags = {"x"}}).matches(event));
}

}  // namespace
}  // namespace stele
