// Many writers at once: one winner each, every position once and in order, chains that a foreign
// writer cuts.

#include <atomic>
#include <latch>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "store/testing/store_contract.h"

namespace stele::testing {

using namespace std::chrono_literals;

bool link_store_races() { return true; }

TEST_P(StoreRaces, GiveEachVersionToOneWinner) {
  constexpr std::uint64_t versions = 100;
  constexpr int writers = 6;
  std::vector<std::atomic<int>> wins(versions);
  std::vector<std::jthread> threads;
  for (int w = 0; w < writers; ++w) {
    threads.emplace_back([&] {
      const NewEvent one = event("E");
      for (std::uint64_t v = 0; v < versions; ++v) {
        const StreamAppend stream{
            .stream = "a-1", .expected = Expected::exactly(Version{v}), .events = {&one, 1}};
        const auto outcome = store().append({.streams = {&stream, 1}});
        ASSERT_TRUE(outcome) << outcome.error().message;
        if (is_accepted(outcome)) {
          ++wins[v];
        } else {
          EXPECT_GT(conflict_of(outcome)->streams[0].found.version, Version{v});
        }
      }
    });
  }
  threads.clear();
  for (std::uint64_t v = 0; v < versions; ++v) EXPECT_EQ(wins[v], 1) << v;
  EXPECT_EQ(tip("a-1").version, Version{versions});
}

TEST_P(StoreRaces, GiveEachIdToOneWriterAndReplayToTheOthers) {
  constexpr std::uint8_t ids = 60;
  constexpr int writers = 4;
  std::atomic<int> accepted{0};
  std::atomic<int> replayed{0};
  std::vector<std::jthread> threads;
  for (int w = 0; w < writers; ++w) {
    threads.emplace_back([&] {
      const NewEvent one = event("E");
      const StreamAppend stream{.stream = "a-1", .events = {&one, 1}};
      for (std::uint8_t n = 1; n <= ids; ++n) {
        AppendId id;
        id.bytes[0] = n;
        const auto outcome = store().append({.id = id, .streams = {&stream, 1}});
        accepted += is_accepted(outcome) ? 1 : 0;
        replayed += is_replayed(outcome) ? 1 : 0;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(accepted, ids);
  EXPECT_EQ(replayed, ids * (writers - 1));
  EXPECT_EQ(store().log_end(), Position{ids});
}

TEST_P(StoreRaces, GiveEachConditionToOneWinner) {
  constexpr int rounds = 60;
  constexpr int writers = 4;
  std::vector<std::atomic<int>> wins(rounds);
  std::vector<std::jthread> threads;
  for (int w = 0; w < writers; ++w) {
    threads.emplace_back([&, w] {
      for (int round = 0; round < rounds; ++round) {
        const std::string tag = "name:" + std::to_string(round);
        const std::vector<std::string_view> tags{tag};
        const NewEvent one = event("Taken", "{}", tags);
        const std::string name = "w-" + std::to_string(w);
        const StreamAppend stream{.stream = name, .events = {&one, 1}};
        const auto outcome = store().append(
            {.streams = {&stream, 1}, .condition = Condition{.fail_if = {{.tags = {tag}}}}});
        wins[static_cast<std::size_t>(round)] += is_accepted(outcome) ? 1 : 0;
      }
    });
  }
  threads.clear();
  for (const auto& each : wins) EXPECT_EQ(each, 1);
}

TEST_P(StoreRaces, ShowATailingReaderEveryPositionOnceAndInOrder) {
  constexpr std::uint64_t writers = 5;
  constexpr std::uint64_t appends = 80;
  constexpr std::uint64_t total = writers * appends * 2;
  std::vector<std::jthread> threads;
  for (std::uint64_t w = 0; w < writers; ++w) {
    threads.emplace_back([&, w] {
      std::mt19937_64 random{w};
      const std::string own = "own-" + std::to_string(w);
      for (std::uint64_t i = 0; i < appends; ++i) {
        const NewEvent one = event("E", own);
        const std::vector<StreamAppend> streams{{.stream = own, .events = {&one, 1}},
                                                {.stream = "shared-1", .events = {&one, 1}}};
        ASSERT_TRUE(is_accepted(store().append({.streams = streams})));
        if (random() % 4 == 0)
          std::this_thread::sleep_for(std::chrono::microseconds(random() % 500));
      }
    });
  }
  Position after{};
  std::map<std::string, std::uint64_t> versions;
  Timestamp last{};
  while (number(after) < total) {
    ASSERT_GT(store().wait(after, 20s), after);
    const auto page = store().read_all(after, {}, 64);
    ASSERT_TRUE(page);
    for (const EventView& each : page->events) {
      ASSERT_EQ(number(each.position), number(after) + 1);
      after = each.position;
      ASSERT_EQ(number(each.version), ++versions[std::string{each.stream}]);
      ASSERT_GE(each.recorded_at, last);
      last = each.recorded_at;
    }
    ASSERT_EQ(after, page->looked_to);
  }
  EXPECT_EQ(versions["shared-1"], writers * appends);
}

TEST_P(StoreRaces, AnswerOnlyWhatAReaderCanSee) {
  std::vector<std::jthread> threads;
  for (int w = 0; w < 4; ++w) {
    threads.emplace_back([&, w] {
      const std::string name = "a-" + std::to_string(w);
      const NewEvent one = event("E");
      for (std::uint64_t i = 1; i <= 60; ++i) {
        const StreamAppend stream{.stream = name, .events = {&one, 1}};
        const auto outcome = store().append({.streams = {&stream, 1}});
        ASSERT_TRUE(is_accepted(outcome));
        const auto& appended = std::get<Appended>(*outcome);
        ASSERT_GE(store().log_end(), appended.last);
        ASSERT_EQ(store().stream_tip(name).value(), appended.streams[0]);
        const auto page = store().read_stream(name, Version{i - 1}, 10, Direction::forward);
        ASSERT_EQ(page->events.size(), 1U);
        ASSERT_EQ(page->events[0].position, appended.last);
        ASSERT_TRUE(store().find_append(appended.id)->has_value());
      }
    });
  }
}

TEST_P(StoreRaces, CutAChainOfAppendsUnderWayWhenAForeignWriterComesBetween) {
  // Two processors pipeline on one stream: each append names the tip that the one before will have.
  // Whoever loses once loses the rest of its chain: no append is built on what did not happen.
  constexpr int rounds = 30;
  constexpr std::size_t chain = 8;
  for (int round = 0; round < rounds; ++round) {
    const std::string name = "a-" + std::to_string(round);
    std::latch start{2};
    std::array<std::vector<bool>, 2> accepted;
    std::vector<std::jthread> threads;
    for (std::size_t p = 0; p < 2; ++p) {
      accepted[p].resize(chain);
      threads.emplace_back([&, p] {
        CompletionQueue queue;
        Expected expected = Expected::none();
        start.arrive_and_wait();
        for (std::size_t i = 0; i < chain; ++i) {
          NewEvent one = event(p == 0 ? "Left" : "Right");
          one.id.bytes.fill(static_cast<std::uint8_t>(round + 1));
          one.id.bytes[14] = static_cast<std::uint8_t>(p);
          one.id.bytes[15] = static_cast<std::uint8_t>(i);
          const StreamAppend stream{.stream = name, .expected = expected, .events = {&one, 1}};
          ASSERT_TRUE(store().append_async({.streams = {&stream, 1}}, queue, i));
          expected = Expected::exactly(Version{i + 1}, tip_of(one.id));
        }
        std::vector<Completion> done;
        for (std::size_t seen = 0; seen < chain && queue.take(done, 20s) > 0; seen += done.size()) {
          for (const Completion& each : done) accepted[p][each.token] = is_accepted(each.outcome);
        }
      });
    }
    threads.clear();
    const std::size_t winner = accepted[0][0] ? 0 : 1;
    for (std::size_t i = 0; i < chain; ++i) {
      EXPECT_TRUE(accepted[winner][i]) << round << " " << i;
      EXPECT_FALSE(accepted[1 - winner][i]) << round << " " << i;
    }
    EXPECT_EQ(tip(name).version, Version{chain});
  }
}

TEST_P(StoreRaces, KeepTheSumOfTransfersWhole) {
  // Each append moves one unit between two streams; readers never see half of one.
  std::atomic<bool> stop{false};
  std::jthread reader{[&] {
    while (!stop) {
      const auto page = store().read_all(Position{}, {}, 10'000);
      ASSERT_EQ(page->events.size() % 2, 0U);
    }
  }};
  std::vector<std::jthread> threads;
  for (int w = 0; w < 3; ++w) {
    threads.emplace_back([&, w] {
      std::mt19937 random{static_cast<unsigned>(w)};
      const NewEvent one = event("Moved");
      for (int i = 0; i < 60; ++i) {
        const std::string from = "a-" + std::to_string(random() % 3);
        const std::string to = "b-" + std::to_string(random() % 3);
        const std::vector<StreamAppend> streams{{.stream = from, .events = {&one, 1}},
                                                {.stream = to, .events = {&one, 1}}};
        ASSERT_TRUE(is_accepted(store().append({.streams = streams})));
      }
    });
  }
  threads.clear();
  stop = true;
}

TEST_P(StoreRaces, EndEveryWaitWhenWoken) {
  std::atomic<int> ended{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      static_cast<void>(store().wait(Position{0}, 60s));
      ++ended;
    });
  }
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (ended < 3 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(2ms);
    store().wake();
  }
  EXPECT_EQ(ended, 3);
}

}  // namespace stele::testing
