// Keys whose events cannot be applied: what waits, what goes on, and how they come back.

#include "projection/testing/engine_fixture.h"

namespace stele::projection::testing {
namespace {

class ParkingTest : public EngineTest {
 protected:
  void SetUp() override { strict = true; }
  void TearDown() override { strict = true; }

  template <typename P>
  std::unique_ptr<Engine> start(EngineOptions options = impatient) {
    auto running = engine(options);
    if constexpr (requires { &P::map; }) {
      EXPECT_TRUE(running->add(make_map<P>(), place()));
    } else {
      EXPECT_TRUE(running->add(make_fold<P>(), place()));
    }
    running->start();
    return running;
  }
  void catch_up(const Engine& running, std::string_view name) {
    const auto reached = running.wait_until(name, store_->log_end(), seconds{10});
    ASSERT_TRUE(reached) << reached.error().message;
  }
};

TEST_F(ParkingTest, ParksOnlyTheKeyOfTheEventThatFailsAndLeavesItsRowAsItWas) {
  const auto running = start<Picky>();
  pay("account-a", 1);
  pay("account-b", 2);
  pay("account-a", 13);
  pay("account-a", 5);
  pay("account-b", 7);
  catch_up(*running, "picky");

  const Status status = running->status("picky").value();
  EXPECT_EQ(status.state, State::running);
  EXPECT_EQ(status.parked, 1U);
  EXPECT_EQ(status.last_error, "");
  const auto parked = running->parked("picky", "", 10).value();
  ASSERT_EQ(parked.size(), 1U);
  EXPECT_EQ(parked[0].key, "a");
  EXPECT_EQ(parked[0].from_position, Position{3});
  EXPECT_EQ(parked[0].from_version, Version{2});
  EXPECT_EQ(parked[0].attempts, impatient.park_attempts_max);
  EXPECT_NE(parked[0].error.find("thirteen"), std::string::npos) << parked[0].error;
  running->stop();
  const auto shown = rows<Picky>(*running->spec("picky"));
  EXPECT_EQ(shown.at("a").sum, 1);
  EXPECT_EQ(shown.at("b").sum, 9);
}

TEST_F(ParkingTest, RemembersParkedKeysOverARestart) {
  auto running = start<Picky>();
  pay("account-a", 13);
  catch_up(*running, "picky");
  running->stop();
  strict = false;
  pay("account-a", 5);
  running = start<Picky>();
  catch_up(*running, "picky");
  EXPECT_EQ(running->parked("picky", "", 10)->size(), 1U);
  running->stop();
  EXPECT_EQ(rows<Picky>(*running->spec("picky")).count("a"), 0U);
}

TEST_F(ParkingTest, TellsARetriedKeyAllThatItMissedAndLetsItFlowAgain) {
  const auto running = start<Picky>({.batch_events_max = 7,
                                     .park_attempts_max = 2,
                                     .backoff_first = milliseconds{1},
                                     .backoff_max = milliseconds{5},
                                     .log_wait_max = milliseconds{20}});
  pay("account-a", 1);
  pay("account-a", 13);
  for (int i = 0; i < 60; ++i) pay(i % 2 == 0 ? "account-a" : "account-b", 100 + i);
  catch_up(*running, "picky");
  EXPECT_EQ(running->retry("picky", "b").error().code, Errc::not_found);

  const auto refused = running->retry("picky", "a");  // The code is as wrong as before.
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("thirteen"), std::string::npos) << refused.error().message;
  EXPECT_EQ(running->parked("picky", "", 10)->at(0).attempts, 3U);

