#include "projection/testing/sink_suite.h"

#include <limits>
#include <random>
#include <thread>

#include "observe/logger.h"
#include "projection/engine.h"
#include "projection/testing/flaky_sink.h"
#include "projection/testing/sample.h"

namespace stele::projection::testing {

::testing::internal::ParamGenerator<MakePlace> one_place(MakePlace place) {
  return ::testing::Values(place);
}

SinkSuite::SinkSuite() : place_{GetParam()()} {
  spec_.name = "things";
  spec_.columns = {{"text", ColumnType::text, true},
                   {"whole", ColumnType::integer, false},
                   {"real", ColumnType::real, false},
                   {"truth", ColumnType::boolean, false}};
  spec_.indexes = {{"whole", "text"}};
}

SinkSuite::~SinkSuite() = default;

SinkSuite::Opened SinkSuite::open() {
  Opened opened{place_->make(), std::nullopt};
  const auto held = opened.sink->open(spec_);
  EXPECT_TRUE(held) << held.error().message << held.error().detail;
  if (held) opened.held = *held;
  return opened;
}

Checkpoint SinkSuite::at(std::uint64_t position) const {
  Checkpoint checkpoint;
  checkpoint.epoch = Epoch{3};
  checkpoint.position = Position{position};
  checkpoint.log.bytes[0] = 1;
  checkpoint.fingerprint.bytes[15] = static_cast<std::uint8_t>(position);
  return checkpoint;
}

Result<void> SinkSuite::write(Sink& sink, std::string_view key, std::string_view text,
                              std::uint64_t position, bool erase) {
  auto done = sink.begin();
  const Cell cells[] = {Cell{text}, Cell{std::int64_t{1}}, Cell{0.5}, Cell{std::int64_t{1}}};
  if (done) {
    done = sink.put({.key = key,
                     .version = Version{1},
                     .position = Position{position},
                     .cells = erase ? std::span<const Cell>{} : cells,
                     .erase = erase});
  }
  if (done) done = sink.commit(at(position));
  if (!done) sink.abandon();
  return done;
}

Parked SinkSuite::record(std::string_view key, std::uint64_t position) {
  return {.key = std::string{key},
          .from_version = Version{position},
          .from_position = Position{position},
          .error = "It does not fit.",
          .attempts = 3};
}

Result<void> SinkSuite::park(Sink& sink, const Parked& parked, std::uint64_t position) const {
  auto done = sink.begin();
  if (done) done = sink.park(parked);
  if (done) done = sink.commit(at(position));
  if (!done) sink.abandon();
  return done;
}

std::optional<SinkSuite::TestRow> SinkSuite::find(Sink& sink, std::string_view key) {
  std::optional<TestRow> found;
  EXPECT_TRUE(sink.begin());
  const auto loaded = sink.load({&key, 1}, [&](std::size_t, const StoredRow& row) -> Result<void> {
    found = TestRow{number(row.position), std::string{row.cells[0].text()}};
    return {};
  });
  EXPECT_TRUE(loaded);
  sink.abandon();
  return found;
}

TEST_P(SinkSuite, HoldsNothingWhenItIsNew) {
  auto [sink, held] = open();
  EXPECT_EQ(held, std::nullopt);
  EXPECT_EQ(find(*sink, "a"), std::nullopt);
}

TEST_P(SinkSuite, KeepsRowsAndCheckpointOverARestart) {
  {
    auto [sink, held] = open();
    ASSERT_TRUE(write(*sink, "a", "one", 1));
    ASSERT_TRUE(write(*sink, "b", "two", 2));
  }
  auto [sink, held] = open();
  EXPECT_EQ(held, at(2));
  EXPECT_EQ(find(*sink, "a")->text, "one");
  EXPECT_EQ(find(*sink, "b")->position, 2U);
}

TEST_P(SinkSuite, ReplacesAndErasesByKey) {
  auto [sink, held] = open();
  ASSERT_TRUE(write(*sink, "a", "one", 1));
  ASSERT_TRUE(write(*sink, "a", "two", 2));
  EXPECT_EQ(find(*sink, "a")->text, "two");
  ASSERT_TRUE(write(*sink, "a", "", 3, true));
  EXPECT_EQ(find(*sink, "a"), std::nullopt);
  ASSERT_TRUE(write(*sink, "a", "again", 4));
  EXPECT_EQ(find(*sink, "a")->text, "again");
}

TEST_P(SinkSuite, GivesBackEveryValueAsItWasPut) {
  auto [sink, held] = open();
  const std::string odd = "\xC3\xA4 'quoted\" \n\t\\ \xF0\x9F\x92\xB0";
  const std::vector<std::vector<Cell>> rows = {
      {Cell{std::string_view{odd}}, Cell{std::numeric_limits<std::int64_t>::max()}, Cell{-0.1},
       Cell{std::int64_t{1}}},
      {Cell{}, Cell{std::numeric_limits<std::int64_t>::min()}, Cell{1e300}, Cell{std::int64_t{0}}},
      {Cell{std::string_view{}}, Cell{std::int64_t{0}}, Cell{0.0}, Cell{std::int64_t{0}}}};
  const std::vector<std::string_view> keys = {"a", "\xE2\x82\xAC", "z-~. key"};
  ASSERT_TRUE(sink->begin());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ASSERT_TRUE(sink->put({.key = keys[i],
                           .version = Version{i + 1},
                           .position = Position{i + 10},
                           .cells = rows[i]}));
  }
  ASSERT_TRUE(sink->commit(at(12)));

