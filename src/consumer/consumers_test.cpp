// The rules of consumers, each number of consumers.h, on the memory store with a clock that the
// test moves.

#include "consumer/consumers.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>

#include "log/testing/simulated_disk.h"

namespace stele::consumer {
namespace {

using namespace std::chrono_literals;

class HandClock final : public Clock {
 public:
  Timestamp now() const noexcept override { return Timestamp{now_.load()}; }
  void move(std::chrono::microseconds by) { now_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_{1'700'000'000'000'000};
};

std::string code(const Refusal& refusal) {
  using enum Refusal::Code;
  switch (refusal.code) {
    case unknown:
      return "unknown";
    case exists:
      return "exists";
    case busy:
      return "busy";
    case foreign:
      return "foreign";
    case failed:
      break;
  }
  return std::string{to_string(refusal.error.code)};
}

template <typename T>
std::string code(const Answer<T>& answer) {
  return answer ? "done" : code(answer.error());
}

void append(EventStore& store, std::string_view stream, std::string_view type, int count,
            std::span<const std::string_view> tags = {}) {
  const std::vector<NewEvent> events(static_cast<std::size_t>(count),
                                     NewEvent{.type = type, .data = "{}", .tags = tags});
  const std::array streams = {StreamAppend{.stream = stream, .events = events}};
  ASSERT_TRUE(store.append({.streams = streams}));
}

/// An engine on a disk and a store that outlive it.
class ConsumersTest : public ::testing::Test {
 protected:
  ConsumersTest() { open(); }

  /// A disk with a data folder, as the log leaves it.
  static std::unique_ptr<log::testing::SimulatedDisk> new_disk(std::uint64_t seed = 1) {
    auto disk = std::make_unique<log::testing::SimulatedDisk>(seed);
    EXPECT_TRUE(disk->make_folder("data"));
    EXPECT_TRUE(disk->sync_folder("."));
    return disk;
  }
  void open(bool read_only = false) {
    consumers_ = std::make_unique<Consumers>(Parts{.store = *store_,
                                                   .clock = clock_,
                                                   .logger = observe::null_logger(),
                                                   .read_only = read_only},
                                             make_file_keeper(*disk_, "data/consumers"),
                                             make_seeded_random(++seed_));
    const auto loaded = consumers_->load();
    ASSERT_TRUE(loaded) << loaded.error().message;
  }
  void kill_and_open() {
    consumers_.reset();
    disk_->kill();
    open();
  }

  struct Batch {
    std::vector<std::uint64_t> positions;
    Cursor cursor;
    Position position{};
    std::string refused;
  };
  Batch read(std::string_view name, std::size_t limit = 100, std::string reader = "one",
             std::chrono::microseconds wait = 0s) {
    Batch out;
    const auto given = consumers_->read(name, {.name = std::move(reader)}, limit, wait,
                                        [&](const EventView& event) {
                                          out.positions.push_back(number(event.position));
                                          return true;
                                        });
    if (given) {
      out.cursor = given->cursor;
      out.position = given->position;
      EXPECT_EQ(given->events, out.positions.size());
    } else {
      out.refused = code(given.error());
    }
    return out;
  }
  bool put(std::string_view name, Filter filter = {}, Start start = {}) {
    const auto made = consumers_->put(name, {.filter = std::move(filter), .start = start});
    EXPECT_TRUE(made) << made.error().error.message;
    return made.value_or(false);
  }
  Status status(std::string_view name) {
    const auto found = consumers_->status(name);
    EXPECT_TRUE(found);
    return found.value_or(Status{});
  }

  HandClock clock_;
  std::unique_ptr<EventStore> store_ = make_memory_store(clock_);
  std::unique_ptr<log::testing::SimulatedDisk> disk_ = new_disk();
  std::uint64_t seed_ = 0;
  std::unique_ptr<Consumers> consumers_;
};

using Positions = std::vector<std::uint64_t>;

TEST_F(ConsumersTest, GivesWhatWasNotAcknowledgedAgainAndWhatWasNeverAgain) {
  append(*store_, "a-1", "A", 5);
  ASSERT_TRUE(put("mail"));

  const Batch first = read("mail", 3);
  EXPECT_EQ(first.positions, (Positions{1, 2, 3}));
  EXPECT_EQ(read("mail", 3).positions, first.positions);
  EXPECT_EQ(consumers_->ack("mail", first.cursor), Position{3});

  EXPECT_EQ(read("mail").positions, (Positions{4, 5}));
  kill_and_open();
  const Batch rest = read("mail");
  EXPECT_EQ(rest.positions, (Positions{4, 5}));
  EXPECT_EQ(consumers_->ack("mail", rest.cursor), Position{5});
  kill_and_open();
  EXPECT_TRUE(read("mail").positions.empty());
  append(*store_, "a-1", "A", 1);
  EXPECT_EQ(read("mail").positions, (Positions{6}));
}

TEST_F(ConsumersTest, AnAcknowledgementIsCumulativeAndIdempotent) {
  append(*store_, "a-1", "A", 6);
  put("mail");
  const Batch two = read("mail", 2);
  const Batch four = read("mail", 4);

  EXPECT_EQ(consumers_->ack("mail", four.cursor), Position{4});
  EXPECT_EQ(consumers_->ack("mail", four.cursor), Position{4});
  EXPECT_EQ(consumers_->ack("mail", two.cursor), Position{4}) << "an older one takes nothing back";
  EXPECT_EQ(read("mail").positions, (Positions{5, 6}));
  EXPECT_EQ(status("mail").position, Position{4});
  EXPECT_EQ(status("mail").lag_events, 2U);
}

TEST_F(ConsumersTest, AnAcknowledgementIsDurableBeforeItIsAnswered) {
  append(*store_, "a-1", "A", 40);
  put("mail");
  for (std::uint64_t done = 0; done < 40; ++done) {
    const Batch batch = read("mail", 1);
    ASSERT_EQ(batch.positions, (Positions{done + 1}));
    ASSERT_TRUE(consumers_->ack("mail", batch.cursor));
    consumers_.reset();
    disk_->cut_power();
    open();
  }
  EXPECT_TRUE(read("mail").positions.empty());
}

TEST_F(ConsumersTest, StartsAtTheBeginningTheEndOrBehindAPosition) {
  append(*store_, "a-1", "A", 5);
  put("all");
  put("new", {}, {.kind = Start::Kind::end});
  put("some", {}, {.kind = Start::Kind::position, .position = Position{3}});

  EXPECT_EQ(read("all").positions, (Positions{1, 2, 3, 4, 5}));
  EXPECT_TRUE(read("new").positions.empty());
  EXPECT_EQ(read("some").positions, (Positions{4, 5}));
  append(*store_, "a-1", "A", 1);
  EXPECT_EQ(read("new").positions, (Positions{6}));
  const auto beyond =
      consumers_->put("far", {.start = {.kind = Start::Kind::position, .position = Position{7}}});
  EXPECT_EQ(code(beyond), "invalid");
  EXPECT_TRUE(beyond.error().error.message.contains('6')) << "it names the log's end";
}

TEST_F(ConsumersTest, TheSameDefinitionAgainChangesNothingAndAnotherIsRefused) {
  append(*store_, "a-1", "A", 3);
  EXPECT_TRUE(put("mail", {.types = {"B", "A", "A"}}, {.kind = Start::Kind::end}));
  append(*store_, "a-1", "A", 1);

  EXPECT_FALSE(put("mail", {.types = {"A", "B"}}, {.kind = Start::Kind::end}));
  EXPECT_EQ(read("mail").positions, (Positions{4})) << "it stays where it was made";
  for (const Definition& other :
       {Definition{.filter = {.types = {"A"}}, .start = {.kind = Start::Kind::end}},
        Definition{.filter = {.types = {"A", "B"}}},
        Definition{.filter = {.categories = {"a"}, .types = {"A", "B"}},
                   .start = {.kind = Start::Kind::end}}}) {
    const auto refused = consumers_->put("mail", other);
    EXPECT_EQ(code(refused), "exists");
    ASSERT_TRUE(refused.error().found);
    EXPECT_EQ(refused.error().found->filter.types, (std::vector<std::string>{"A", "B"}));
  }
  kill_and_open();
  EXPECT_FALSE(put("mail", {.types = {"A", "B"}}, {.kind = Start::Kind::end}));
}

TEST_F(ConsumersTest, OneReaderHoldsItForThirtySecondsAfterItsLastRead) {
  append(*store_, "a-1", "A", 2);
  put("mail");
  ASSERT_EQ(read("mail", 100, "one").positions.size(), 2U);
  const Timestamp since = clock_.now();

  clock_.move(20s);
  const auto refused = consumers_->read("mail", {.name = "two"}, 1, 0s, [](auto&) { return true; });
  EXPECT_EQ(code(refused), "busy");
  ASSERT_TRUE(refused.error().holder);
  EXPECT_EQ(refused.error().holder->reader, "one");
  EXPECT_EQ(refused.error().holder->since, since);
  EXPECT_EQ(refused.error().holder->until, since + 30s);
  EXPECT_EQ(read("mail", 1, "one").positions, (Positions{1})) << "reading renews the lease";
  clock_.move(29s);
  EXPECT_EQ(read("mail", 1, "two").refused, "busy");
  EXPECT_EQ(status("mail").lease->reader, "one");
  clock_.move(1s);
  EXPECT_FALSE(status("mail").lease);

  EXPECT_EQ(read("mail", 1, "two").positions, (Positions{1})) << "what was not acknowledged";
  EXPECT_EQ(read("mail", 1, "one").refused, "busy");
}

TEST_F(ConsumersTest, AReaderThatWaitsHoldsItAndHasThirtySecondsFromItsAnswer) {
  put("mail");
  ASSERT_TRUE(read("mail", 1, "one", 20s).positions.empty());
  clock_.move(45s);
  EXPECT_EQ(read("mail", 1, "two").refused, "busy") << "20 s to wait, then 30 s";
  append(*store_, "a-1", "A", 1);
  ASSERT_EQ(read("mail", 1, "one", 20s).positions.size(), 1U);
  clock_.move(31s);
  EXPECT_EQ(read("mail", 1, "two").positions.size(), 1U) << "the answer came: 30 s from there";
}

TEST_F(ConsumersTest, AReaderThatIsGoneHoldsNothing) {
  append(*store_, "a-1", "A", 1);
  put("mail");
  bool gone = false;
  const Reader one{.name = "one", .is_gone = [&gone] { return gone; }};
  ASSERT_TRUE(consumers_->read("mail", one, 1, 0s, [](auto&) { return true; }));
  EXPECT_EQ(read("mail", 1, "two").refused, "busy");

  gone = true;

  EXPECT_FALSE(status("mail").lease);
  EXPECT_EQ(read("mail", 1, "two").positions, (Positions{1}));
}

TEST_F(ConsumersTest, AClockThatGoesBackLocksNobodyOut) {
  append(*store_, "a-1", "A", 1);
  put("mail");
  ASSERT_TRUE(consumers_->read("mail", {.name = "one"}, 1, 0s, [](auto&) { return true; }));

  clock_.move(-1h);

  EXPECT_EQ(read("mail", 1, "two").positions, (Positions{1}));
}

TEST_F(ConsumersTest, AnAcknowledgementAfterTheLeaseEndedCountsStill) {
  append(*store_, "a-1", "A", 2);
  put("mail");
  const Batch slow = read("mail", 2, "one");
  clock_.move(31s);
  ASSERT_EQ(read("mail", 2, "two").positions.size(), 2U);

  EXPECT_EQ(consumers_->ack("mail", slow.cursor), Position{2});
  EXPECT_TRUE(read("mail", 2, "two").positions.empty());
}

TEST_F(ConsumersTest, LeasesEndWithTheProcessAndPlacesDoNot) {
  append(*store_, "a-1", "A", 2);
  put("mail");
  const Batch batch = read("mail", 1, "one");

  kill_and_open();

  EXPECT_EQ(read("mail", 1, "two").positions, (Positions{1}));
  EXPECT_EQ(consumers_->ack("mail", batch.cursor), Position{1}) << "a cursor outlives the process";
}

TEST_F(ConsumersTest, ACursorOfAnotherConsumerOrFromBeforeASeekOrADeletionIsForeign) {
  append(*store_, "a-1", "A", 4);
  put("mail");
  put("search");
  const Batch mail = read("mail", 2);
  const Batch search = read("search", 2);
  EXPECT_EQ(code(consumers_->ack("search", mail.cursor)), "foreign");

  EXPECT_EQ(consumers_->seek("mail", {}), Position{0});
  EXPECT_EQ(code(consumers_->ack("mail", mail.cursor)), "foreign") << "from before a seek";
  ASSERT_TRUE(consumers_->remove("search"));
  put("search");
  EXPECT_EQ(code(consumers_->ack("search", search.cursor)), "foreign") << "made anew";
  Cursor beyond = read("mail", 2).cursor;
  beyond.position = Position{99};
  EXPECT_EQ(code(consumers_->ack("mail", beyond)), "foreign") << "beyond the log's end";
  kill_and_open();
  EXPECT_EQ(code(consumers_->ack("mail", mail.cursor)), "foreign") << "also after a restart";
  EXPECT_EQ(status("mail").position, Position{0});
}

TEST_F(ConsumersTest, ASeekMovesItAnywhereAndIsDurable) {
  append(*store_, "a-1", "A", 5);
  put("mail");
  ASSERT_TRUE(consumers_->ack("mail", read("mail", 4).cursor));

  const Start to{.kind = Start::Kind::position, .position = Position{1}};
  EXPECT_EQ(consumers_->seek("mail", to), Position{1});
  disk_->cut_power();
  open();
  EXPECT_EQ(read("mail").positions, (Positions{2, 3, 4, 5}));
  EXPECT_EQ(consumers_->seek("mail", {.kind = Start::Kind::end}), Position{5});
  EXPECT_TRUE(read("mail").positions.empty());
  EXPECT_EQ(consumers_->seek("mail", {}), Position{0});
  EXPECT_EQ(read("mail").positions.size(), 5U);
  EXPECT_EQ(
      code(consumers_->seek("mail", {.kind = Start::Kind::position, .position = Position{6}})),
      "invalid");
  EXPECT_FALSE(put("mail")) << "what it was made as stays";
}

TEST_F(ConsumersTest, GivesOnlyWhatTheFilterLetsThrough) {
  constexpr std::array<std::string_view, 2> both = {"x", "y"};
  append(*store_, "a-1", "A", 2);                            // 1, 2
  append(*store_, "b-1", "A", 1, both);                      // 3
  append(*store_, "b-1", "B", 1, std::span{both}.first(1));  // 4
  append(*store_, "b-2", "B", 1, both);                      // 5
  put("category", {.categories = {"b"}});
  put("type", {.types = {"B", "C"}});
  put("tags", {.tags = {"x", "y"}});
  put("all", {.categories = {"b"}, .types = {"B"}, .tags = {"y"}});

  EXPECT_EQ(read("category").positions, (Positions{3, 4, 5}));
  EXPECT_EQ(read("type").positions, (Positions{4, 5}));
  EXPECT_EQ(read("tags").positions, (Positions{3, 5}));
  EXPECT_EQ(read("all").positions, (Positions{5}));
}

TEST_F(ConsumersTest, RemembersWhatTheFilterPassedOverAndAcknowledgesNothingByIt) {
  append(*store_, "a-1", "Dull", 3'000);
  append(*store_, "a-1", "Rare", 1);  // 3'001
  append(*store_, "a-1", "Dull", 3'000);
  put("rare", {.types = {"Rare"}});

  const Batch found = read("rare");
  EXPECT_EQ(found.positions, (Positions{3'001}));
  EXPECT_EQ(found.position, Position{6'001}) << "it says how far it looked";
  EXPECT_EQ(status("rare").position, Position{3'000}) << "up to the event that it gave";
  EXPECT_FALSE(status("rare").acknowledged_at);
  EXPECT_EQ(read("rare").positions, (Positions{3'001}));
  EXPECT_EQ(consumers_->ack("rare", found.cursor), Position{6'001});
  EXPECT_TRUE(status("rare").acknowledged_at);
}

TEST_F(ConsumersTest, KeepsWhatTheFilterPassedOverEveryTenThousandPositions) {
  for (int i = 0; i < 10; ++i) append(*store_, "a-1", "Dull", 4'000);
  put("rare", {.types = {"Rare"}});
  const std::uint64_t syncs = disk_->calls(log::testing::Call::sync);

  while (number(read("rare").position) < 40'000) {
  }

  EXPECT_EQ(status("rare").position, Position{40'000});
  EXPECT_LE(disk_->calls(log::testing::Call::sync) - syncs, 4U) << "not a sync for each look";
  for (int i = 0; i < 5; ++i) {
    append(*store_, "a-1", "Dull", 10);
    static_cast<void>(read("rare"));
  }
  EXPECT_LE(disk_->calls(log::testing::Call::sync) - syncs, 4U);
  disk_->cut_power();
  open();
  EXPECT_EQ(status("rare").position, Position{40'000});
  EXPECT_FALSE(status("rare").acknowledged_at);
}

TEST_F(ConsumersTest, ReadsOnWhenTheDiskTakesNoMore) {
  append(*store_, "a-1", "A", 3);
  put("mail");
  const Batch batch = read("mail", 2);
  disk_->fail({.call = log::testing::Call::write_at, .code = Errc::read_only, .for_ever = true});

  EXPECT_EQ(code(consumers_->ack("mail", batch.cursor)), "read_only");
  EXPECT_EQ(code(consumers_->seek("mail", {})), "read_only");
  EXPECT_EQ(code(consumers_->put("other", {})), "read_only");
  EXPECT_EQ(read("mail", 2).positions, (Positions{1, 2})) << "nothing was promised, nothing moved";
  disk_->clear_faults();
  EXPECT_EQ(consumers_->ack("mail", batch.cursor), Position{2}) << "it comes back by itself";
  kill_and_open();
  EXPECT_EQ(read("mail").positions, (Positions{3}));
}

TEST_F(ConsumersTest, AFailedSyncIsNeverTakenForASuccess) {
  append(*store_, "a-1", "A", 9);
  put("mail");
  ASSERT_TRUE(consumers_->ack("mail", read("mail", 3).cursor));
  const Batch batch = read("mail", 3);
  disk_->fail({.call = log::testing::Call::sync});
  const auto failed = consumers_->ack("mail", batch.cursor);
  EXPECT_EQ(code(failed), "unavailable") << failed.error().error.message;

  ASSERT_EQ(consumers_->ack("mail", batch.cursor), Position{6});
  disk_->evict();
  disk_->cut_power();
  open();
  EXPECT_EQ(read("mail").positions, (Positions{7, 8, 9}));
}

TEST_F(ConsumersTest, AReadOnlyServerGivesEventsAndChangesNothing) {
  append(*store_, "a-1", "A", 3);
  put("mail");
  consumers_.reset();
  open(true);
  const std::uint64_t writes = disk_->calls(log::testing::Call::write_at);

  const Batch batch = read("mail", 2);
  EXPECT_EQ(batch.positions, (Positions{1, 2}));
  EXPECT_EQ(code(consumers_->ack("mail", batch.cursor)), "read_only");
  EXPECT_EQ(code(consumers_->seek("mail", {})), "read_only");
  EXPECT_EQ(code(consumers_->remove("mail")), "read_only");
  EXPECT_EQ(code(consumers_->put("other", {})), "read_only");
  EXPECT_FALSE(put("mail")) << "the same definition again is no change";
  EXPECT_EQ(disk_->calls(log::testing::Call::write_at), writes);
}

TEST_F(ConsumersTest, IsDivergedOnAnotherLogUntilASeek) {
  append(*store_, "a-1", "A", 3);
  put("mail");
  const Batch batch = read("mail", 2);
  ASSERT_TRUE(consumers_->ack("mail", batch.cursor));
  consumers_.reset();
  store_ = make_memory_store(clock_);  // Another log.
  append(*store_, "a-1", "A", 5);
  open();

  EXPECT_EQ(read("mail").refused, "diverged");
  EXPECT_EQ(code(consumers_->ack("mail", batch.cursor)), "diverged");
  EXPECT_EQ(status("mail").fault->code, Errc::diverged);
  EXPECT_TRUE(consumers_->seek("mail", {}));
  EXPECT_EQ(read("mail").positions.size(), 5U);
  EXPECT_FALSE(status("mail").fault);
  EXPECT_EQ(code(consumers_->ack("mail", batch.cursor)), "foreign");
}

TEST_F(ConsumersTest, HasLimitsWithNames) {
  for (const std::string& name : {std::string{}, std::string(65, 'a'), std::string{"a/b"},
                                  std::string{"a b"}, std::string{"\xc3\xa4"}}) {
    EXPECT_EQ(code(consumers_->put(name, {})), "invalid") << name;
  }
  EXPECT_TRUE(put(std::string(64, 'a')));
  EXPECT_TRUE(put(".."));
  EXPECT_TRUE(put("A.b_c~d-9"));
  kill_and_open();
  EXPECT_FALSE(put(".."));
  std::vector<std::string> many(65);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = std::to_string(i);
  EXPECT_EQ(code(consumers_->put("b", {.filter = {.types = many}})), "invalid");
  EXPECT_EQ(code(consumers_->put("b", {.filter = {.tags = {std::string(129, 'x')}}})), "invalid");
  many.pop_back();
  EXPECT_TRUE(put("b", {.types = many}));
  EXPECT_EQ(read("b", 1, "").refused, "invalid");
  EXPECT_EQ(read("b", 1, std::string(129, 'r')).refused, "invalid");
  EXPECT_EQ(read("b", 1, "two words").refused, "invalid");
}

TEST_F(ConsumersTest, HoldsAThousandAndNoMore) {
  for (std::size_t i = 0; i < consumers_max; ++i) put("c" + std::to_string(i));

  EXPECT_EQ(code(consumers_->put("one-more", {})), "invalid");
  EXPECT_EQ(consumers_->count(), consumers_max);
  ASSERT_TRUE(consumers_->remove("c7"));
  EXPECT_TRUE(put("one-more"));
  kill_and_open();
  EXPECT_EQ(consumers_->count(), consumers_max);
}

TEST_F(ConsumersTest, ListsByNameInPages) {
  for (const auto* name : {"c", "a", "d", "b"}) put(name);

  std::vector<std::string> names;
  for (std::string after;;) {
    const auto page = consumers_->list(after, 3);
    for (const Status& each : page) names.push_back(each.name);
    if (page.size() < 3) break;
    after = page.back().name;
  }
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b", "c", "d"}));
}

TEST_F(ConsumersTest, AConsumerThatIsNotThereIsUnknown) {
  EXPECT_EQ(read("none").refused, "unknown");
  EXPECT_EQ(code(consumers_->ack("none", {})), "unknown");
  EXPECT_EQ(code(consumers_->seek("none", {})), "unknown");
  EXPECT_EQ(code(consumers_->status("none")), "unknown");
  EXPECT_EQ(code(consumers_->remove("none")), "unknown");
  put("mail");
  ASSERT_TRUE(consumers_->remove("mail"));
  EXPECT_EQ(read("mail").refused, "unknown");
  kill_and_open();
  EXPECT_EQ(read("mail").refused, "unknown") << "removed for good";
}

TEST_F(ConsumersTest, ManyReadersAndAcknowledgementsAtOnceLoseNothing) {
  append(*store_, "a-1", "A", 2'000);
  put("mail");
  std::atomic<bool> bad{false};
  const auto work = [&](int reader) {
    const std::string name = "reader-" + std::to_string(reader);
    std::uint64_t last = 0;
    while (last < 2'000 && !bad) {
      const Batch batch = read("mail", 50, name);
      if (batch.refused == "busy") {
        clock_.move(10s);
        continue;
      }
      if (!batch.refused.empty() || (!batch.positions.empty() && batch.positions[0] <= last)) {
        bad = true;  // An event that was acknowledged came again.
        break;
      }
      const auto done = consumers_->ack("mail", batch.cursor);
      if (!done || number(*done) < last) bad = true;
      last = done ? number(*done) : last;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back(work, i);
  }
  EXPECT_FALSE(bad);
  kill_and_open();
  EXPECT_EQ(status("mail").position, Position{2'000});
}

// Goal: no call of the disk that fails, and no loss of power, takes back an acknowledgement that
// was answered or makes a consumer unreadable. Method: fail the n-th call, for every n, then cut
// the power.
TEST_F(ConsumersTest, EveryCallOfTheDiskMayFailOrBeTheLast) {
  append(*store_, "a-1", "A", 4);
  for (std::uint64_t nth = 1;; ++nth) {
    disk_ = new_disk(nth);
    open();
    disk_->fail({.nth = nth, .partly = nth % 2 == 0});
    const std::uint64_t before = disk_->calls();
    bool made = consumers_->put("mail", {}).has_value();
    if (!made) made = consumers_->put("mail", {}).has_value();
    ASSERT_TRUE(made);
    std::uint64_t promised = 0;
    for (int i = 0; i < 4; ++i) {
      if (const auto done = consumers_->ack("mail", read("mail", 1).cursor)) {
        promised = number(*done);
      }
    }
    const bool all_passed = disk_->calls() - before < nth;
    disk_->clear_faults();
    disk_->cut_power();
    open();
    ASSERT_GE(number(status("mail").position), promised) << "call " << nth;
    ASSERT_EQ(read("mail", 1).refused, "") << "call " << nth;
    if (all_passed) break;
  }
}

// Goal: a damaged file is found, told, and takes nothing else with it. Method: flip each byte.
TEST_F(ConsumersTest, AByteThatFlippedIsToldOrCostsNoMoreThanTheLastAcknowledgement) {
  append(*store_, "a-1", "A", 4);
  put("mail", {.types = {"A"}});
  put("other");
  ASSERT_TRUE(consumers_->ack("mail", read("mail", 2).cursor));
  ASSERT_TRUE(consumers_->ack("mail", read("mail", 1).cursor));
  const std::string path = "data/consumers/mail.consumer";
  const auto size = disk_->open(path, log::OpenMode::read).value()->size().value();
  for (std::uint64_t at = 0; at < size; ++at) {
    const auto file = disk_->open(path, log::OpenMode::write).value();
    std::array<std::byte, 1> byte{};
    ASSERT_TRUE(file->read_at(at, byte));
    byte[0] ^= std::byte{0x10};
    ASSERT_TRUE(file->write_at(at, byte));
    open();
    const Status found = status("mail");
    if (found.fault) {
      EXPECT_EQ(found.fault->code, Errc::corrupt);
      EXPECT_TRUE(found.fault->message.contains(path)) << found.fault->message;
      EXPECT_EQ(read("mail").refused, "corrupt");
      EXPECT_EQ(code(consumers_->put("mail", {})), "corrupt") << "its name is still taken";
    } else {
      EXPECT_GE(number(found.position), 2U) << at;
    }
    EXPECT_EQ(read("other").positions.size(), 4U);
    byte[0] ^= std::byte{0x10};
    ASSERT_TRUE(file->write_at(at, byte));
  }
  ASSERT_TRUE(disk_->open(path, log::OpenMode::write).value()->truncate(100));
  open();
  EXPECT_EQ(read("mail").refused, "corrupt");
  EXPECT_TRUE(consumers_->remove("mail")) << "the way out";
  EXPECT_TRUE(put("mail"));
}

TEST(ConsumersOfARepairedLog, AreDivergedBecauseTheLogBeganANewEpoch) {
  const HandClock clock;
  const auto keeper_disk = std::make_unique<log::testing::SimulatedDisk>();
  // A store whose epoch a repair has raised, seen from a consumer: the checkpoint's is older.
  const auto store = make_memory_store(clock);
  append(*store, "a-1", "A", 3);
  const auto keeper = make_file_keeper(*keeper_disk, "c");
  Checkpoint old = store->checkpoint_at(Position{2}).value();
  old.epoch = Epoch{number(old.epoch) + 1};
  ASSERT_TRUE(
      keeper->create({.name = "mail", .id = Uuid{{1}}, .definition = {}, .checkpoint = old}));

  Consumers consumers{{.store = *store, .clock = clock, .logger = observe::null_logger()},
                      make_file_keeper(*keeper_disk, "c"),
                      make_seeded_random(1)};
  ASSERT_TRUE(consumers.load());

  const auto given =
      consumers.read("mail", {.name = "one"}, 1, 0s, [](const EventView&) { return true; });
  EXPECT_EQ(code(given), "diverged");
  EXPECT_TRUE(consumers.seek("mail", {.kind = Start::Kind::position, .position = Position{2}}));
  EXPECT_TRUE(consumers.read("mail", {.name = "one"}, 1, 0s, [](auto&) { return true; }));
}

}  // namespace
}  // namespace stele::consumer
