#include "query/sqlite_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "observe/logger.h"
#include "projection/engine.h"
#include "projection/sqlite/sqlite_generations.h"
#include "projection/testing/sample.h"
#include "projection/testing/scratch_folder.h"
#include "query/waiting.h"

namespace stele::query {
namespace {

using projection::testing::Opened;
using projection::testing::Paid;
using projection::testing::Payments;
using projection::testing::Sums;
using std::chrono::milliseconds;
using std::chrono::seconds;

class ReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(engine_.add(make_fold<Sums>(), place()));
    ASSERT_TRUE(engine_.add(make_map<Payments>(), place()));
  }

  std::shared_ptr<projection::GenerationStore> place() const {
    return projection::make_sqlite_generations(folder_.path());
  }
  template <typename P>
  ReadModel<P> model(std::size_t connections = read_connections_default) const {
    return ReadModel<P>{make_sqlite_reader(folder_.path(), *engine_.spec(P::name), connections)};
  }
  Position pay(const std::string& stream, std::int64_t amount) {
    return projection::testing::append(*store_, stream, Paid{.amount = amount});
  }
  void catch_up() {
    engine_.start();
    for (const char* name : {"sums", "payments"}) {
      ASSERT_TRUE(engine_.wait_until(name, store_->log_end(), seconds{20}));
    }
  }

  projection::testing::ScratchFolder folder_;
  std::unique_ptr<EventStore> store_ = make_memory_store();
  projection::Engine engine_{*store_, system_clock(), observe::null_logger()};
};

TEST_F(ReaderTest, FindsARowByItsKeyAndSaysOfWhichStateItIs) {
  projection::testing::append(*store_, "account-7", Opened{.owner = "Ada", .note = "n"});
  pay("account-7", 5);
  catch_up();
  const auto found = model<Sums>().find("7");
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_TRUE(*found);
  EXPECT_EQ((*found)->key, "7");
  EXPECT_EQ((*found)->row.owner, "Ada");
  EXPECT_EQ((*found)->row.sum, 5);
  EXPECT_EQ((*found)->version, Version{2});
  EXPECT_EQ((*found)->position, Position{2});
  EXPECT_EQ(model<Sums>().find("8").value(), std::nullopt);
  EXPECT_EQ(model<Sums>().view()->position(), Position{2});
}