  ASSERT_TRUE(sink->begin());
  std::size_t found = 0;
  ASSERT_TRUE(sink->load(keys, [&](std::size_t i, const StoredRow& row) -> Result<void> {
    ++found;
    EXPECT_EQ(row.version, Version{i + 1});
    EXPECT_EQ(row.position, Position{i + 10});
    EXPECT_EQ(row.cells.size(), rows[i].size());
    EXPECT_EQ(row.cells[0].kind(), rows[i][0].kind());
    EXPECT_EQ(row.cells[0].text(), rows[i][0].text());
    EXPECT_EQ(row.cells[1].integer(), rows[i][1].integer());
    EXPECT_EQ(row.cells[2].real(), rows[i][2].real());
    EXPECT_EQ(row.cells[3].integer(), rows[i][3].integer());
    return {};
  }));
  EXPECT_EQ(found, rows.size());
  sink->abandon();
}

TEST_P(SinkSuite, NeverLetsAnOlderWriteReplaceANewerOne) {
  auto [sink, held] = open();
  ASSERT_TRUE(write(*sink, "a", "new", 9));
  ASSERT_TRUE(write(*sink, "a", "old", 4));
  EXPECT_EQ(find(*sink, "a")->text, "new");
  ASSERT_TRUE(write(*sink, "a", "", 4, true));
  EXPECT_EQ(find(*sink, "a")->text, "new");
}

TEST_P(SinkSuite, ForgetsABatchThatWasAbandonedIfItIsAtomic) {
  auto [sink, held] = open();
  if (!sink->atomic()) GTEST_SKIP() << "This sink does not store batches whole.";
  ASSERT_TRUE(write(*sink, "a", "kept", 1));
  const Cell cells[] = {Cell{std::string_view{"lost"}}, Cell{std::int64_t{1}}, Cell{0.5},
                        Cell{std::int64_t{1}}};
  ASSERT_TRUE(sink->begin());
  ASSERT_TRUE(sink->put({.key = "a", .position = Position{2}, .cells = cells}));
  sink->abandon();
  EXPECT_EQ(find(*sink, "a")->text, "kept");
}