  strict = false;
  const auto done = running->retry("picky", "a");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(running->status("picky")->parked, 0U);
  pay("account-a", 100);
  catch_up(*running, "picky");
  running->stop();
  EXPECT_EQ(rows<Picky>(*running->spec("picky")), fold_naively(*store_).sums);
}

TEST_F(ParkingTest, StopsARetryAtTheNextEventThatFailsAndKeepsWhatCameBefore) {
  const auto running = start<Picky>();
  for (const int amount : {1, 13, 2, 3}) pay("account-a", amount);
  catch_up(*running, "picky");
  strict = false;
  ASSERT_TRUE(running->retry("picky", "a"));
  strict = true;
  for (const int amount : {13, 4, 13, 5}) pay("account-a", amount);
  catch_up(*running, "picky");
  EXPECT_EQ(running->parked("picky", "", 10)->at(0).from_position, Position{5});
  running->stop();
  EXPECT_EQ(rows<Picky>(*running->spec("picky")).at("a").sum, 19);
}

TEST_F(ParkingTest, ParksTheRowOfAFoldOverAnotherKey) {
  const auto running = start<PickyDays>();
  const auto on = [&](int day, std::int64_t amount, std::string_view stream) {
    append(*store_, stream,
           Paid{.amount = amount, .day = Timestamp{day * std::int64_t{86'400'000'000}}});
  };
  on(1, 5, "account-a");
  on(1, 13, "account-a");
  on(2, 6, "account-a");
  on(1, 7, "account-b");
  catch_up(*running, "picky_days");
  ASSERT_EQ(running->parked("picky_days", "", 10)->size(), 1U);
  EXPECT_EQ(running->parked("picky_days", "", 10)->at(0).key, "1970-01-02");
  strict = false;
  ASSERT_TRUE(running->retry("picky_days", "1970-01-02"));
  running->stop();
  EXPECT_EQ(rows<PickyDays>(*running->spec("picky_days")), fold_naively(*store_).days);
}

TEST_F(ParkingTest, ParksTheStreamOfAMap) {
  const auto running = start<PickyPayments>();
  for (const int amount : {1, 13, 2}) pay("account-a", amount);
  pay("account-b", 3);
  catch_up(*running, "picky_payments");
  EXPECT_EQ(running->parked("picky_payments", "", 10)->at(0).key, "account-a");
  strict = false;
  ASSERT_TRUE(running->retry("picky_payments", "account-a"));
  running->stop();
  EXPECT_EQ(rows<PickyPayments>(*running->spec("picky_payments")), fold_naively(*store_).payments);
}

TEST_F(ParkingTest, NeverParksForAFailureOfTheSink) {
  Faults faults;
  const auto running = engine();
  ASSERT_TRUE(running->add(make_fold<Picky>(), flaky(faults)));
  running->start();
  pay("account-a", 1);
  catch_up(*running, "picky");
  faults.broken = true;
  pay("account-a", 2);
  ASSERT_TRUE(soon([&] { return running->status("picky")->state == State::failed; }));
  EXPECT_EQ(running->status("picky")->parked, 0U);
  faults.broken = false;
  ASSERT_TRUE(soon([&] { return running->status("picky")->position == store_->log_end(); }));
  EXPECT_EQ(running->status("picky")->parked, 0U);
}

// Goal: an event is applied or its key is parked, never neither. Method: every call of the sink
// fails once, one after another, while a key is parked and retried.
TEST_F(ParkingTest, LosesNeitherTheRecordNorTheEventWhateverFails) {
  for (int fail_at = 0; fail_at < 40; ++fail_at) {
    SCOPED_TRACE(fail_at);
    const ScratchFolder folder;
    const auto store = make_memory_store();
    Faults faults;
    strict = true;
    Engine running{*store,
                   system_clock(),
                   observe::null_logger(),
                   {.attempts_max = 1'000,
                    .park_attempts_max = 2,
                    .backoff_first = std::chrono::microseconds{50},
                    .backoff_max = std::chrono::microseconds{200}}};
    ASSERT_TRUE(running.add(
        make_fold<Picky>(),
        std::make_shared<FlakyGenerations>(make_sqlite_generations(folder.path()), faults)));
    for (const int amount : {1, 13, 2}) append(*store, "account-a", Paid{.amount = amount});
    append(*store, "account-b", Paid{.amount = 4});
    faults.calls_left = fail_at;
    running.start();
    ASSERT_TRUE(running.wait_until("picky", store->log_end(), seconds{10}));
    ASSERT_EQ(running.parked("picky", "", 10)->size(), 1U);
    strict = false;
    faults.calls_left = fail_at % 7;
    while (!running.retry("picky", "a")) {
      ASSERT_EQ(running.parked("picky", "", 10)->size(), 1U);
    }
    faults.calls_left = -1;
    EXPECT_EQ(running.parked("picky", "", 10)->size(), 0U);
    running.stop();
    const auto sink = make_sqlite_generations(folder.path())->make_sink();
    ASSERT_TRUE(sink->open(make_fold<Picky>()->spec()));
    EXPECT_EQ(sink->parked()->size(), 0U);
    ASSERT_TRUE(sink->begin());
    const std::string_view key = "a";
    ASSERT_TRUE(sink->load({&key, 1}, [](std::size_t, const StoredRow& row) -> Result<void> {
      EXPECT_EQ(read_row<SumRow>(row.cells)->sum, 16);
      return {};
    }));
    sink->abandon();
  }
}

TEST_F(ParkingTest, ListsParkedKeysInPages) {
  const auto running = start<Picky>();
  for (const char* stream : {"account-c", "account-a", "account-b"}) pay(stream, 13);
  catch_up(*running, "picky");
  const auto first = running->parked("picky", "", 2).value();
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(first[1].key, "b");
  EXPECT_EQ(running->parked("picky", "b", 2)->at(0).key, "c");
  EXPECT_EQ(running->parked("picky", "", 0).error().code, Errc::invalid);
  EXPECT_EQ(running->parked("none", "", 1).error().code, Errc::not_found);
}

TEST_F(ParkingTest, ForgetsParkedKeysWhenTheProjectionIsReset) {
  const auto running = start<Picky>();
  for (const int amount : {1, 13, 2}) pay("account-a", amount);
  catch_up(*running, "picky");
  strict = false;
  ASSERT_TRUE(running->reset("picky"));
  catch_up(*running, "picky");
  EXPECT_EQ(running->status("picky")->parked, 0U);
  running->stop();
  EXPECT_EQ(rows<Picky>(*running->spec("picky")), fold_naively(*store_).sums);
}

}  // namespace
}  // namespace stele::projection::testing
