// Goal: whatever a person tells a projection, whatever its code and its sink do, and whenever it is
// killed: what is read is what the log says up to the position of the answer (less what is parked),
// and no reader ever goes back in time.
// Method: random commands against a naive model, the rows computed again from the log at moments
// when nothing moves, while readers watch positions all the time.

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "observe/logger.h"
#include "projection/engine.h"
#include "projection/sqlite/sqlite_generations.h"
#include "projection/testing/flaky_sink.h"
#include "projection/testing/sample.h"
#include "projection/testing/scratch_folder.h"
#include "query/sqlite_reader.h"

namespace stele::query {
namespace {

using projection::Engine;
using projection::EngineOptions;
using projection::Parked;
using projection::testing::Faults;
using projection::testing::FlakyGenerations;
using projection::testing::Opened;
using projection::testing::Paid;
using projection::testing::Picky;
using projection::testing::PickyDays;
using projection::testing::PickyPayments;
using projection::testing::strict;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* names[] = {"picky", "picky_days", "picky_payments"};
constexpr EngineOptions quick{.batch_events_max = 16,
                              .attempts_max = 1'000'000,
                              .park_attempts_max = 2,
                              .backoff_first = std::chrono::microseconds{100},
                              .backoff_max = milliseconds{1},
                              .log_wait_max = milliseconds{5}};

class RandomVerbs : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  void SetUp() override { strict = true; }
  void TearDown() override { strict = true; }

  void start() {
    engine_ = std::make_unique<Engine>(*store_, system_clock(), observe::null_logger(), quick);
    const auto place = [&] {
      return std::make_shared<FlakyGenerations>(projection::make_sqlite_generations(folder_.path()),
                                                faults_);
    };
    ASSERT_TRUE(engine_->add(make_fold<Picky>(), place()));
    ASSERT_TRUE(engine_->add(make_fold<PickyDays>(), place()));
    ASSERT_TRUE(engine_->add(make_map<PickyPayments>(), place()));
    engine_->start();
  }

