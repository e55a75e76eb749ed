// The command processor on the memory store, sentence by sentence of processor.h.

#include "decide/processor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <latch>
#include <limits>
#include <thread>

#include "decide/testing/bank.h"
#include "decide/testing/wrapped_store.h"

namespace stele::decide {
namespace {

using namespace testing_bank;  // NOLINT(google-build-using-namespace): the test's whole world.
using namespace std::chrono_literals;

class ManualClock final : public Clock {
 public:
  Timestamp now() const noexcept override { return Timestamp{now_.load()}; }
  void set(std::int64_t us) { now_ = us; }
  void advance(std::chrono::microseconds by) { now_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_{1'000'000'000'000'000};
};

class Processor : public ::testing::Test {
 protected:
  CommandProcessor& processor() {
    if (!processor_) processor_ = std::make_unique<CommandProcessor>(parts_);
    return *processor_;
  }
  template <typename C>
  CommandResult send(std::string key, C command, CommandOptions options = {}) {
    return processor().run(call_of<Account>(std::move(key), std::move(command), options));
  }
  std::int64_t balance(std::string_view id) {
    std::int64_t sum = 0;
    const std::string stream = "account-" + std::string{id};
    const auto page = store_->read_stream(stream, Version{}, 10'000, Direction::forward);
    for (const EventView& event : page->events) {
      if (event.type == "Deposited") sum += decode_event<Deposited>(event)->amount;
      if (event.type == "Withdrawn") sum -= decode_event<Withdrawn>(event)->amount;
    }
    return sum;
  }
  void write_foreign(std::string_view stream, std::int64_t amount) {
    const std::string data = *to_json(Deposited{amount, 0});
    const NewEvent event{.type = "Deposited", .data = data};
    const StreamAppend append{.stream = stream, .events = {&event, 1}};
    ASSERT_TRUE(store_->append({.streams = {&append, 1}}));
  }
  CommandOptions idempotent(std::uint8_t n) {
    CommandOptions options;
    options.id = AppendId{};
    options.id->bytes[15] = n;
    return options;
  }

  ManualClock clock_;
  std::unique_ptr<EventStore> store_ = make_memory_store();
  testing::GatedStore gated_{*store_};
  testing::FaultyStore faulty_{*store_};
  std::unique_ptr<SnapshotStore> snapshots_ = make_memory_snapshots();
  ProcessorParts parts_{.store = store_.get(), .clock = &system_clock()};
  std::unique_ptr<CommandProcessor> processor_;
};

std::string code_of(const CommandResult& result) {
  if (const auto* rejection = std::get_if<Rejection>(&result)) return rejection->code;
  if (const auto* error = std::get_if<Error>(&result)) return std::string{to_string(error->code)};
  return std::get<Accepted>(result).appended.replayed ? "replayed" : "accepted";
}

TEST_F(Processor, AnswersWithPositionVersionTipAndEvents) {
  ASSERT_EQ(code_of(send("1", Deposit{50})), "accepted");
  const auto result = send("1", Withdraw{20});
  const auto& accepted = std::get<Accepted>(result);
  EXPECT_EQ(accepted.appended.last, Position{2});
  ASSERT_EQ(accepted.streams, std::vector<std::string>{"account-1"});
  EXPECT_EQ(accepted.appended.streams[0], *store_->stream_tip("account-1"));
  EXPECT_EQ(accepted.appended.streams[0].version, Version{2});
  ASSERT_EQ(accepted.events.size(), 1U);
  EXPECT_EQ(accepted.events[0].version, Version{2});
  EXPECT_EQ(accepted.events[0].position, Position{2});
  EXPECT_EQ(accepted.find<Withdrawn>()->balance_after, 30);
  EXPECT_FALSE(accepted.find<Deposited>());
  const auto page = store_->read_stream("account-1", Version{1}, 1, Direction::forward);
  EXPECT_EQ(page->events[0].id, accepted.events[0].id);
  EXPECT_EQ(page->events[0].data, accepted.events[0].data);
  EXPECT_EQ(page->events[0].metadata, accepted.events[0].metadata);
}

TEST_F(Processor, RejectsByTheRulesAndWritesNothing) {
  ASSERT_EQ(code_of(send("1", Deposit{5})), "accepted");
  const auto result = send("1", Withdraw{20});
  EXPECT_EQ(std::get<Rejection>(result).code, "insufficient_funds");
  EXPECT_EQ(std::get<Rejection>(result).details[0].json, "5");
  EXPECT_EQ(std::get<Rejection>(send("1", Touch{false})).kind, Kind::not_found);
  EXPECT_EQ(store_->log_end(), Position{1});
}

TEST_F(Processor, AcceptsACommandThatBringsNothing) {
  const auto result = send("1", Touch{});
  EXPECT_EQ(code_of(result), "accepted");
  EXPECT_EQ(std::get<Accepted>(result).appended.first, Position{0});
  EXPECT_EQ(std::get<Accepted>(result).streams, std::vector<std::string>{"account-1"});
}

TEST_F(Processor, WritesATransferToBothStreamsInOneAppend) {
  ASSERT_EQ(code_of(send("1", Deposit{50})), "accepted");
  const auto result = send("1", Transfer{"2", 20});
  const auto& accepted = std::get<Accepted>(result);
  EXPECT_EQ(accepted.streams, (std::vector<std::string>{"account-1", "account-2"}));
  EXPECT_EQ(accepted.find<Deposited>()->balance_after, 20);
  EXPECT_EQ(accepted.events[0].type, "Withdrawn");
  EXPECT_EQ(accepted.events[1].stream, "account-2");
  EXPECT_EQ(balance("1"), 30);
  EXPECT_EQ(balance("2"), 20);
  EXPECT_EQ(code_of(send("1", Transfer{"1", 20})), "same_account");
  EXPECT_EQ(code_of(send("3", Transfer{"1", 20})), "insufficient_funds");
}

TEST_F(Processor, GivesAKnownIdItsFirstAnswerAgain) {
  ASSERT_EQ(code_of(send("1", Deposit{50})), "accepted");
  const auto first = send("1", Transfer{"2", 50}, idempotent(7));
  ASSERT_EQ(code_of(first), "accepted");
  const auto again = send("1", Transfer{"2", 50}, idempotent(7));  // Would be rejected by now.
  ASSERT_EQ(code_of(again), "replayed");
  const auto& a = std::get<Accepted>(first);
  const auto& b = std::get<Accepted>(again);
  EXPECT_EQ(a.streams, b.streams);
  EXPECT_EQ(a.appended.streams, b.appended.streams);
  EXPECT_EQ(a.appended.last, b.appended.last);
  ASSERT_EQ(a.events.size(), b.events.size());
  for (std::size_t i = 0; i < a.events.size(); ++i) {
    EXPECT_EQ(a.events[i].id, b.events[i].id);
    EXPECT_EQ(a.events[i].data, b.events[i].data);
    EXPECT_EQ(a.events[i].position, b.events[i].position);
    EXPECT_EQ(a.events[i].version, b.events[i].version);
  }
  EXPECT_EQ(code_of(send("1", Transfer{"2", 51}, idempotent(7))), "id_reused");
  EXPECT_EQ(balance("2"), 50);
}

TEST_F(Processor, JudgesARejectedIdAgain) {
  ASSERT_EQ(code_of(send("1", Withdraw{5}, idempotent(1))), "insufficient_funds");
  ASSERT_EQ(code_of(send("1", Deposit{5})), "accepted");
  EXPECT_EQ(code_of(send("1", Withdraw{5}, idempotent(1))), "accepted");
}

TEST_F(Processor, WritesOnceWhenOneIdComesManyTimesAtOnce) {
  constexpr std::ptrdiff_t count = 32;
  std::latch all{count};
  std::atomic<int> accepted{0};
  std::atomic<int> replayed{0};
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    processor().submit(call_of<Account>("1", Deposit{5}, idempotent(9)), [&](CommandResult r) {
      ++(code_of(r) == "accepted" ? accepted : replayed);
      all.count_down();
    });
  }
  all.wait();
  EXPECT_EQ(accepted, 1);
  EXPECT_EQ(replayed, count - 1);
  EXPECT_EQ(balance("1"), 5);
}

TEST_F(Processor, GoesOnAfterAForeignWriter) {
  ASSERT_EQ(code_of(send("1", Deposit{5})), "accepted");
  write_foreign("account-1", 100);
  EXPECT_EQ(code_of(send("1", Withdraw{100})), "accepted");  // Its state was stale.
  EXPECT_EQ(balance("1"), 5);
  write_foreign("account-1", 1);
  const auto result = send("1", Withdraw{100});
  EXPECT_EQ(std::get<Rejection>(result).details[0].json, "6");  // Not the stale 5.
  EXPECT_GE(processor().stats().conflicts, 2U);
}

TEST_F(Processor, LoadsWhatOthersWroteAndIgnoresTypesItDoesNotKnow) {
  write_foreign("account-1", 7);
  const NewEvent event{.type = "Unheard", .data = "{}"};
  const StreamAppend append{.stream = "account-1", .events = {&event, 1}};
  ASSERT_TRUE(store_->append({.streams = {&append, 1}}));
  const auto result = send("1", Withdraw{7});
  EXPECT_EQ(std::get<Accepted>(result).events[0].version, Version{3});
}

TEST_F(Processor, SaysCorruptWhenAnEventDoesNotDecode) {
  const NewEvent event{.type = "Deposited", .data = "{\"amount\":\"x\"}"};
  const StreamAppend append{.stream = "account-1", .events = {&event, 1}};
  ASSERT_TRUE(store_->append({.streams = {&append, 1}}));
  EXPECT_EQ(code_of(send("1", Withdraw{7})), "corrupt");
  EXPECT_EQ(code_of(send("2", Deposit{7})), "accepted");
}

TEST_F(Processor, StampsTimeAndMetadata) {
  parts_.clock = &clock_;
  CommandOptions options;
  options.actor = "ann";
  options.correlation_id = "c-1";
  options.causation_id = "c-0";
  options.traceparent = "00-ab";
  options.occurred_at = Timestamp{999'000'000'000'000};
  const auto result = send("1", Stamp{"n"}, options);
  const auto& event = std::get<Accepted>(result).events[0];
  EXPECT_EQ(event.metadata,
            R"({"correlation_id":"c-1","causation_id":"c-0","traceparent":"00-ab","actor":"ann",)"
            R"("occurred_at":"2001-08-28T12:00:00.000000Z"})");
  const auto stamped = std::get<Accepted>(result).find<Stamped>();
  EXPECT_EQ(stamped->now, clock_.now());
  EXPECT_EQ(stamped->occurred_at, options.occurred_at);
  EXPECT_EQ(stamped->key, "1");
  const auto page = store_->read_all(Position{}, Filter{.tags = {"note:n"}}, 10);
  EXPECT_EQ(page->events.size(), 1U);

  clock_.set(500);  // The clock jumps back: the processor's time does not.
  const auto later = send("1", Stamp{"m"});
  EXPECT_EQ(std::get<Accepted>(later).find<Stamped>()->now, stamped->now);
}

TEST_F(Processor, RefusesAnOccurredAtMoreThanFiveMinutesAhead) {
  parts_.clock = &clock_;
  CommandOptions options;
  options.occurred_at = clock_.now() + occurred_ahead_max;
  EXPECT_EQ(code_of(send("1", Deposit{1}, options)), "accepted");
  options.occurred_at = *options.occurred_at + 1us;
  EXPECT_EQ(code_of(send("1", Deposit{1}, options)), "invalid");
}

TEST_F(Processor, RefusesAnUnusableKey) {
  EXPECT_EQ(code_of(send("", Deposit{1})), "invalid");
  EXPECT_EQ(code_of(send(std::string(300, 'x'), Deposit{1})), "invalid");
  EXPECT_EQ(code_of(send("a\nb", Deposit{1})), "invalid");
}

TEST_F(Processor, OutlivesARuleThatThrows) {
  EXPECT_EQ(code_of(send("1", Break{"now"})), "internal");
  EXPECT_EQ(code_of(send("1", Deposit{1})), "accepted");
}

TEST_F(Processor, OutlivesAnEventThatARuleCannotBear) {
  EXPECT_EQ(code_of(send("1", Stamp{"unbearable"})), "accepted");  // Written before it is folded.
  EXPECT_EQ(code_of(send("1", Deposit{1})), "internal");
  EXPECT_EQ(code_of(send("2", Deposit{1})), "accepted");
}

TEST_F(Processor, JudgesOverAQueryAndNeverOverbooks) {
  CommandProcessor second{parts_};
  std::latch all{20};
  std::atomic<int> accepted{0};
  std::atomic<int> full{0};
  for (int i = 0; i < 20; ++i) {
    auto& which = i % 2 == 0 ? processor() : second;
    const std::string student = "s" + std::to_string(i);
    which.submit(call_of<Seats>(student, Enroll{"math", student}), [&](CommandResult result) {
      if (code_of(result) == "accepted") ++accepted;
      if (code_of(result) == "course_full") ++full;
      all.count_down();
    });
  }
  all.wait();
  EXPECT_EQ(accepted, 3);
  EXPECT_EQ(full, 17);
  const auto result = processor().run(call_of<Seats>("s9", Enroll{"art", "s9"}));
  EXPECT_EQ(std::get<Accepted>(result).events[0].version,
            store_->stream_tip("student-s9")->version);
}

TEST_F(Processor, EvictsStatesBeyondItsBoundAndLoadsThemAgain) {
  parts_.limits.states_size_max = 4'096;
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(code_of(send(std::to_string(i), Deposit{i + 1})), "accepted");
  }
  EXPECT_LE(processor().stats().states_size, 4'096U);
  EXPECT_GT(processor().stats().evictions, 50U);
  EXPECT_EQ(code_of(send("0", Withdraw{1})), "accepted");
  EXPECT_EQ(code_of(send("0", Withdraw{1})), "insufficient_funds");
}

TEST_F(Processor, RefusesWhenTooManyWait) {
  auto& gated = gated_;
  parts_.store = &gated;
  parts_.limits.commands_max = 4;
  gated.close();
  std::latch all{4};
  for (int i = 0; i < 4; ++i) {
    processor().submit(call_of<Account>("1", Deposit{1}), [&](CommandResult) { all.count_down(); });
  }
  EXPECT_EQ(code_of(send("1", Deposit{1})), "overloaded");
  gated.open();
  all.wait();
  EXPECT_EQ(code_of(send("1", Deposit{1})), "accepted");
  EXPECT_EQ(balance("1"), 5);
}

TEST_F(Processor, PipelinesAHotStreamWithoutWaitingForDurability) {
  auto& gated = gated_;
  parts_.store = &gated;
  gated.close();  // Takes appends, answers none.
  std::latch all{100};
  std::atomic<int> rejected{0};
  for (int i = 0; i < 100; ++i) {
    processor().submit(call_of<Account>("1", i % 2 == 0 ? Deposit{1} : Deposit{2}),
                       [&](CommandResult result) {
                         if (code_of(result) != "accepted") ++rejected;
                         all.count_down();
                       });
  }
  gated.wait_for(100);  // All were decided and sent, none is durable.
  EXPECT_EQ(processor().stats().accepted, 0U);
  gated.open();
  all.wait();
  EXPECT_EQ(rejected, 0);
  EXPECT_EQ(processor().stats().conflicts, 0U);
  EXPECT_EQ(balance("1"), 150);
}

TEST_F(Processor, AnswersARejectionOnlyWhenItsStateIsDurable) {
  auto& gated = gated_;
  parts_.store = &gated;
  ASSERT_EQ(code_of(send("1", Deposit{10})), "accepted");
  gated.close();
  std::atomic<bool> answered{false};
  std::latch all{2};
  processor().submit(call_of<Account>("1", Withdraw{10}), [&](CommandResult) { all.count_down(); });
  processor().submit(call_of<Account>("1", Withdraw{10}), [&](CommandResult result) {
    EXPECT_EQ(code_of(result), "insufficient_funds");
    answered = true;
    all.count_down();
  });
  gated.wait_for(2);
  EXPECT_FALSE(answered);
  gated.open();
  all.wait();
  EXPECT_EQ(store_->log_end(), Position{2});
}

TEST_F(Processor, SaysOutcomeUnknownWhenTheDeadlinePassesAndReplaysLater) {
  auto& gated = gated_;
  parts_.store = &gated;
  gated.close();
  auto options = idempotent(3);
  options.timeout = 50ms;
  EXPECT_EQ(code_of(send("1", Deposit{10}, options)), "outcome_unknown");
  gated.open();
  options.timeout = 10s;
  EXPECT_EQ(code_of(send("1", Deposit{10}, options)), "replayed");
  EXPECT_EQ(balance("1"), 10);
}

TEST_F(Processor, PassesOnAnUnknownOutcomeAndForgetsWhatItStaged) {
  auto& faulty = faulty_;
  parts_.store = &faulty;
  ASSERT_EQ(code_of(send("1", Deposit{10})), "accepted");
  faulty.lose_answers(1);  // Stored, but the answer is lost.
  EXPECT_EQ(code_of(send("1", Withdraw{10}, idempotent(4))), "outcome_unknown");
  EXPECT_EQ(code_of(send("1", Withdraw{10}, idempotent(4))), "replayed");
  EXPECT_EQ(code_of(send("1", Withdraw{1})), "insufficient_funds");
  faulty.refuse(1);  // Not stored.
  EXPECT_EQ(code_of(send("1", Deposit{3})), "read_only");
  EXPECT_EQ(code_of(send("1", Withdraw{3})), "insufficient_funds");
}

TEST_F(Processor, LearnsFromItsCheckThatAnotherAcceptedARejectedCommand) {
  auto& faulty = faulty_;
  parts_.store = &faulty;
  ASSERT_EQ(code_of(send("1", Deposit{10})), "accepted");
  ASSERT_EQ(code_of(send("1", Withdraw{10}, idempotent(4))), "accepted");
  faulty.hide(1);  // As if the other accepted it just after the look-up.
  EXPECT_EQ(code_of(send("1", Withdraw{10}, idempotent(4))), "replayed");
  EXPECT_EQ(balance("1"), 0);
}

TEST_F(Processor, ForgetsWhatItStagedForACommandThatAnotherAccepted) {
  auto& faulty = faulty_;
  parts_.store = &faulty;
  ASSERT_EQ(code_of(send("1", Deposit{10}, idempotent(4))), "accepted");
  faulty.hide(1);
  EXPECT_EQ(code_of(send("1", Deposit{10}, idempotent(4))), "replayed");
  const auto result = send("1", Withdraw{11});
  EXPECT_EQ(std::get<Rejection>(result).details[0].json, "10");
}

TEST_F(Processor, RejectsWithAmountInvalidWhatOverflows) {
  const Money most{std::numeric_limits<std::int64_t>::max(), *Currency::find("USD")};
  const Money cent{1, *Currency::find("USD")};
  EXPECT_EQ(code_of(processor().run(call_of<Purse>("1", Pay{most}))), "accepted");
  EXPECT_EQ(code_of(processor().run(call_of<Purse>("1", Pay{cent}))), "amount_invalid");
  EXPECT_EQ(code_of(processor().run(call_of<Purse>("1", Pay{Money{1, *Currency::find("EUR")}}))),
            "currency_mismatch");
  EXPECT_EQ(store_->log_end(), Position{1});
}

TEST_F(Processor, GivesUpAfterManyConflictsWithOverloaded) {
  auto& faulty = faulty_;
  parts_.store = &faulty;
  parts_.limits.attempts_max = 3;
  faulty.conflict(3);
  EXPECT_EQ(code_of(send("1", Deposit{3})), "overloaded");
  EXPECT_EQ(code_of(send("1", Deposit{3})), "accepted");
}

TEST_F(Processor, DoesNotPipelineAfterAConflictUntilAnAppendIsDurable) {
  auto& gated = gated_;
  parts_.store = &gated;
  ASSERT_EQ(code_of(send("1", Deposit{1})), "accepted");
  write_foreign("account-1", 1);
  gated.close();
  std::latch all{10};
  for (int i = 0; i < 10; ++i) {
    processor().submit(call_of<Account>("1", Deposit{1}), [&](CommandResult r) {
      EXPECT_EQ(code_of(r), "accepted");
      all.count_down();
    });
  }
  gated.wait_for(10);
  gated.release(10);  // All conflict.
  gated.wait_for(1);  // One goes ahead alone...
  std::this_thread::sleep_for(30ms);
  EXPECT_EQ(gated.held(), 1U);
  gated.release(1);
  gated.wait_for(9);  // ...then the others together.
  gated.open();
  all.wait();
  EXPECT_EQ(balance("1"), 12);
}

TEST_F(Processor, UsesASnapshotThatTheLogConfirms) {
  auto* const snapshots = snapshots_.get();
  parts_.snapshots = snapshots;
  parts_.limits.snapshot_events = 10;
  for (int i = 0; i < 25; ++i) ASSERT_EQ(code_of(send("1", Deposit{1})), "accepted");
  processor_.reset();
  ASSERT_EQ(snapshots->find("account", 1, "account-1")->version, Version{20});
  EXPECT_EQ(code_of(send("1", Withdraw{25})), "accepted");
  EXPECT_EQ(processor().stats().snapshots_used, 1U);
}

TEST_F(Processor, IgnoresASnapshotThatDoesNotFit) {
  auto* const snapshots = snapshots_.get();
  parts_.snapshots = snapshots;
  ASSERT_EQ(code_of(send("1", Deposit{5})), "accepted");
  const StreamState at = *store_->stream_tip("account-1");
  const Snapshot good{.category = "account",
                      .state_version = 1,
                      .stream = "account-1",
                      .log = store_->log_id(),
                      .epoch = store_->epoch(),
                      .version = at.version,
                      .tip = at.tip,
                      .state = R"({"balance":1000,"events":1})"};
  const auto withdraw_with = [&](auto change) {
    Snapshot changed = good;
    change(changed);
    snapshots->put(changed);
    processor_.reset();
    return code_of(send("1", Withdraw{1'000}));
  };
  EXPECT_EQ(withdraw_with([](Snapshot& s) { s.tip = Tip{1}; }), "insufficient_funds");
  EXPECT_EQ(withdraw_with([](Snapshot& s) { s.version = Version{2}; }), "insufficient_funds");
  EXPECT_EQ(withdraw_with([](Snapshot& s) { s.epoch = Epoch{2}; }), "insufficient_funds");
  EXPECT_EQ(withdraw_with([](Snapshot& s) { s.log = Uuid{}; }), "insufficient_funds");
  EXPECT_EQ(withdraw_with([](Snapshot& s) { s.state = "{"; }), "insufficient_funds");
  EXPECT_EQ(withdraw_with([](Snapshot&) {}), "accepted");  // The same, unspoilt, is believed.
}

TEST_F(Processor, DrainsWhatItHasWhenStoppedAndRefusesTheRest) {
  std::atomic<int> accepted{0};
  for (int i = 0; i < 200; ++i) {
    processor().submit(call_of<Account>(std::to_string(i % 7), Deposit{1}),
                       [&](CommandResult r) { accepted += code_of(r) == "accepted" ? 1 : 0; });
  }
  processor().stop();
  EXPECT_EQ(accepted, 200);
  EXPECT_EQ(code_of(send("1", Deposit{1})), "shutting_down");
  EXPECT_EQ(processor().stats().waiting, 0U);
}

TEST(FileSnapshots, AreReadBackAndIgnoredWhenTorn) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("stele-snapshots-" + std::to_string(::getpid()));
  const auto snapshots = make_file_snapshots(folder.string());
  const Snapshot kept{.category = "account",
                      .state_version = 2,
                      .stream = "account-\"1\"",
                      .log = Uuid{{1}},
                      .epoch = Epoch{3},
                      .version = Version{4},
                      .tip = Tip{5},
                      .state = "{\"a\":1}"};
  snapshots->put(kept);
  const auto found = snapshots->find("account", 2, "account-\"1\"");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->state, kept.state);
  EXPECT_EQ(found->stream, kept.stream);
  EXPECT_EQ(found->log, kept.log);
  EXPECT_EQ(found->tip, kept.tip);
  EXPECT_FALSE(snapshots->find("account", 1, "account-\"1\""));
  EXPECT_FALSE(snapshots->find("account", 2, "account-2"));
  for (const auto& file : std::filesystem::directory_iterator{folder}) {
    std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
  }
  EXPECT_FALSE(snapshots->find("account", 2, "account-\"1\""));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace stele::decide
