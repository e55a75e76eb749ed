// Generations: rebuilt in place and side by side, promoted, rolled back, dropped, and taken over by
// newer code.

#include "projection/generations.h"

#include <fstream>

#include "projection/testing/engine_fixture.h"

namespace stele::projection::testing {
namespace {

/// Counts how often the log is read, and can hold reads back after a position.
class CountingStore final : public EventStore {
 public:
  explicit CountingStore(EventStore& store) : store_{store} {}
  std::atomic<std::uint64_t> events{0};

  [[nodiscard]] Result<StreamPage> read_stream(std::string_view stream, Version after,
                                               std::size_t limit,
                                               Direction direction) const override {
    return store_.read_stream(stream, after, limit, direction);
  }
  [[nodiscard]] Result<ReadPage> read_all(Position after, const Filter& filter,
                                          std::size_t limit) const override {
    auto page = store_.read_all(after, filter, limit);
    if (page && limit > 1) const_cast<CountingStore*>(this)->events += page->events.size();
    return page;
  }
  [[nodiscard]] Position wait(Position after, std::chrono::microseconds timeout) const override {
    return store_.wait(after, timeout);
  }
  void wake() override { store_.wake(); }
  [[nodiscard]] Position log_end() const override { return store_.log_end(); }
  [[nodiscard]] Result<StreamState> stream_tip(std::string_view stream) const override {
    return store_.stream_tip(stream);
  }
  [[nodiscard]] Result<std::optional<Appended>> find_append(const AppendId& id) const override {
    return store_.find_append(id);
  }
  [[nodiscard]] LogId log_id() const override { return store_.log_id(); }
  [[nodiscard]] Epoch epoch() const override { return store_.epoch(); }

