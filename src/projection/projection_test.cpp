#include "stele/projection.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <string>
#include <vector>

#include "projection/testing/sample.h"

namespace stele::projection::testing {
namespace {

enum class Colour : std::uint8_t { red, green };
STELE_DESCRIBE_ENUM_AS(Colour, (Colour::red, "RED"), (Colour::green, "GREEN"));

struct Everything {
  bool truth = false;
  std::int64_t whole = 0;
  std::uint32_t small = 0;
  double real = 0;
  std::string text;
  Uuid id;
  Money first;
  Colour colour = Colour::red;
  std::optional<Money> second;
  Timestamp time{};
  Version version{};
  std::optional<std::string> maybe_text;
  std::optional<Timestamp> maybe_time;
};
STELE_DESCRIBE(Everything, truth, whole, small, real, text, id, first, colour, second, time,
               version, maybe_text, maybe_time);

struct OwnCurrency {
  Currency currency;
  Money balance;
};
STELE_DESCRIBE(OwnCurrency, currency, balance);

const Currency usd = *Currency::find("USD");

TEST(Row, HasAColumnForEachMemberAndOneCurrencyForItsMoney) {
  std::vector<std::string> names;
  for (const Column& column : columns_of<Everything>()) names.push_back(column.name);
  EXPECT_EQ(names, (std::vector<std::string>{"truth", "whole", "small", "real", "text", "id",
                                             "first", "colour", "second", "currency", "time",
                                             "version", "maybe_text", "maybe_time"}));
  const auto columns = columns_of<Everything>();
  EXPECT_EQ(columns[6], (Column{"first", ColumnType::money, false}));
  EXPECT_EQ(columns[8], (Column{"second", ColumnType::money, true}));
  EXPECT_EQ(columns[9], (Column{"currency", ColumnType::text, false}));
  EXPECT_EQ(columns_of<OwnCurrency>().size(), 2U);
}

TEST(Row, ComesBackFromItsCellsAsItWas) {
  Everything row{.truth = true,
                 .whole = std::numeric_limits<std::int64_t>::min(),
                 .small = std::numeric_limits<std::uint32_t>::max(),
                 .real = -0.25,
                 .text = std::string{"a\0b", 3},
                 .id = {},
                 .first = Money{1'234, usd},
                 .colour = Colour::green,
                 .second = Money{-5, usd},
                 .time = Timestamp{-1},
                 .version = Version{7},
                 .maybe_text = "",
                 .maybe_time = std::nullopt};
  row.id.bytes[3] = 0xab;
  RowWriter writer;
  const auto cells = writer.write(row);
  ASSERT_TRUE(cells) << cells.error().message;
  const auto read = read_row<Everything>(*cells);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->whole, row.whole);
  EXPECT_EQ(read->small, row.small);
  EXPECT_EQ(read->text, row.text);
  EXPECT_EQ(read->id, row.id);
  EXPECT_EQ(read->first, row.first);
  EXPECT_EQ(read->second, row.second);
  EXPECT_EQ(read->colour, Colour::green);
  EXPECT_EQ(read->time, row.time);
  EXPECT_EQ(read->version, row.version);
  EXPECT_EQ(read->maybe_text, "");
  EXPECT_EQ(read->maybe_time, std::nullopt);

  RowWriter other;
  const auto own = other.write(OwnCurrency{.currency = usd, .balance = Money{5, usd}});
  ASSERT_TRUE(own);
  EXPECT_EQ(read_row<OwnCurrency>(*own)->balance, (Money{5, usd}));
}

TEST(Row, IsRefusedWhenItsMoneyOverflowedOrMixesCurrencies) {
  RowWriter writer;
  Everything row;
  row.first = Money{std::numeric_limits<std::int64_t>::max(), usd} + Money{1, usd};
  EXPECT_EQ(writer.write(row).error().code, Errc::invalid);
  row.first = Money{1, usd};
  row.second = Money{1, *Currency::find("JPY")};
  const auto mixed = writer.write(row);
  ASSERT_FALSE(mixed);
  EXPECT_NE(mixed.error().message.find("\"second\""), std::string::npos);
}

TEST(Row, DoesNotFitCellsOfAnotherTable) {
  const Cell cells[] = {Cell{std::string_view{"text"}}, Cell{std::int64_t{5}}};
  EXPECT_EQ(read_row<DayRow>(cells).error().code, Errc::corrupt);
  EXPECT_EQ(read_row<DayRow>(std::span{cells}.first(1)).error().code, Errc::corrupt);
}

TEST(At, TakesTheTimeOfOccurrenceFromTheMetadata) {
  const auto occurred = [](std::string_view metadata) {
    EventView event;
    event.recorded_at = Timestamp{5};
    event.metadata = metadata;
    return at_of(event).occurred_at;
  };
  EXPECT_EQ(occurred(""), Timestamp{5});
  EXPECT_EQ(occurred(R"({"actor":"a"})"), Timestamp{5});
  EXPECT_EQ(occurred(R"({"occurred_at":"1970-01-01T00:00:01Z"})"), Timestamp{1'000'000});
  EXPECT_EQ(occurred(R"({"a":{"occurred_at":"1970-01-01T00:00:01Z"}})"), Timestamp{5});
  EXPECT_EQ(occurred(R"({"occurred_at":"soon"})"), Timestamp{5});
  EXPECT_EQ(occurred(R"({"occurred_at":7})"), Timestamp{5});
  EXPECT_EQ(occurred(R"({"occurred_at")"), Timestamp{5});
}

TEST(ProjectionSpec, IsRefusedWithNamesThatNoSinkCanHold) {
  ProjectionSpec spec{.name = "good_1",
                      .filter = {},
                      .columns = {{"a", ColumnType::text, false}},
                      .indexes = {{"a", "row_version"}},
                      .category = {}};
  EXPECT_TRUE(check_spec(spec));
  for (const std::string name : {"", "Bad", "1a", "a-b", "a b", "a\"b"}) {
    spec.name = name;
    EXPECT_EQ(check_spec(spec).error().code, Errc::invalid) << name;
  }
  spec.name = "good";
  spec.generation = 0;
  EXPECT_FALSE(check_spec(spec));
  spec.generation = 1;
  spec.indexes = {{"none"}};
  EXPECT_FALSE(check_spec(spec));
  spec.indexes = {};
  spec.columns.push_back({"row_key", ColumnType::text, false});
  EXPECT_FALSE(check_spec(spec));
}

/// Rows in memory, and how often they were asked for and put.
class MemoryRows final : public RowStore {
 public:
  Result<void> load(std::span<const std::string_view> keys, const OnRow& on_row) override {
    loads += keys.size();
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto found = rows.find(keys[i]);
      if (found == rows.end()) continue;
      RowWriter writer;
      const auto given = on_row(i, {.version = found->second.version,
                                    .position = found->second.position,
                                    .cells = writer.write(found->second.row).value()});
      if (!given) return given;
    }
    return {};
  }
  Result<void> put(const RowWrite& row) override {
    ++puts;
    rows[std::string{row.key}] = {read_row<SumRow>(row.cells).value(), row.version, row.position};
    return {};
  }
  struct Stored {
    SumRow row;
    Version version{};
    Position position{};
  };
  std::map<std::string, Stored, std::less<>> rows;
  std::size_t loads = 0;
  std::size_t puts = 0;
};

EventView paid(Position position, Version version, std::string_view stream, std::string_view data) {
  EventView event;
  event.position = position;
  event.version = version;
  event.stream = stream;
  event.type = "Paid";
  event.data = data;
  return event;
}

constexpr std::string_view five = R"({"amount":5,"day":"2026-01-01"})";

TEST(Fold, LoadsAndWritesEachRowOnceInABatch) {
  const auto fold = make_fold<Sums>();
  MemoryRows rows;
  std::vector<EventView> events;
  for (std::uint64_t i = 1; i <= 100; ++i) {
    events.push_back(paid(Position{i}, Version{i}, i % 2 == 0 ? "account-a" : "account-b", five));
  }
  std::vector<const EventView*> batch;
  for (const EventView& event : events) batch.push_back(&event);
  ASSERT_TRUE(fold->project(batch, rows));
  EXPECT_EQ(rows.loads, 2U);
  EXPECT_EQ(rows.puts, 2U);
  EXPECT_EQ(rows.rows.at("a").row.sum, 250);
  EXPECT_EQ(rows.rows.at("a").version, Version{100});
  EXPECT_EQ(rows.rows.at("b").position, Position{99});
}

TEST(Fold, SkipsWhatARowAlreadyShows) {
  const auto fold = make_fold<Sums>();
  MemoryRows rows;
  const EventView first = paid(Position{1}, Version{1}, "account-a", five);
  const EventView second = paid(Position{2}, Version{2}, "account-a", five);
  const EventView* one[] = {&first};
  const EventView* both[] = {&first, &second};
  ASSERT_TRUE(fold->project(one, rows));
  ASSERT_TRUE(fold->project(both, rows));
  ASSERT_TRUE(fold->project(both, rows));
  EXPECT_EQ(rows.rows.at("a").row.sum, 10);
  EXPECT_EQ(rows.puts, 2U);
}

TEST(Fold, NamesTheEventThatItCannotApply) {
  const auto fold = make_fold<Superstitious>();
  MemoryRows rows;
  const EventView good = paid(Position{1}, Version{1}, "account-a", five);
  const EventView bad =
      paid(Position{2}, Version{2}, "account-a", R"({"amount":13,"day":"2026-01-01"})");
  const EventView none = paid(Position{3}, Version{3}, "account-a", R"({"amount":"?"})");
  const EventView* thrown[] = {&good, &bad};
  auto failed = fold->project(thrown, rows);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().index, 1U);
  EXPECT_EQ(failed.error().error.detail, "thirteen");
  EXPECT_NE(failed.error().error.message.find("position 2"), std::string::npos);

  const EventView* undecodable[] = {&good, &none};
  failed = fold->project(undecodable, rows);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().index, 1U);
  EXPECT_EQ(failed.error().error.code, Errc::corrupt);
  EXPECT_EQ(rows.puts, 0U);
}

}  // namespace
}  // namespace stele::projection::testing