TEST_P(SinkSuite, StandsAtItsLastCheckpointAfterACrashBetweenDataAndCheckpoint) {
  const Cell cells[] = {Cell{std::string_view{"twice"}}, Cell{std::int64_t{1}}, Cell{0.5},
                        Cell{std::int64_t{1}}};
  {
    auto [sink, held] = open();
    ASSERT_TRUE(write(*sink, "a", "once", 1));
    ASSERT_TRUE(sink->begin());
    ASSERT_TRUE(sink->put({.key = "a", .position = Position{2}, .cells = cells}));
    // The sink ends here, as it would with its process.
  }
  auto [sink, held] = open();
  EXPECT_EQ(held, at(1));
  if (sink->atomic()) {
    EXPECT_EQ(find(*sink, "a")->text, "once");
  }
  ASSERT_TRUE(write(*sink, "a", "twice", 2));
  EXPECT_EQ(find(*sink, "a")->text, "twice");
}

TEST_P(SinkSuite, RefusesAWriterThatAnotherHasOvertaken) {
  auto [first, first_held] = open();
  auto [second, second_held] = open();
  ASSERT_TRUE(write(*first, "a", "first", 1));

  const auto refused = write(*second, "a", "second", 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unavailable);
  EXPECT_EQ(find(*first, "a")->text, "first");

  EXPECT_EQ(second->open(spec_).value(), at(1));
  ASSERT_TRUE(write(*second, "a", "second", 2));
  EXPECT_FALSE(write(*first, "a", "first", 2));
}

TEST_P(SinkSuite, RefusesRowsOfOtherColumns) {
  {
    ASSERT_TRUE(write(*open().sink, "a", "one", 1));
  }
  spec_.columns.push_back({"more", ColumnType::text, false});
  const auto opened = place_->make()->open(spec_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::invalid);
  spec_.generation = 2;
  EXPECT_EQ(open().held, std::nullopt);
}

TEST_P(SinkSuite, StandsAtTheCheckpointOfACopyThatWasPutBackAndGoesOnFromThere) {
  {
    auto [sink, held] = open();
    ASSERT_TRUE(write(*sink, "a", "one", 1));
    ASSERT_TRUE(park(*sink, record("p", 1), 1));
  }
  place_->keep_copy();
  {
    auto [sink, held] = open();
    ASSERT_TRUE(write(*sink, "a", "two", 2));
    ASSERT_TRUE(park(*sink, record("q", 2), 2));
  }
  place_->restore_copy();
  auto [sink, held] = open();
  EXPECT_EQ(held, at(1));
  EXPECT_EQ(find(*sink, "a")->text, "one");
  EXPECT_EQ(sink->parked().value(), std::vector<Parked>{record("p", 1)});
  ASSERT_TRUE(write(*sink, "a", "two again", 2));
  EXPECT_EQ(find(*sink, "a")->text, "two again");
}

TEST_P(SinkSuite, KeepsTheRecordsOfParkedKeysWithTheCheckpoint) {
  {
    auto [sink, held] = open();
    EXPECT_TRUE(sink->parked()->empty());
    ASSERT_TRUE(park(*sink, record("b", 3), 3));
    ASSERT_TRUE(park(*sink, record("a", 4), 4));
    Parked again = record("a", 5);
    again.error = "Another, \xC3\xA4.";
    again.attempts = 7;
    ASSERT_TRUE(park(*sink, again, 4));
    ASSERT_TRUE(sink->begin());
    ASSERT_TRUE(sink->park(record("lost", 9)));
    // The sink ends here, as it would with its process.
  }
  auto [sink, held] = open();
  EXPECT_EQ(held, at(4));
  auto parked = sink->parked().value();
  if (sink->atomic()) {
    ASSERT_EQ(parked.size(), 2U);
    EXPECT_EQ(parked[0].attempts, 7U);
    EXPECT_EQ(parked[0].error, "Another, \xC3\xA4.");
    EXPECT_EQ(parked[0].from_position, Position{5});
    EXPECT_EQ(parked[1], record("b", 3));
  }
  ASSERT_TRUE(sink->begin());
  ASSERT_TRUE(sink->unpark("a"));
  ASSERT_TRUE(sink->unpark("lost"));
  ASSERT_TRUE(sink->commit(at(4)));
  EXPECT_EQ(open().sink->parked().value(), std::vector<Parked>{record("b", 3)});
}

