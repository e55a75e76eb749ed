// Readers and the generations of a read model: which one is shown, and when none is.

#include <gtest/gtest.h>

#include "projection/testing/engine_fixture.h"
#include "query/sqlite_reader.h"
#include "stele/custom_projection.h"

namespace stele::query {
namespace {

using projection::testing::Faults;
using projection::testing::Paid;
using projection::testing::Picky;
using projection::testing::strict;
using projection::testing::Sums;
using projection::testing::SumsAgain;
using projection::testing::SumsOfOtherColumns;
using std::chrono::milliseconds;
using std::chrono::seconds;

class GenerationsReader : public projection::testing::EngineTest {
 protected:
  void SetUp() override {
    strict = true;
    for (int i = 1; i <= 50; ++i) pay("account-a", 1);
  }
  template <typename P>
  ReadModel<P> model() const {
    return ReadModel<P>{make_sqlite_reader(folder_.path(), make_fold<P>()->spec())};
  }
  template <typename P>
  void build_once() {
    const auto running = engine();
    ASSERT_TRUE(running->add(make_fold<P>(), place()));
    running->start();
    ASSERT_TRUE(running->wait_until(P::name, store_->log_end(), seconds{10}));
  }
};

TEST_F(GenerationsReader, ShowsTheGenerationThatWasPromotedAtOnce) {
  const auto running = engine();
  ASSERT_TRUE(running->add(make_fold<Sums>(), place()));
  running->start();
  ASSERT_TRUE(running->wait_until("sums", store_->log_end(), seconds{10}));
  const auto sums = model<Sums>();
  auto before = sums.view().value();
  const std::vector<std::string> names{"sums"};
  ASSERT_TRUE(running->rebuild(names, {.side_by_side = true}));
  ASSERT_TRUE(soon([&] { return running->promote("sums").has_value(); }));
  ASSERT_TRUE(running->drop("sums", 1));
  EXPECT_EQ(before.find("a").value()->row.sum, 50);  // A view lives on.
  EXPECT_EQ(sums.find("a").value()->row.sum, 50);
  pay("account-a", 1);
  ASSERT_TRUE(running->wait_until("sums", store_->log_end(), seconds{10}));
  EXPECT_EQ(sums.find("a").value()->row.sum, 51);
}

TEST_F(GenerationsReader, ShowsNothingOfAnEmptiedOneUntilItIsWhereItWas) {
  std::atomic<int> commits_left{1'000'000};
  Faults faults{.before_commit = [&] {
    while (commits_left <= 0) std::this_thread::sleep_for(milliseconds{1});
    --commits_left;
  }};
  const auto running = engine({.batch_events_max = 5, .log_wait_max = milliseconds{20}});
  ASSERT_TRUE(running->add(make_fold<Sums>(), flaky(faults)));
  running->start();
  ASSERT_TRUE(running->wait_until("sums", Position{50}, seconds{10}));
  const auto sums = model<Sums>();
  EXPECT_EQ(sums.view()->position(), Position{50});
  commits_left = 3;
  ASSERT_TRUE(running->reset("sums"));
  ASSERT_TRUE(soon([&] { return running->status("sums")->position == Position{10}; }));
  EXPECT_EQ(sums.view(milliseconds{20}).error().code, Errc::unavailable);
  commits_left = 1'000'000;
  ASSERT_TRUE(running->wait_until("sums", Position{1}, seconds{10}));
  EXPECT_EQ(sums.view()->position(), Position{50});
}

TEST_F(GenerationsReader, ServesRowsOfOlderCodeWhileNewerIsBuiltIfTheColumnsAreTheSame) {
  build_once<Sums>();
  EXPECT_EQ(model<SumsAgain>().find("a").value()->row.sum, 50);
  EXPECT_EQ(model<SumsOfOtherColumns>().view(milliseconds{20}).error().code, Errc::unavailable);
}

TEST_F(GenerationsReader, ServesOtherColumnsAsSoonAsTheyAreBuilt) {
  build_once<Sums>();
  build_once<SumsOfOtherColumns>();
  EXPECT_EQ(model<SumsOfOtherColumns>().find("a").value()->row.sum, 50);
  EXPECT_EQ(model<Sums>().view(milliseconds{20}).error().code, Errc::unavailable);
}

TEST_F(GenerationsReader, SaysWhichKeysAreParked) {
  pay("account-b", 13);
  pay("account-b", 2);
  build_once<Picky>();
  auto view = model<Picky>().view().value();
  EXPECT_EQ(view.parked("a").value(), false);
  EXPECT_EQ(view.parked("b").value(), true);
}

struct Notes {
  static constexpr auto name = "notes";
  static constexpr int generation = 1;
  using Events = stele::Events<Paid>;
  static constexpr auto tables = "CREATE TABLE notes(n INTEGER)";
  static std::vector<Result<void>> apply(std::span<const EventView> events, SqlClient& sql) {
    std::vector<Result<void>> results(events.size());
    for (auto& each : results) {
      const auto done = sql.execute("INSERT INTO notes VALUES(1)");
      if (!done) each = std::unexpected{done.error()};
    }
    return results;
  }
};

TEST_F(GenerationsReader, GivesSqlOnTheTablesOfACustomProjectionForReading) {
  const auto running = engine();
  ASSERT_TRUE(running->add(make_custom<Notes>(), place()));
  running->start();
  ASSERT_TRUE(running->wait_until("notes", Position{50}, seconds{10}));
  const auto reader = make_sqlite_reader(folder_.path(), make_custom<Notes>()->spec());
  const auto snapshot = reader->snapshot(seconds{1}).value();
  EXPECT_EQ(snapshot->position(), Position{50});
  std::int64_t count = 0;
  ASSERT_TRUE(snapshot->sql()->query("SELECT count(*) FROM notes", {},
                                     [&](std::span<const Cell> cells) -> Result<void> {
                                       count = cells[0].integer();
                                       return {};
                                     }));
  EXPECT_EQ(count, 50);
  EXPECT_FALSE(snapshot->sql()->execute("DELETE FROM notes"));
}

}  // namespace
}  // namespace stele::query
