// Custom projections: batches told to the user's own SQL.

#include "projection/testing/engine_fixture.h"
#include "stele/custom_projection.h"

namespace stele::projection::testing {
namespace {

/// Adds payments up by stream, in a table of its own.
struct Volume {
  static constexpr auto name = "volume";
  static constexpr int generation = 1;
  static constexpr auto category = "account";
  using Events = stele::Events<Paid>;
  static constexpr auto tables =
      "CREATE TABLE volume(position INTEGER PRIMARY KEY, stream TEXT, amount INTEGER);"
      "CREATE VIEW total AS SELECT stream, sum(amount) AS amount FROM volume GROUP BY stream;";
  static inline std::atomic<bool> throws{false};

  static std::vector<Result<void>> apply(std::span<const EventView> events, SqlClient& sql) {
    std::vector<Result<void>> results;
    for (const EventView& event : events) {
      const auto paid = decode_event<Paid>(event);
      if (throws && paid && paid->amount == 13) throw std::runtime_error{"thirteen"};
      if (paid && paid->amount == 99) {
        results.emplace_back(fail(Errc::invalid, "Ninety-nine is refused."));
        continue;
      }
      const Cell cells[] = {Cell{static_cast<std::int64_t>(number(event.position))},
                            Cell{event.stream}, Cell{paid ? paid->amount : 0}};
      const auto done = sql.execute("INSERT INTO volume VALUES(?1,?2,?3)", cells);
      results.emplace_back(done ? Result<void>{} : std::unexpected{done.error()});
    }
    return results;
  }
  static Result<void> forget(Position after, SqlClient& sql) {
    const Cell cells[] = {Cell{static_cast<std::int64_t>(number(after))}};
    const auto done = sql.execute("DELETE FROM volume WHERE position>?1", cells);
    return done ? Result<void>{} : std::unexpected{done.error()};
  }
};

/// Does what the sink must refuse.
struct Rude {
  static constexpr auto name = "rude";
  static constexpr int generation = 1;
  using Events = stele::Events<Paid>;
  static constexpr auto tables = "CREATE TABLE rude(a)";
  static std::vector<Result<void>> apply(std::span<const EventView> events, SqlClient& sql) {
    const auto done = sql.execute(" \n COMMIT");
    return std::vector<Result<void>>(events.size(),
                                     done ? Result<void>{} : std::unexpected{done.error()});
  }
};

class CustomTest : public EngineTest {
 protected:
  void SetUp() override { Volume::throws = false; }
  [[nodiscard]] std::map<std::string, std::int64_t> volumes() const {
    ProjectionSpec spec = make_custom<Volume>()->spec();
    const auto database = sqlite::Database::open(sqlite_file(folder_.path(), spec)).value();
    std::map<std::string, std::int64_t> all;
    auto select = database->prepare("SELECT stream, amount FROM total").value();
    while (select.step().value()) all[std::string{select.text(0)}] = select.int64(1);
    return all;
  }
  using Volumes = std::map<std::string, std::int64_t>;
};

TEST_F(CustomTest, WritesItsOwnTablesAndIsRebuiltParkedAndRetriedAsOthersAre) {
  const auto running = engine();
  ASSERT_TRUE(running->add(make_custom<Volume>(), place()));
  running->start();
  pay("account-a", 1);
  pay("account-b", 2);
  pay("account-a", 99);
  pay("account-b", 3);
  pay("other-c", 3);
  ASSERT_TRUE(running->wait_until("volume", store_->log_end(), seconds{10}));
  EXPECT_EQ(running->parked("volume", "", 10)->at(0).key, "account-a");
  EXPECT_EQ(volumes(), (Volumes{{"account-a", 1}, {"account-b", 5}}));
  EXPECT_FALSE(running->retry("volume", "account-a"));

  ASSERT_TRUE(running->rebuild({}, {.from = Position{2}}));
  ASSERT_TRUE(running->wait_until("volume", store_->log_end(), seconds{10}));
  EXPECT_EQ(volumes(), (Volumes{{"account-a", 1}, {"account-b", 5}}));
  ASSERT_TRUE(running->reset("volume"));
  ASSERT_TRUE(running->wait_until("volume", store_->log_end(), seconds{10}));
  EXPECT_EQ(volumes(), (Volumes{{"account-a", 1}, {"account-b", 5}}));
}

TEST_F(CustomTest, FindsTheEventOnWhichItThrows) {
  Volume::throws = true;
  for (int i = 0; i < 20; ++i) pay("account-" + std::to_string(i % 3), i);
  const auto running = engine();
  ASSERT_TRUE(running->add(make_custom<Volume>(), place()));
  running->start();
  ASSERT_TRUE(running->wait_until("volume", store_->log_end(), seconds{10}));
  const auto parked = running->parked("volume", "", 10).value();
  ASSERT_EQ(parked.size(), 1U);
  EXPECT_EQ(parked[0].key, "account-1");
  EXPECT_EQ(parked[0].from_position, Position{14});
  Volume::throws = false;
  ASSERT_TRUE(running->retry("volume", "account-1"));
  EXPECT_EQ(volumes().at("account-1"), 1 + 4 + 7 + 10 + 13 + 16 + 19);
}

TEST_F(CustomTest, MayNotEndTheBatchesTransaction) {
  pay("account-a", 1);
  const auto running = engine();
  ASSERT_TRUE(running->add(make_custom<Rude>(), place(), {.on_error = OnError::pause}));
  running->start();
  ASSERT_TRUE(soon([&] { return running->status("rude")->state == State::failed; }));
  EXPECT_NE(running->status("rude")->last_error.find("transactions"), std::string::npos)
      << running->status("rude")->last_error;
}

}  // namespace
}  // namespace stele::projection::testing