TEST_P(SinkSuite, RefusesAWriterThatDoesNotKnowThatAKeyWasUnparked) {
  auto [first, first_held] = open();
  ASSERT_TRUE(park(*first, record("a", 1), 1));
  auto [second, second_held] = open();
  ASSERT_TRUE(first->begin());
  ASSERT_TRUE(first->unpark("a"));
  ASSERT_TRUE(first->commit(at(1)));  // The same position: only the number of commits differs.
  EXPECT_FALSE(write(*second, "b", "two", 2));
}

TEST_P(SinkSuite, ForgetsEverythingWhenItIsClearedAndSaysFromWhereItMayBeShown) {
  {
    auto [sink, held] = open();
    ASSERT_TRUE(write(*sink, "a", "one", 1));
    ASSERT_TRUE(park(*sink, record("p", 2), 2));
    ASSERT_TRUE(sink->begin());
    ASSERT_TRUE(sink->clear(Position{}, Position{2}));
    ASSERT_TRUE(sink->commit(at(0)));
    EXPECT_EQ(sink->shown_from(), Position{2});
  }
  auto [sink, held] = open();
  EXPECT_EQ(held, at(0));
  EXPECT_EQ(find(*sink, "a"), std::nullopt);
  EXPECT_TRUE(sink->parked()->empty());
  EXPECT_EQ(sink->shown_from(), Position{2});
  ASSERT_TRUE(write(*sink, "a", "one again", 1));
  EXPECT_EQ(sink->shown_from(), Position{2});
  ASSERT_TRUE(write(*sink, "a", "two", 2));
  EXPECT_EQ(sink->shown_from(), Position{});
  EXPECT_EQ(open().sink->shown_from(), Position{});
}

TEST_P(SinkSuite, KeepsEarlierRowsWhenItIsClearedAfterAPosition) {
  auto [sink, held] = open();
  ASSERT_TRUE(write(*sink, "a", "one", 1));
  ASSERT_TRUE(park(*sink, record("p", 2), 2));
  ASSERT_TRUE(write(*sink, "b", "three", 3));
  ASSERT_TRUE(park(*sink, record("q", 4), 4));
  ASSERT_TRUE(sink->begin());
  ASSERT_TRUE(sink->clear(Position{2}, Position{4}));
  ASSERT_TRUE(sink->commit(at(2)));
  EXPECT_EQ(find(*sink, "a")->text, "one");
  EXPECT_EQ(find(*sink, "b"), std::nullopt);
  EXPECT_EQ(sink->parked().value(), std::vector<Parked>{record("p", 2)});
}

TEST_P(SinkSuite, ForgetsAClearingThatWasAbandonedIfItIsAtomic) {
  auto [sink, held] = open();
  if (!sink->atomic()) GTEST_SKIP() << "This sink does not store batches whole.";
  ASSERT_TRUE(write(*sink, "a", "one", 1));
  ASSERT_TRUE(sink->begin());
  ASSERT_TRUE(sink->clear(Position{}, Position{1}));
  sink->abandon();
  EXPECT_EQ(open().held, at(1));
  EXPECT_EQ(find(*open().sink, "a")->text, "one");
}

TEST_P(SinkSuite, KeepsGenerationsApartListsThemAndDropsOne) {
  const auto generations = place_->connect();
  EXPECT_TRUE(generations->list("things")->empty());
  ASSERT_TRUE(write(*open().sink, "a", "first", 1));
  spec_.generation = 12;
  EXPECT_EQ(open().held, std::nullopt);
  ASSERT_TRUE(write(*open().sink, "a", "twelfth", 1));
  spec_.name = "things_too";
  ASSERT_TRUE(write(*open().sink, "a", "other", 1));
  EXPECT_EQ(generations->list("things").value(), (std::vector<int>{1, 12}));
  ASSERT_TRUE(generations->drop("things", 12));
  ASSERT_TRUE(generations->drop("things", 12));
  EXPECT_EQ(generations->list("things").value(), std::vector<int>{1});
  EXPECT_EQ(find(*open().sink, "a")->text, "other");
  spec_.name = "things";
  EXPECT_EQ(open().held, std::nullopt);
  spec_.generation = 1;
  EXPECT_EQ(find(*open().sink, "a")->text, "first");
}