TEST_F(ReaderTest, PagesThroughEveryRowOnceInOrder) {
  std::mt19937_64 random{11};
  for (int i = 0; i < 300; ++i) {
    pay("account-" + std::to_string(random() % 3), static_cast<std::int64_t>(random() % 10));
  }
  catch_up();
  const auto payments = model<Payments>();
  for (const bool descending : {false, true}) {
    for (const std::size_t limit : {1U, 7U, 99U, 100U, 1'000U}) {
      Select select{.where = {{"account", Compare::not_equal, "2"}},
                    .order_by = {"amount", "account"},
                    .descending = descending,
                    .limit = limit};
      std::vector<std::pair<std::int64_t, std::string>> seen;
      std::set<std::string> keys;
      do {
        const auto page = payments.select(select);
        ASSERT_TRUE(page) << page.error().message;
        EXPECT_LE(page->rows.size(), limit);
        for (const auto& found : page->rows) {
          seen.emplace_back(found.row.amount, found.row.account);
          EXPECT_TRUE(keys.insert(found.key).second);
        }
        select.cursor = page->next;
      } while (!select.cursor.empty());
      auto sorted = seen;
      std::ranges::sort(sorted);
      if (descending) std::ranges::reverse(sorted);
      EXPECT_EQ(seen, sorted);
      std::size_t expected = 0;
      for (const auto& [key, row] : projection::testing::fold_naively(*store_).payments) {
        if (row.account != "2") ++expected;
      }
      EXPECT_EQ(seen.size(), expected);
    }
  }
}

TEST_F(ReaderTest, KeepsAPageRightWhileRowsCome) {
  for (int i = 0; i < 10; ++i) pay("account-1", i);
  catch_up();
  Select select{.where = {{"account", Compare::equal, "1"}},
                .order_by = {"version"},
                .descending = true,
                .limit = 4};
  auto page = model<Payments>().select(select).value();
  EXPECT_EQ(page.rows.back().row.version, 7);
  pay("account-1", 11);
  ASSERT_TRUE(engine_.wait_until("payments", store_->log_end(), seconds{10}));
  select.cursor = page.next;
  page = model<Payments>().select(select).value();
  EXPECT_EQ(page.rows.front().row.version, 6);
  select.where[0].value = "2";
  EXPECT_EQ(model<Payments>().select(select).error().code, Errc::invalid);
}

TEST_F(ReaderTest, ComparesAndAddsUp) {
  for (int i = 1; i <= 10; ++i) pay("account-" + std::to_string(i % 2), i);
  catch_up();
  const auto payments = model<Payments>();
  const auto count = [&](Compare compare, Value value) {
    return payments.total({.where = {{"amount", compare, std::move(value)}}})->at(0).count;
  };
  EXPECT_EQ(count(Compare::equal, 3), 1U);
  EXPECT_EQ(count(Compare::not_equal, 3), 9U);
  EXPECT_EQ(count(Compare::less, 3), 2U);
  EXPECT_EQ(count(Compare::less_equal, 3), 3U);
  EXPECT_EQ(count(Compare::greater, 3), 7U);
  EXPECT_EQ(count(Compare::greater_equal, 3), 8U);

  const auto groups = payments.total({.sums = {"amount"}, .group_by = {"account"}}).value();
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].group, std::vector<Value>{"0"});
  EXPECT_EQ(groups[0].count, 5U);
  EXPECT_EQ(groups[0].sums, std::vector<std::int64_t>{30});
  EXPECT_EQ(groups[1].sums, std::vector<std::int64_t>{25});

  const auto none =
      payments.total({.where = {{"account", Compare::equal, "9"}}, .sums = {"amount"}}).value();
  ASSERT_EQ(none.size(), 1U);
  EXPECT_EQ(none[0].count, 0U);
  EXPECT_EQ(none[0].sums, std::vector<std::int64_t>{0});

  projection::testing::append(*store_, "account-5", Opened{.owner = "o", .note = "n"});
  ASSERT_TRUE(engine_.wait_until("sums", store_->log_end(), seconds{10}));
  EXPECT_EQ(model<Sums>().total({.where = {{"note", Compare::equal, {}}}})->at(0).count, 2U);
  EXPECT_EQ(model<Sums>().total({.where = {{"note", Compare::not_equal, {}}}})->at(0).count, 1U);
}

