#include "projection/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>
#include <string>
#include <thread>

#include "projection/rate.h"
#include "projection/shared_reader.h"
#include "projection/sqlite/sqlite_sink.h"
#include "projection/testing/engine_fixture.h"
#include "projection/testing/flaky_sink.h"
#include "projection/testing/sample.h"

namespace stele::projection::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(EngineTest, CatchesUpAndThenFollows) {
  for (int i = 0; i < 100; ++i) pay("account-" + std::to_string(i % 7), i);
  const auto running = engine();
  ASSERT_TRUE(running->add(make_fold<Sums>(), place()));
  running->start();
  ASSERT_TRUE(running->wait_until("sums", store_->log_end(), seconds{10}));
  pay("account-0", 1'000);
  append(*store_, "account-new", Opened{.owner = "Ada", .note = {}});
  ASSERT_TRUE(running->wait_until("sums", store_->log_end(), seconds{10}));
  running->stop();
  EXPECT_EQ(rows<Sums>(*running->spec("sums")), fold_naively(*store_).sums);
}

// Goal: any mix of batch sizes, streams, restarts and kinds of projection gives what a plain fold
// gives. Method: random appends from two threads while three projections follow and are restarted.
TEST_F(EngineTest, AgreesWithAPlainFoldOverRandomAppendsAndRestarts) {
  std::atomic<bool> done{false};
  const auto write = [&](std::uint64_t seed) {
    std::mt19937_64 random{seed};
    for (int i = 0; i < 400; ++i) {
      const std::string stream =
          (random() % 4 == 0 ? "other-" : "account-") + std::to_string(random() % 20);
      const Paid one{.amount = static_cast<std::int64_t>(random() % 50),
                     .day = Timestamp{static_cast<std::int64_t>(random() % 9) * 86'400'000'000}};
      if (random() % 3 == 0) {
        append(*store_, stream, one, Noted{"-"}, one);
      } else {
        append(*store_, stream, Opened{.owner = stream, .note = {}}, one);
      }
    }
  };
  std::thread writers[] = {std::thread{write, 1}, std::thread{write, 2}};
  std::thread ending{[&] {
    for (std::thread& writer : writers) writer.join();
    done = true;
  }};
  std::unique_ptr<Engine> running;
  for (std::size_t round = 0; !done || round < 3; ++round) {
    running = engine({.batch_events_max = 1 + round * 13 % 200,
                      .backoff_first = milliseconds{1},
                      .log_wait_max = milliseconds{5}});
    ASSERT_TRUE(running->add(make_fold<Sums>(), place()));
    ASSERT_TRUE(running->add(make_fold<Days>(), place()));
    ASSERT_TRUE(running->add(make_map<Payments>(), place()));
    running->start();
    std::this_thread::sleep_for(milliseconds{20});
    running->stop();
  }
  ending.join();
  running->start();
  for (const char* name : {"sums", "days", "payments"}) {
    const auto reached = running->wait_until(name, store_->log_end(), seconds{30});
    ASSERT_TRUE(reached) << reached.error().message;
  }
  running->stop();
  const Expected expected = fold_naively(*store_);
  EXPECT_EQ(rows<Sums>(*running->spec("sums")), expected.sums);
  EXPECT_EQ(rows<Days>(*running->spec("days")), expected.days);
  EXPECT_EQ(rows<Payments>(*running->spec("payments")), expected.payments);
}

TEST_F(EngineTest, LetsOthersGoOnWhenOneFailsAndSaysWhichEventStoppedIt) {
  pay("account-a", 1);
  pay("account-a", 13);
  pay("account-a", 2);
  const auto running = engine();
  ASSERT_TRUE(running->add(make_fold<Superstitious>(), place(), {.on_error = OnError::pause}));
  ASSERT_TRUE(running->add(make_fold<Sums>(), place()));
  running->start();
  ASSERT_TRUE(running->wait_until("sums", Position{3}, seconds{10}));
  ASSERT_TRUE(soon([&] { return running->status("superstitious")->state == State::failed; }));

  const Status failed = running->status("superstitious").value();
  EXPECT_EQ(failed.position, Position{1});
  EXPECT_EQ(failed.lag_events, 2U);
  EXPECT_NE(failed.last_error.find("position 2"), std::string::npos) << failed.last_error;
  EXPECT_NE(failed.last_error.find("thirteen"), std::string::npos);
  EXPECT_EQ(running->wait_until("superstitious", Position{3}, seconds{10}).error().code,
            Errc::unavailable);

  pay("account-b", 7);
  EXPECT_TRUE(running->wait_until("sums", Position{4}, seconds{10}));
  ASSERT_TRUE(running->resume("superstitious"));
  ASSERT_TRUE(soon([&] { return running->status("superstitious")->state == State::failed; }));
  running->stop();
  EXPECT_EQ(rows<Superstitious>(*running->spec("superstitious")).at("a").sum, 1);
}

TEST_F(EngineTest, GoesOnByItselfWhenASinkThatWasAwayComesBack) {
  Faults faults;
  const auto running = engine();
  ASSERT_TRUE(running->add(make_fold<Sums>(), flaky(faults)));
  faults.broken = true;
  running->start();
  pay("account-a", 5);
  ASSERT_TRUE(soon([&] { return running->status("sums")->state == State::failed; }));
  EXPECT_GE(running->status("sums")->attempts, impatient.attempts_max);
  faults.broken = false;
  ASSERT_TRUE(soon([&] { return running->status("sums")->state == State::running; }));
  ASSERT_TRUE(running->wait_until("sums", Position{1}, seconds{10}));
  EXPECT_EQ(running->status("sums")->last_error, "");
}

TEST_F(EngineTest, StopsAtACheckpointOfAnotherLog) {
  pay("account-a", 5);
  auto running = engine();
  ASSERT_TRUE(running->add(make_fold<Sums>(), place()));
  running->start();
  ASSERT_TRUE(running->wait_until("sums", Position{1}, seconds{10}));
  running.reset();

  store_ = make_memory_store(clock_);  // Another log, in the same place.
  pay("account-b", 1);
  pay("account-b", 2);
  running = engine();
  ASSERT_TRUE(running->add(make_fold<Sums>(), place()));
  ASSERT_TRUE(running->add(make_fold<Days>(), place()));
  running->start();
  ASSERT_TRUE(soon([&] { return running->status("sums")->state == State::diverged; }));
  EXPECT_NE(running->status("sums")->last_error, "");
  EXPECT_TRUE(running->wait_until("days", Position{2}, seconds{10}));
  EXPECT_EQ(running->wait_until("sums", Position{1}, seconds{10}).error().code, Errc::unavailable);
  EXPECT_EQ(rows<Sums>(*running->spec("sums")).count("b"), 0U);
}

TEST_F(EngineTest, AppliesEachEventOnceAlthoughTwoEnginesWriteTheSameRows) {
  const std::unique_ptr<Engine> engines[] = {engine(), engine()};
  for (const auto& running : engines) {
    ASSERT_TRUE(running->add(make_fold<Sums>(), place()));
    running->start();
  }
  for (int i = 1; i <= 100; ++i) {
    pay("account-a", i);
    if (i % 10 == 0) std::this_thread::sleep_for(milliseconds{2});
  }
  for (const auto& running : engines) {
    ASSERT_TRUE(soon([&] { return running->status("sums")->position == Position{100}; }));
    running->stop();
  }
  EXPECT_EQ(rows<Sums>(*engines[0]->spec("sums")), fold_naively(*store_).sums);
}

TEST_F(EngineTest, StartsAnewWhenItsRowsAreGone) {
  pay("account-a", 5);
  auto running = engine();
  ASSERT_TRUE(running->add(make_fold<Sums>(), place()));
  const auto file = sqlite_file(folder_.path(), *running->spec("sums"));
  running->start();
  ASSERT_TRUE(running->wait_until("sums", Position{1}, seconds{10}));
  running->stop();
  for (const auto* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file.string() + suffix);
  running->start();
  ASSERT_TRUE(running->wait_until("sums", Position{1}, seconds{10}));
  running->stop();
  EXPECT_EQ(rows<Sums>(*running->spec("sums")), fold_naively(*store_).sums);
}

TEST_F(EngineTest, KeepsNeitherAppendsNorOthersWaitingForASlowOne) {
  std::atomic<bool> go{false};
  const auto running = engine();
  Faults slow{.before_commit = [&go] { go.wait(false); }};
  ASSERT_TRUE(running->add(make_fold<Sums>(), flaky(slow)));
  ASSERT_TRUE(running->add(make_fold<Days>(), place()));
  running->start();
  for (int i = 1; i <= 50; ++i) pay("account-a", i);
  EXPECT_TRUE(running->wait_until("days", Position{50}, seconds{10}));
  EXPECT_EQ(running->status("sums")->position, Position{0});
  EXPECT_EQ(running->wait_until("sums", Position{1}, milliseconds{20}).error().code,
            Errc::timed_out);
  go = true;
  go.notify_all();
  EXPECT_TRUE(running->wait_until("sums", Position{50}, seconds{10}));
}

TEST_F(EngineTest, PausesAndResumes) {
  const auto running = engine();
  ASSERT_TRUE(running->add(make_fold<Sums>(), place()));
  running->start();
  ASSERT_TRUE(running->pause("sums"));
  ASSERT_TRUE(soon([&] { return running->status("sums")->state == State::paused; }));
  pay("account-a", 5);
  EXPECT_EQ(running->wait_until("sums", Position{1}, seconds{10}).error().code, Errc::unavailable);
  ASSERT_TRUE(running->resume("sums"));
  ASSERT_TRUE(soon([&] { return running->status("sums")->state != State::paused; }));
  EXPECT_TRUE(running->wait_until("sums", Position{1}, seconds{10}));
  EXPECT_EQ(running->pause("nothing").error().code, Errc::not_found);
}

TEST_F(EngineTest, SaysHowFarBehindAProjectionIs) {
  const auto running = engine();
  ASSERT_TRUE(running->add(make_fold<Sums>(), place()));
  running->start();
  pay("account-a", 5);
  ASSERT_TRUE(running->wait_until("sums", Position{1}, seconds{10}));
  Status status = running->status("sums").value();
  EXPECT_EQ(status.lag_events, 0U);
  EXPECT_EQ(status.lag_seconds, 0.0);
  EXPECT_EQ(status.percent, 100.0);
  EXPECT_EQ(status.log_end, Position{1});

  ASSERT_TRUE(running->pause("sums"));
  ASSERT_TRUE(soon([&] { return running->status("sums")->state == State::paused; }));
  for (int i = 0; i < 3; ++i) pay("account-a", 5);
  clock_.advance(seconds{60});
  status = running->status("sums").value();
  EXPECT_EQ(status.lag_events, 3U);
  EXPECT_NEAR(status.lag_seconds, 60.0, 0.001);
  EXPECT_EQ(status.percent, 25.0);
  EXPECT_EQ(running->status().size(), 1U);
}

TEST_F(EngineTest, CountsTheLagAfterAStartFromTheFirstEventThatIsMissing) {
  pay("account-a", 5);
  clock_.advance(seconds{3'600});
  std::atomic<bool> go{false};
  const auto running = engine();
  Faults slow{.before_commit = [&go] { go.wait(false); }};
  ASSERT_TRUE(running->add(make_fold<Sums>(), flaky(slow)));
  running->start();
  ASSERT_TRUE(soon([&] { return running->status("sums")->state == State::rebuilding; }));
  EXPECT_NEAR(running->status("sums")->lag_seconds, 3'600.0, 0.001);
  go = true;
  go.notify_all();
  ASSERT_TRUE(running->wait_until("sums", Position{1}, seconds{10}));
  EXPECT_EQ(running->status("sums")->state, State::running);
  EXPECT_EQ(running->status("sums")->lag_seconds, 0.0);
}

TEST_F(EngineTest, NeverShowsAPositionThatGoesBack) {
  const auto running = engine();
  ASSERT_TRUE(running->add(make_fold<Sums>(), place()));
  running->start();
  std::thread writer{[&] {
    for (int i = 0; i < 500; ++i) pay("account-a", 1);
  }};
  Position last{};
  while (last < Position{500}) {
    const Position now = running->status("sums")->position;
    ASSERT_GE(now, last);
    last = now;
    std::this_thread::yield();
  }
  writer.join();
}

TEST_F(EngineTest, RefusesAProjectionTwiceAndMoreThanItRuns) {
  const auto running = engine();
  ASSERT_TRUE(running->add(make_fold<Sums>(), place()));
  EXPECT_EQ(running->add(make_fold<Sums>(), place()).error().code, Errc::invalid);
  EXPECT_EQ(running->status("none").error().code, Errc::not_found);
  EXPECT_EQ(running->wait_until("none", Position{1}, seconds{1}).error().code, Errc::not_found);
}

TEST_F(EngineTest, StopsOnlyWhoHandlesAnEventThatAnUpcasterCannotRead) {
  Upcasters upcasters;
  ASSERT_TRUE(upcasters.add("Opened", 1, [](std::string_view) -> Result<std::string> {
    return fail(Errc::corrupt, "The step fails.");
  }));
  pay("account-a", 5);
  append(*store_, "account-a", Opened{.owner = "Ada", .note = {}});
  pay("account-a", 6);
  EngineOptions options = impatient;
  options.upcasters = &upcasters;
  const auto running = engine(options);
  ASSERT_TRUE(running->add(make_fold<Sums>(), place(), {.on_error = OnError::pause}));
  ASSERT_TRUE(running->add(make_fold<Days>(), place()));
  running->start();
  EXPECT_TRUE(running->wait_until("days", Position{3}, seconds{10}));
  ASSERT_TRUE(soon([&] { return running->status("sums")->state == State::failed; }));
  EXPECT_EQ(running->status("sums")->position, Position{1});
}

TEST_F(EngineTest, ReadsTheLogOnceForProjectionsAtTheSamePlace) {
  for (int i = 0; i < 10; ++i) pay("account-a", i);
  SharedReader reader{*store_, nullptr, 6, 1'000'000};
  const auto first = reader.read(Position{0}).value();
  EXPECT_EQ(first->looked_to, Position{6});
  EXPECT_EQ(reader.read(Position{0}).value(), first);
  EXPECT_EQ(reader.read(Position{4}).value(), first);
  const auto second = reader.read(Position{6}).value();
  EXPECT_EQ(second->looked_to, Position{10});
  EXPECT_EQ(reader.read(Position{10}).value()->looked_to, Position{10});
}

TEST_F(EngineTest, AsksForFewerEventsAfterAPageOfLargeOnes) {
  for (int i = 0; i < 20; ++i) append(*store_, "account-a", Noted{std::string(1'000, 'x')});
  SharedReader reader{*store_, nullptr, 8, 4'000};
  EXPECT_EQ(reader.read(Position{0}).value()->looked_to, Position{8});
  EXPECT_EQ(reader.read(Position{8}).value()->looked_to, Position{12});
  EXPECT_EQ(reader.read(Position{12}).value()->looked_to, Position{14});
}

TEST(Rate, IsThatOfTheLastSecondsOfWork) {
  Rate rate;
  Timestamp now{1'000'000'000'000};
  for (int i = 0; i < 100; ++i) {
    rate.add(now, 10);
    now = now + milliseconds{100};
  }
  EXPECT_NEAR(rate.per_second(now), 100.0, 5.0);
  EXPECT_EQ(rate.per_second(now + seconds{30}), 0.0);
}

}  // namespace
}  // namespace stele::projection::testing