TEST_P(SinkSuite, StoresACatalogueOnlyOverTheOneBeforeIt) {
  const auto first = place_->connect();
  const auto second = place_->connect();
  EXPECT_EQ(first->load("things").value(), Catalogue{});
  Catalogue one{.revision = 1,
                .last_number = 1,
                .generations = {{.number = 1, .role = Role::live, .code = 1}}};
  ASSERT_TRUE(first->save("things", one));
  EXPECT_FALSE(second->save("things", one));
  Catalogue two = second->load("things").value();
  EXPECT_EQ(two, one);
  ++two.revision;
  two.paused = true;
  two.last_number = 2;
  two.generations.push_back({.number = 2, .role = Role::building, .code = 1});
  ASSERT_TRUE(second->save("things", two));
  EXPECT_EQ(first->load("things").value(), two);
  EXPECT_EQ(first->load("others").value(), Catalogue{});
}

namespace {

/// One order for projection "picky", or none.
void tell_at_random(Engine& engine, std::mt19937_64& random) {
  const std::string names[] = {"picky"};
  switch (random() % 12) {
    case 0:
      return (void)engine.rebuild(names, {.side_by_side = true});
    case 1:
      return (void)engine.promote("picky");
    case 2:
      return (void)engine.roll_back("picky");
    case 3:
      return (void)engine.drop("picky", static_cast<int>(random() % 4));
    case 4:
      return (void)engine.rebuild(names);
    case 5: {
      const auto parked = engine.parked("picky", "", 10).value();
      for (const Parked& each : parked) (void)engine.retry("picky", each.key);
      return;
    }
    default:
      return;
  }
}

}  // namespace