TEST_F(ReaderTest, RefusesWhatItCannotAnswer) {
  pay("account-1", 1);
  catch_up();
  const auto sums = model<Sums>();
  const auto code = [&](const Select& select) {
    const auto page = sums.select(select);
    return page ? Errc::internal : page.error().code;
  };
  EXPECT_EQ(code({.where = {{"none", Compare::equal, 1}}}), Errc::invalid);
  EXPECT_EQ(code({.where = {{"owner", Compare::equal, 1}}}), Errc::invalid);
  EXPECT_EQ(code({.where = {{"sum", Compare::equal, "1"}}}), Errc::invalid);
  EXPECT_EQ(code({.where = std::vector<Where>(17, {"sum", Compare::equal, 1})}), Errc::invalid);
  EXPECT_EQ(code({.order_by = {"note"}}), Errc::invalid);
  EXPECT_EQ(code({.order_by = {"owner\" --"}}), Errc::invalid);
  EXPECT_EQ(code({.limit = 0}), Errc::invalid);
  EXPECT_EQ(code({.limit = 1'001}), Errc::invalid);
  EXPECT_EQ(code({.cursor = "AAAA"}), Errc::invalid);
  EXPECT_EQ(sums.total({.sums = {"owner"}}).error().code, Errc::invalid);
  EXPECT_EQ(sums.total({.group_by = {"none"}}).error().code, Errc::invalid);
}

TEST_F(ReaderTest, SaysThatAReadModelIsNotThereYet) {
  EXPECT_EQ(model<Sums>().view(std::chrono::milliseconds{50}).error().code, Errc::unavailable);
}

TEST_F(ReaderTest, GivesOneStateToAllAnswersOfAView) {
  pay("account-1", 1);
  catch_up();
  const auto payments = model<Payments>();
  auto view = payments.view().value();
  EXPECT_EQ(view.total({})->at(0).count, 1U);
  pay("account-1", 2);
  ASSERT_TRUE(engine_.wait_until("payments", Position{2}, seconds{10}));
  EXPECT_EQ(view.total({})->at(0).count, 1U);
  EXPECT_EQ(view.position(), Position{1});
  EXPECT_EQ(payments.total({})->at(0).count, 2U);
}

TEST_F(ReaderTest, HasABoundedNumberOfConnections) {
  pay("account-1", 1);
  catch_up();
  const auto sums = model<Sums>(2);
  auto first = sums.view();
  {
    auto second = sums.view();
    ASSERT_TRUE(first && second);
    EXPECT_EQ(sums.view(milliseconds{10}).error().code, Errc::timed_out);
  }
  EXPECT_TRUE(sums.view(milliseconds{10}));
}

// Goal: an answer is of one committed state, and states never go back. Method: readers add up
// payments and compare with the position while a writer appends payments of 1.
TEST_F(ReaderTest, AnswersFromWholeStatesThatNeverGoBackWhileEventsArrive) {
  engine_.start();
  pay("account-1", 1);
  ASSERT_TRUE(engine_.wait_until("payments", Position{1}, seconds{10}));
  const auto payments = model<Payments>();
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      Position last{};
      while (!done) {
        auto view = payments.view();
        ASSERT_TRUE(view) << view.error().message << view.error().detail;
        const auto total = view->total({.sums = {"amount"}}).value().at(0);
        ASSERT_EQ(total.count, number(view->position()));
        ASSERT_EQ(total.sums[0], static_cast<std::int64_t>(total.count));
        ASSERT_GE(view->position(), last);
        last = view->position();
      }
    });
  }
  for (int i = 0; i < 400; ++i) pay("account-" + std::to_string(i % 5), 1);
  EXPECT_TRUE(engine_.wait_until("payments", store_->log_end(), seconds{20}));
  done = true;
  for (std::thread& reader : readers) reader.join();
}

TEST_F(ReaderTest, WaitsUntilARowShowsWhatATokenNames) {
  engine_.start();
  const auto sums = model<Sums>();
  for (std::uint64_t i = 1; i <= 100; ++i) {
    const Position position = pay("account-1", 1);
    const Token token{.epoch = store_->epoch(),
                      .position = position,
                      .stream_hash = hash_of_stream("account-1"),
                      .version = Version{i}};
    if (i == 1) {
      ASSERT_TRUE(engine_.wait_until("sums", position, seconds{10}));
    }
    const auto found = find_showing(engine_, sums, "1", token, seconds{10});
    ASSERT_TRUE(found) << found.error().message;
    ASSERT_TRUE(*found);
    ASSERT_GE((*found)->version, token.version);
    ASSERT_EQ((*found)->row.count, static_cast<std::int64_t>(i));
  }
  const Token future{.epoch = store_->epoch(), .position = Position{1'000}};
  const auto late = find_showing(engine_, sums, "1", future, milliseconds{20});
  EXPECT_EQ(late.error().code, Errc::timed_out);

  // The row of the token's own stream answers by its version, although the projection stands.
  ASSERT_TRUE(engine_.pause("sums"));
  const Token own{.epoch = store_->epoch(),
                  .position = Position{1'000},
                  .stream_hash = hash_of_stream("account-1"),
                  .version = Version{100}};
  EXPECT_TRUE(find_showing(engine_, sums, "1", own, milliseconds{20}));
}

}  // namespace
}  // namespace stele::query