  // What the log says up to `to`, without what is parked.
  template <typename P, typename Each>
  std::map<std::string, typename P::Row> expected(Position to, Each each) const {
    std::map<std::string, Position> parked;
    for (const Parked& one : std::vector<Parked>{engine_->parked(P::name, "", 1'000).value()}) {
      parked[one.key] = one.from_position;
    }
    const auto waits = [&](const std::string& key, Position at) {
      const auto found = parked.find(key);
      return found != parked.end() && found->second <= at;
    };
    std::map<std::string, typename P::Row> rows;
    const auto page = store_->read_all(Position{}, {}, 10'000).value();
    for (const EventView& event : page.events) {
      if (event.position <= to) each(rows, event, waits);
    }
    return rows;
  }

  template <typename P>
  void compare(const std::map<std::string, typename P::Row>& rows, ReadView<P>& view) {
    const auto page = view.select({.limit = 1'000}).value();
    std::map<std::string, typename P::Row> shown;
    for (const auto& found : page.rows) shown.emplace(found.key, found.row);
    EXPECT_EQ(shown, rows) << P::name << " at " << number(view.position());
  }

  // Nothing moves now, or only empties itself: then there is no view.
  void compare_all() {
    if (auto view = models_.sums.view()) {
      compare(expected<Picky>(view->position(),
                              [](auto& rows, const EventView& event, const auto& waits) {
                                const std::string key{id_of(event.stream)};
                                if (category_of(event.stream) != "account" ||
                                    waits(key, event.position)) {
                                  return;
                                }
                                if (event.type == "Paid") {
                                  projection::testing::Sums::apply(
                                      rows[key], decode_event<Paid>(event).value(), at_of(event));
                                } else if (event.type == "Opened") {
                                  projection::testing::Sums::apply(
                                      rows[key], decode_event<Opened>(event).value(), at_of(event));
                                }
                              }),
              *view);
    }
    if (auto view = models_.days.view()) {
      compare(expected<PickyDays>(view->position(),
                                  [](auto& rows, const EventView& event, const auto& waits) {
                                    if (event.type != "Paid") return;
                                    const Paid paid = decode_event<Paid>(event).value();
                                    const std::string key = PickyDays::key(paid, at_of(event));
                                    if (key.empty() || waits(key, event.position)) return;
                                    projection::testing::Days::apply(rows[key], paid, at_of(event));
                                  }),
              *view);
    }
    if (auto view = models_.payments.view()) {
      compare(expected<PickyPayments>(view->position(),
                                      [](auto& rows, const EventView& event, const auto& waits) {
                                        if (event.type != "Paid" ||
                                            waits(std::string{event.stream}, event.position)) {
                                          return;
                                        }
                                        const auto made = projection::testing::Payments::map(
                                            decode_event<Paid>(event).value(), at_of(event));
                                        rows[event.id.text()] = *made.items()[0].row;
                                      }),
              *view);
    }
  }

  void quiet() {
    faults_.calls_left = -1;
    faults_.lost_answers = 0;
    for (const char* name : names) {
      (void)engine_->resume(name);
      const auto reached = engine_->wait_until(name, store_->log_end(), seconds{30});
      ASSERT_TRUE(reached) << reached.error().message << reached.error().detail;
    }
    compare_all();
  }

  void append_some() {
    const std::string stream = (pick(5) == 0 ? "other-" : "account-") + std::to_string(pick(6));
    const Paid paid{.amount = static_cast<std::int64_t>(pick(7) == 0 ? 13 : pick(9)),
                    .day = Timestamp{static_cast<std::int64_t>(pick(4)) * 86'400'000'000}};
    if (pick(4) == 0) {
      projection::testing::append(*store_, stream, Opened{.owner = "o", .note = {}}, paid);
    } else {
      projection::testing::append(*store_, stream, paid);
    }
  }

  void tell() {
    const std::string name = names[pick(3)];
    switch (pick(9)) {
      case 0:
        return (void)engine_->pause(name);
      case 1:
        return (void)engine_->resume(name);
      case 2:
        return (void)engine_->reset(name);
      case 3:
        return (void)engine_->rebuild({}, {.side_by_side = pick(2) == 0});
      case 4:
        return (void)engine_->rebuild({&name, 1}, {.side_by_side = true});
      case 5:
        return (void)engine_->promote(name);
      case 6:
        return (void)engine_->roll_back(name);
      case 7: {
        const auto status = engine_->status(name).value();
        const auto& all = status.generations;
        if (!all.empty()) (void)engine_->drop(name, all[pick(all.size())].generation);
        return;
      }
      default:
        for (const Parked& each : std::vector<Parked>{engine_->parked(name, "", 10).value()}) {
          (void)engine_->retry(name, each.key);
        }
    }
  }

  std::uint64_t pick(std::uint64_t below) { return random_() % below; }

  projection::testing::ScratchFolder folder_;
  std::unique_ptr<EventStore> store_ = make_memory_store();
  Faults faults_;
  std::mt19937_64 random_{GetParam()};
  std::unique_ptr<Engine> engine_;
  struct Models {
    explicit Models(const std::filesystem::path& folder)
        : sums{make_sqlite_reader(folder, make_fold<Picky>()->spec())},
          days{make_sqlite_reader(folder, make_fold<PickyDays>()->spec())},
          payments{make_sqlite_reader(folder, make_map<PickyPayments>()->spec())} {}
    ReadModel<Picky> sums;
    ReadModel<PickyDays> days;
    ReadModel<PickyPayments> payments;
  } models_{folder_.path()};
};

TEST_P(RandomVerbs, LeaveWhatTheLogSaysAndNeverLetAReaderGoBackInTime) {
  start();
  append_some();
  quiet();
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> answers{0};
  const auto watch = [&](const auto& model) {
    Position last{};
    while (!done) {
      auto view = model.view(milliseconds{1});
      if (!view) {
        ASSERT_EQ(view.error().code, Errc::unavailable) << view.error().message;
        std::this_thread::yield();
        continue;
      }
      ASSERT_GE(view->position(), last);
      last = view->position();
      ++answers;
      std::this_thread::sleep_for(std::chrono::microseconds{200});
    }
  };
  std::thread readers[] = {std::thread{[&] { watch(models_.sums); }},
                           std::thread{[&] { watch(models_.days); }},
                           std::thread{[&] { watch(models_.payments); }}};
  for (int step = 0; step < 160; ++step) {
    for (std::uint64_t i = pick(4); i > 0; --i) append_some();
    strict = pick(3) != 0;
    if (pick(4) == 0) faults_.calls_left = static_cast<int>(pick(40));
    if (pick(10) == 0) faults_.lost_answers = 1;
    if (pick(2) == 0) tell();
    if (pick(40) == 0) {
      faults_.broken = true;  // Nothing more reaches the files: as if it were killed.
      engine_.reset();
      faults_.broken = false;
      start();
    }
    if (pick(16) == 0) quiet();
  }
  strict = false;
  quiet();
  for (const char* name : names) {
    for (const Parked& each : std::vector<Parked>{engine_->parked(name, "", 1'000).value()}) {
      const auto retried = engine_->retry(name, each.key);
      EXPECT_TRUE(retried) << retried.error().message;
    }
  }
  compare_all();
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(answers, 100U);
  const auto all = projection::testing::fold_naively(*store_);
  auto view = models_.sums.view().value();
  compare(all.sums, view);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomVerbs, ::testing::Values(1U, 2U, 3U));

}  // namespace
}  // namespace stele::query