// Goal: a key is parked or flows, and a generation is live or not, whatever fails when; nothing is
// lost or applied twice on the way. Method: an engine over a sink that fails at random parks keys,
// retries them, builds beside, promotes, rolls back and drops, while events arrive; at the end the
// rows are those of a plain fold.
TEST_P(SinkSuite, ParksPromotesAndRollsBackWhateverFails) {
  const auto store = make_memory_store();
  Faults faults;
  std::mt19937_64 random{4'711};
  const auto pick = [&random](std::uint64_t n) { return random() % n; };
  {
    Engine engine{*store,
                  system_clock(),
                  observe::null_logger(),
                  {.batch_events_max = 9,
                   .attempts_max = 1'000'000,
                   .park_attempts_max = 2,
                   .backoff_first = std::chrono::microseconds{50},
                   .backoff_max = std::chrono::microseconds{200},
                   .log_wait_max = std::chrono::milliseconds{5}}};
    ASSERT_TRUE(engine.add(make_fold<Picky>(),
                           std::make_shared<FlakyGenerations>(place_->connect(), faults)));
    engine.start();
    for (int i = 0; i < 150; ++i) {
      strict = pick(3) != 0;
      const std::string stream = "account-" + std::to_string(pick(5));
      append(*store, stream,
             Paid{.amount = static_cast<std::int64_t>(pick(4) == 0 ? 13 : pick(9))});
      faults.calls_left = static_cast<int>(pick(12));
      if (pick(6) == 0) faults.lost_answers = 1;
      if (pick(3) == 0) {
        (void)engine.wait_until("picky", store->log_end(), std::chrono::milliseconds{20});
      }
      tell_at_random(engine, random);
    }
    faults.calls_left = -1;
    faults.lost_answers = 0;
    strict = false;
    ASSERT_TRUE(engine.wait_until("picky", store->log_end(), std::chrono::seconds{20}));
    for (const Parked& each : std::vector<Parked>{engine.parked("picky", "", 10).value()}) {
      const auto done = engine.retry("picky", each.key);
      ASSERT_TRUE(done) << done.error().message;
    }
    spec_ = make_fold<Picky>()->spec();
    spec_.generation = engine.status("picky")->generation;
  }
  strict = true;
  EXPECT_GT(faults.strikes, 5U);
  const auto sink = place_->make();
  ASSERT_TRUE(sink->open(spec_));
  EXPECT_TRUE(sink->parked()->empty());
  const auto expected = fold_naively(*store).sums;
  for (const auto& [key, row] : expected) {
    const std::string_view name = key;
    std::optional<SumRow> found;
    ASSERT_TRUE(sink->begin());
    ASSERT_TRUE(sink->load({&name, 1}, [&](std::size_t, const StoredRow& stored) -> Result<void> {
      found = read_row<SumRow>(stored.cells).value();
      return {};
    }));
    sink->abandon();
    EXPECT_EQ(found, row) << "Account " << key;
  }
}

// Goal: each event is applied exactly once, whatever fails when.
// Method: a running engine over a sink in which calls fail at random and commits lose their answer,
// while events arrive and the engine is stopped and started; at the end the rows are those of a
// plain fold over the log.
TEST_P(SinkSuite, HoldsEachEventOnceWhateverFails) {
  const auto store = make_memory_store();
  Faults faults;
  std::mt19937_64 random{20'260'131};
  const auto pick = [&random](std::uint64_t n) { return random() % n; };
  for (int round = 0; round < 20; ++round) {
    Engine engine{*store,
                  system_clock(),
                  observe::null_logger(),
                  {.batch_events_max = 1 + pick(40),
                   .attempts_max = 1'000,
                   .backoff_first = std::chrono::microseconds{50},
                   .backoff_max = std::chrono::microseconds{200}}};
    ASSERT_TRUE(engine.add(make_fold<Sums>(),
                           std::make_shared<FlakyGenerations>(place_->connect(), faults)));
    engine.start();
    Position last{};
    for (int i = 0; i < 20; ++i) {
      faults.calls_left = static_cast<int>(pick(12));
      if (pick(4) == 0) faults.lost_answers = 1;
      const std::string stream = "account-" + std::to_string(pick(7));
      last = append(*store, stream, Paid{.amount = static_cast<std::int64_t>(pick(100))},
                    Noted{"none handles it"}, testing::Opened{.owner = "o", .note = {}});
      if (pick(3) == 0) {
        ASSERT_TRUE(engine.wait_until("sums", last, std::chrono::seconds{20}));
      }
    }
  }
  faults.calls_left = -1;
  EXPECT_GT(faults.strikes, 20U);
  EXPECT_GT(faults.commits, 20U);
  Engine engine{*store, system_clock(), observe::null_logger()};
  ASSERT_TRUE(engine.add(make_fold<Sums>(), place_->connect()));
  engine.start();
  ASSERT_TRUE(engine.wait_until("sums", store->log_end(), std::chrono::seconds{20}));
  engine.stop();

  const auto sink = place_->make();
  ASSERT_TRUE(sink->open(make_fold<Sums>()->spec()));
  ASSERT_TRUE(sink->begin());
  const auto expected = fold_naively(*store).sums;
  ASSERT_EQ(expected.size(), 7U);
  for (const auto& [key, row] : expected) {
    const std::string_view name = key;
    std::optional<SumRow> found;
    ASSERT_TRUE(sink->load({&name, 1}, [&](std::size_t, const StoredRow& stored) -> Result<void> {
      found = read_row<SumRow>(stored.cells).value();
      return {};
    }));
    EXPECT_EQ(found, row) << "Account " << key;
  }
  sink->abandon();
}

}  // namespace stele::projection::testing