 private:
  Result<AppendOutcome> append_checked(const AppendRequest&) override {
    return fail(Errc::read_only, "This store is for reading.");
  }
  Result<void> append_async_checked(const AppendRequest&, CompletionQueue&,
                                    std::uint64_t) override {
    return fail(Errc::read_only, "This store is for reading.");
  }
  EventStore& store_;
};

class GenerationsTest : public EngineTest {
 protected:
  void SetUp() override {
    strict = true;
    for (int i = 0; i < 200; ++i) pay("account-" + std::to_string(i % 7), i);
  }
  template <typename P = Sums>
  std::unique_ptr<Engine> start(EngineOptions options = impatient) {
    auto running = engine(options);
    EXPECT_TRUE(running->add(make_fold<P>(), place()));
    running->start();
    return running;
  }
  void catch_up(const Engine& running, std::string_view name = "sums") {
    const auto reached = running.wait_until(name, store_->log_end(), seconds{10});
    ASSERT_TRUE(reached) << reached.error().message;
  }
  template <typename P = Sums>
  [[nodiscard]] std::map<std::string, typename P::Row> shown(int generation) const {
    ProjectionSpec spec = make_fold<P>()->spec();
    spec.generation = generation;
    return rows<P>(spec);
  }
  static GenerationStatus found(const Engine& running, Role role, const char* name = "sums") {
    const Status status = running.status(name).value();
    for (const GenerationStatus& each : status.generations) {
      if (each.role == role) return each;
    }
    return {.generation = 0};
  }
  /// Waits until the generation of `role` is where the log ends.
  void build(const Engine& running, Role role = Role::building) {
    ASSERT_TRUE(soon([&] { return found(running, role).position == store_->log_end(); }));
  }
  const std::vector<std::string> sums_{"sums"};
};

TEST_F(GenerationsTest, RebuildsInPlaceAndComesBackToTheSameRows) {
  const auto running = start();
  catch_up(*running);
  ASSERT_TRUE(running->rebuild(sums_));
  catch_up(*running);
  EXPECT_EQ(running->status("sums")->generation, 1);
  running->stop();
  EXPECT_EQ(shown(1), fold_naively(*store_).sums);
}

TEST_F(GenerationsTest, BuildsSideBySidePromotesRollsBackAndDrops) {
  const auto running = start();
  catch_up(*running);
  ASSERT_TRUE(running->rebuild(sums_, {.side_by_side = true}));
  EXPECT_EQ(running->rebuild(sums_, {.side_by_side = true}).error().code, Errc::invalid);
  build(*running);
  EXPECT_EQ(running->status("sums")->generation, 1);
  ASSERT_TRUE(running->promote("sums"));
  EXPECT_EQ(running->status("sums")->generation, 2);
  EXPECT_EQ(found(*running, Role::kept).generation, 1);

  pay("account-0", 1'000);  // The kept one is fed: going back is no step into the past.
  catch_up(*running);
  build(*running, Role::kept);
  ASSERT_TRUE(running->roll_back("sums"));
  EXPECT_EQ(running->status("sums")->generation, 1);
  EXPECT_EQ(running->status("sums")->position, store_->log_end());

  EXPECT_EQ(running->drop("sums", 1).error().code, Errc::invalid);
  EXPECT_EQ(running->drop("sums", 7).error().code, Errc::not_found);
  ASSERT_TRUE(running->drop("sums", 2));
  EXPECT_EQ(place()->list("sums").value(), std::vector<int>{1});
  EXPECT_EQ(running->roll_back("sums").error().code, Errc::not_found);
  EXPECT_EQ(running->promote("sums").error().code, Errc::not_found);
  running->stop();
  EXPECT_EQ(shown(1), fold_naively(*store_).sums);
}

TEST_F(GenerationsTest, RefusesToPromoteOneThatIsBehindOrFailed) {
  std::atomic<int> commits_left{1'000'000};
  Faults faults{.before_commit = [&] {
    while (commits_left <= 0) std::this_thread::sleep_for(milliseconds{1});
    --commits_left;
  }};
  const auto running = engine({.batch_events_max = 10,
                               .attempts_max = 2,
                               .backoff_first = milliseconds{1},
                               .log_wait_max = milliseconds{20}});
  ASSERT_TRUE(running->add(make_fold<Sums>(), flaky(faults)));
  running->start();
  catch_up(*running);
  commits_left = 3;
  ASSERT_TRUE(running->rebuild(sums_, {.side_by_side = true}));
  ASSERT_TRUE(soon([&] { return found(*running, Role::building).position == Position{30}; }));
  const auto behind = running->promote("sums");
  const int live = running->status("sums")->generation;
  commits_left = 1'000'000;
  ASSERT_FALSE(behind);
  EXPECT_EQ(behind.error().code, Errc::invalid);
  EXPECT_NE(behind.error().message.find("170 positions behind"), std::string::npos)
      << behind.error().message;
  EXPECT_EQ(live, 1);
  build(*running);
  EXPECT_TRUE(running->promote("sums"));
}

TEST_F(GenerationsTest, RemembersItsGenerationsOverARestart) {
  auto running = start();
  catch_up(*running);
  ASSERT_TRUE(running->rebuild(sums_, {.side_by_side = true}));
  build(*running);
  ASSERT_TRUE(running->promote("sums"));
  ASSERT_TRUE(running->pause("sums"));
  running = start();
  ASSERT_TRUE(soon([&] { return running->status("sums")->state == State::paused; }));
  EXPECT_EQ(running->status("sums")->generation, 2);
  EXPECT_EQ(found(*running, Role::kept).generation, 1);
  ASSERT_TRUE(running->resume("sums"));
  pay("account-0", 1);
  catch_up(*running);
  ASSERT_TRUE(running->drop("sums", 1));
  ASSERT_TRUE(running->rebuild(sums_, {.side_by_side = true}));  // No number is used twice.
  EXPECT_EQ(found(*running, Role::building).generation, 3);
}

TEST_F(GenerationsTest, LetsNewerCodeTakeOverByItselfWhenItHasCaughtUp) {
  auto running = start();
  catch_up(*running);
  running.reset();
  pay("account-0", 1'000);
  std::atomic<bool> go{false};
  Faults faults{.before_commit = [&go] { go.wait(false); }};
  running = engine();
  ASSERT_TRUE(running->add(make_fold<SumsAgain>(), flaky(faults)));
  running->start();
  ASSERT_TRUE(soon([&] { return running->status("sums")->state == State::rebuilding; }));
  EXPECT_EQ(running->status("sums")->generation, 1);
  EXPECT_EQ(running->status("sums")->position, Position{200});
  EXPECT_EQ(running->wait_until("sums", Position{201}, milliseconds{20}).error().code,
            Errc::timed_out);
  EXPECT_EQ(running->reset("sums").error().code, Errc::invalid);
  EXPECT_EQ(running->drop("sums", 2).error().code, Errc::invalid);
  go = true;
  go.notify_all();
  ASSERT_TRUE(running->wait_until("sums", Position{201}, seconds{10}));
  EXPECT_EQ(running->status("sums")->generation, 2);
  EXPECT_EQ(running->status("sums")->state, State::running);
  EXPECT_EQ(running->roll_back("sums").error().code, Errc::invalid);
  running.reset();
  EXPECT_EQ(shown<SumsAgain>(2), fold_naively(*store_).sums);

  running = start();  // The older program again: its generation goes on and takes over.
  catch_up(*running);
  ASSERT_TRUE(soon([&] { return running->status("sums")->generation == 1; }));
  EXPECT_EQ(running->status("sums")->position, Position{201});
}

TEST_F(GenerationsTest, BuildsNewerCodeWithOtherColumnsToo) {
  auto running = start();
  catch_up(*running);
  running.reset();
  running = start<SumsOfOtherColumns>();
  ASSERT_TRUE(soon([&] { return running->status("sums")->generation == 2; }));
  catch_up(*running);
  running->stop();
  EXPECT_EQ(shown<SumsOfOtherColumns>(2).size(), 7U);
}

TEST_F(GenerationsTest, AdoptsRowsFromATimeWithoutACatalogue) {
  {
    const auto running = start();
    catch_up(*running);
  }
  std::filesystem::remove(catalogue_file(folder_.path(), "sums"));
  const auto running = start();
  ASSERT_TRUE(soon([&] { return running->status("sums")->position == Position{200}; }));
  EXPECT_EQ(running->status("sums")->generation, 1);
  EXPECT_TRUE(std::filesystem::exists(catalogue_file(folder_.path(), "sums")));
}

TEST_F(GenerationsTest, RemovesWhatADropLeftBehind) {
  {
    const auto running = start();
    catch_up(*running);
    ASSERT_TRUE(running->rebuild(sums_, {.side_by_side = true}));
    ASSERT_TRUE(running->drop("sums", 2));
  }
  std::ofstream{folder_.path() / "sums-g2.sqlite"} << "left behind";
  const auto running = start();
  catch_up(*running);
  EXPECT_EQ(place()->list("sums").value(), std::vector<int>{1});
}

TEST_F(GenerationsTest, RebuildsAMapFromAPositionButNoFold) {
  const auto running = engine();
  ASSERT_TRUE(running->add(make_map<Payments>(), place()));
  ASSERT_TRUE(running->add(make_fold<Sums>(), place()));
  running->start();
  catch_up(*running);
  catch_up(*running, "payments");
  const std::vector<std::string> payments{"payments"};
  ASSERT_TRUE(running->rebuild(payments, {.from = Position{150}}));
  catch_up(*running, "payments");
  EXPECT_EQ(running->rebuild(sums_, {.from = Position{150}}).error().code, Errc::invalid);
  EXPECT_EQ(running->rebuild(payments, {.side_by_side = true, .from = Position{150}}).error().code,
            Errc::invalid);
  EXPECT_EQ(running->rebuild(payments, {.from = Position{500}}).error().code, Errc::invalid);
  EXPECT_EQ(running->rebuild(std::vector<std::string>{"none"}).error().code, Errc::not_found);
  EXPECT_EQ(running->rebuild({}, {.from = Position{150}}).error().code, Errc::invalid);
  running->stop();
  EXPECT_EQ(rows<Payments>(*running->spec("payments")), fold_naively(*store_).payments);
}

TEST_F(GenerationsTest, RebuildsAllInOnePassOverTheLog) {
  for (int i = 0; i < 2'000; ++i) pay("account-" + std::to_string(i % 7), i);
  CountingStore counting{*store_};
  std::atomic<bool> slow{false};
  Faults faults{.before_commit = [&slow] {
    if (slow) std::this_thread::sleep_for(milliseconds{2});
  }};
  Engine running{counting, clock_, observe::null_logger(), {.batch_events_max = 50}};
  ASSERT_TRUE(running.add(make_fold<Sums>(), flaky(faults)));
  ASSERT_TRUE(running.add(make_fold<Days>(), place()));
  ASSERT_TRUE(running.add(make_map<Payments>(), place()));
  running.start();
  for (const char* name : {"sums", "days", "payments"}) catch_up(running, name);
  for (const bool side_by_side : {false, true}) {
    counting.events = 0;
    slow = true;
    ASSERT_TRUE(running.rebuild({}, {.side_by_side = side_by_side}));
    for (const char* name : {"sums", "days", "payments"}) {
      const Role role = side_by_side ? Role::building : Role::live;
      ASSERT_TRUE(soon([&] { return found(running, role, name).position == store_->log_end(); }));
    }
    EXPECT_LE(counting.events, 2'200U + 4 * 50U);
  }
}

TEST_F(GenerationsTest, KeepsReadsOfAnEmptiedGenerationBackUntilItIsWhereItWas) {
  std::atomic<int> commits_left{1'000'000};
  Faults faults{.before_commit = [&] {
    while (commits_left <= 0) std::this_thread::sleep_for(milliseconds{1});
    --commits_left;
  }};
  const auto running = engine({.batch_events_max = 10, .log_wait_max = milliseconds{20}});
  ASSERT_TRUE(running->add(make_fold<Sums>(), flaky(faults)));
  running->start();
  catch_up(*running);
  commits_left = 4;
  ASSERT_TRUE(running->reset("sums"));
  ASSERT_TRUE(soon([&] { return running->status("sums")->position == Position{30}; }));
  EXPECT_EQ(running->status("sums")->state, State::rebuilding);
  // Position 5 was applied again, but what is shown would lack what readers saw before.
  EXPECT_EQ(running->wait_until("sums", Position{5}, milliseconds{20}).error().code,
            Errc::timed_out);
  commits_left = 1'000'000;
  EXPECT_TRUE(running->wait_until("sums", Position{5}, seconds{10}));
  EXPECT_EQ(running->status("sums")->position, Position{200});
}

TEST_F(GenerationsTest, IsEmptiedWhenItDivergedAndThenFollowsItsNewLog) {
  start()->wait_until("sums", Position{200}, seconds{10}).value();
  store_ = make_memory_store(clock_);
  pay("account-x", 1);
  const auto running = start();
  ASSERT_TRUE(soon([&] { return running->status("sums")->state == State::diverged; }));
  ASSERT_TRUE(running->reset("sums"));
  ASSERT_TRUE(running->wait_until("sums", Position{1}, seconds{10}));
  running->stop();
  EXPECT_EQ(shown(1), fold_naively(*store_).sums);
}

TEST_F(GenerationsTest, RefusesVerbsWhereTheEngineDoesNotRun) {
  const auto idle = engine();
  ASSERT_TRUE(idle->add(make_fold<Sums>(), place()));
  EXPECT_EQ(idle->pause("sums").error().code, Errc::unavailable);
  EXPECT_EQ(idle->rebuild(sums_).error().code, Errc::unavailable);
  EXPECT_EQ(idle->retry("sums", "a").error().code, Errc::unavailable);
  EXPECT_EQ(idle->pause("none").error().code, Errc::not_found);
}

TEST(Catalogue, IsRefusedWhenItCannotBeReadOrAnotherChangedIt) {
  const ScratchFolder folder;
  const auto first = make_sqlite_generations(folder.path());
  Catalogue catalogue{.revision = 1,
                      .last_number = 3,
                      .paused = true,
                      .generations = {{.number = 3, .role = Role::live, .code = 2}}};
  ASSERT_TRUE(first->save("sums", catalogue));
  EXPECT_EQ(first->load("sums").value(), catalogue);
  EXPECT_EQ(make_sqlite_generations(folder.path())->save("sums", catalogue).error().code,
            Errc::unavailable);
  std::ofstream{catalogue_file(folder.path(), "sums")} << "{\"revision\":";
  EXPECT_EQ(first->load("sums").error().code, Errc::corrupt);
}

}  // namespace
}  // namespace stele::projection::testing
