// One writer at a time: what an append promises, what reads give, every limit.

#include "store/testing/store_contract.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "store/validate.h"

namespace stele::testing {

using namespace std::chrono_literals;

namespace {

class InMemory final : public StoreUnderTest {
 public:
  EventStore& store() override { return *store_; }
  bool durable() const override { return false; }
  void reopen() override {}

 private:
  std::unique_ptr<EventStore> store_ = make_memory_store();
};

AppendId id_of(std::uint8_t n) {
  AppendId id;
  id.bytes.fill(0xA0);
  id.bytes[15] = n;
  return id;
}

Condition none_of(std::initializer_list<QueryItem> items, Position after = {}) {
  return {.fail_if = items, .after = after};
}

/// Text of exactly `size` bytes.
std::string text(std::size_t size) { return std::string(size, 'x'); }

}  // namespace

bool link_store_contract() { return true; }
std::unique_ptr<StoreUnderTest> in_memory() { return std::make_unique<InMemory>(); }

bool is_accepted(const Result<AppendOutcome>& outcome) {
  const auto* appended = outcome ? std::get_if<Appended>(&*outcome) : nullptr;
  return appended != nullptr && !appended->replayed;
}
bool is_replayed(const Result<AppendOutcome>& outcome) {
  const auto* appended = outcome ? std::get_if<Appended>(&*outcome) : nullptr;
  return appended != nullptr && appended->replayed;
}
const Conflict* conflict_of(const Result<AppendOutcome>& outcome) {
  return outcome ? std::get_if<Conflict>(&*outcome) : nullptr;
}
std::optional<Errc> error_of(const Result<AppendOutcome>& outcome) {
  if (outcome) return std::nullopt;
  return outcome.error().code;
}

Result<AppendOutcome> StoreContract::append(std::string_view stream, Expected expected,
                                            std::initializer_list<NewEvent> events,
                                            std::optional<AppendId> id,
                                            std::optional<Condition> condition) {
  const StreamAppend one{
      .stream = stream, .expected = expected, .events = {events.begin(), events.size()}};
  return store().append(
      {.id = id, .streams = {&one, 1}, .condition = std::move(condition), .digest = {}});
}

Appended StoreContract::must_append(std::string_view stream,
                                    std::initializer_list<NewEvent> events) {
  const auto outcome = append(stream, Expected::any(), events);
  EXPECT_TRUE(is_accepted(outcome)) << (outcome ? "a conflict" : outcome.error().message);
  return is_accepted(outcome) ? std::get<Appended>(*outcome) : Appended{};
}

std::vector<EventView> StoreContract::all(const Filter& filter, Position after) {
  std::vector<EventView> out;
  while (true) {
    auto page = store().read_all(after, filter, 100);
    EXPECT_TRUE(page) << page.error().message;
    if (!page) return out;
    out.insert(out.end(), page->events.begin(), page->events.end());
    EXPECT_GE(page->looked_to, after);
    EXPECT_LE(page->looked_to, page->log_end);
    if (!page->events.empty()) {
      EXPECT_LE(page->events.back().position, page->looked_to);
    }
    after = page->looked_to;
    const bool done = after >= page->log_end;
    kept_.push_back(std::move(page->events));
    if (done) return out;
  }
}

std::vector<EventView> StoreContract::stream_events(std::string_view stream) {
  auto page = store().read_stream(stream, Version{}, limits::read_events_max, Direction::forward);
  EXPECT_TRUE(page) << page.error().message;
  kept_.push_back(std::move(page->events));
  return {kept_.back().begin(), kept_.back().end()};
}

TEST_P(StoreContract, ReturnsEventsInTheOrderTheyWereAppended) {
  const Appended first = must_append("account-1", {event("Opened"), event("Deposited", "50")});
  const Appended second = must_append("account-2", {event("Opened")});
  EXPECT_EQ(first.first, Position{1});
  EXPECT_EQ(first.last, Position{2});
  EXPECT_EQ(second.first, Position{3});
  EXPECT_EQ(store().log_end(), Position{3});
  reopen_if_durable();
  const auto events = all();
  ASSERT_EQ(events.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(events[i].position, Position{i + 1});
  EXPECT_EQ(events[0].type, "Opened");
  EXPECT_EQ(events[1].data, "50");
  EXPECT_EQ(events[1].stream, "account-1");
  EXPECT_EQ(events[1].version, Version{2});
  EXPECT_EQ(events[2].version, Version{1});
}

TEST_P(StoreContract, SaysWhereEachStreamStandsAfterAnAppend) {
  const Appended appended = must_append("account-1", {event("A"), event("B")});
  ASSERT_EQ(appended.streams.size(), 1U);
  EXPECT_EQ(appended.streams[0].version, Version{2});
  EXPECT_EQ(appended.streams[0].tip, tip_of(stream_events("account-1").back().id));
  EXPECT_EQ(tip("account-1"), appended.streams[0]);
  EXPECT_EQ(tip("account-2"), StreamState{});
}

TEST_P(StoreContract, MakesUniqueVersionSevenIdsAndKeepsThoseThatWereGiven) {
  must_append("account-1", {event("A"), event("B")});
  NewEvent given = event("C");
  given.id = id_of(1);
  const Appended appended = must_append("account-1", {given});
  EXPECT_EQ(appended.streams[0].tip, tip_of(given.id));
  reopen_if_durable();
  const auto events = all();
  ASSERT_EQ(events.size(), 3U);
  EXPECT_NE(events[0].id, events[1].id);
  EXPECT_EQ(events[0].id.bytes[6] >> 4, 7);
  EXPECT_EQ(events[0].id.bytes[8] >> 6, 2);
  EXPECT_EQ(events[2].id, given.id);
  EXPECT_EQ(tip("account-1").tip, tip_of(given.id));
}

TEST_P(StoreContract, GivesBackEveryPartOfAnEvent) {
  const std::string longest = text(limits::tag_size_max);
  const std::vector<std::string_view> tags{"course:c1", "tag \xC3\xBC", longest};
  NewEvent full{.type = "Deposited",
                .data = "{ \"b\" : 1.50, \"a\":\"\\u0000\" }",
                .content_type = "application/json; v=1",
                .metadata = R"({"actor": "ann"})",
                .tags = tags,
                .schema_version = 65'535,
                .key_id = "key-7"};
  const Appended appended = must_append("account-1", {full});
  reopen_if_durable();
  const auto events = all();
  ASSERT_EQ(events.size(), 1U);
  const EventView& back = events[0];
  EXPECT_EQ(back.type, full.type);
  EXPECT_EQ(back.data, full.data);
  EXPECT_EQ(back.content_type, full.content_type);
  EXPECT_EQ(back.metadata, full.metadata);
  EXPECT_EQ(back.schema_version, full.schema_version);
  EXPECT_EQ(back.key_id, full.key_id);
  EXPECT_TRUE(std::ranges::equal(back.tags, tags));
  EXPECT_EQ(back.append_id, appended.id);
  EXPECT_EQ(back.recorded_at, appended.recorded_at);
  EXPECT_GT(micros(back.recorded_at), 0);
}

TEST_P(StoreContract, KeepsTheBytesOfDataWhateverTheyAre) {
  std::string every(256, '\0');
  std::iota(every.begin(), every.end(), '\0');
  const std::vector<std::string> datas{"",
                                       std::string(3, '\0'),
                                       every,
                                       "\xFF\xFE\xC0",
                                       "{\"a\" : 1}\n",
                                       std::string(5'000, '\x80'),
                                       "\xED\xA0\x80"};
  for (const std::string& data : datas) {
    NewEvent bytes = event("Bytes", data);
    bytes.content_type = "application/octet-stream";
    must_append("blob-1", {bytes});
  }
  reopen_if_durable();
  const auto events = stream_events("blob-1");
  ASSERT_EQ(events.size(), datas.size());
  for (std::size_t i = 0; i < datas.size(); ++i) EXPECT_EQ(events[i].data, datas[i]) << i;
}

TEST_P(StoreContract, NeverLetsTheRecordedTimeGoBack) {
  for (int i = 0; i < 50; ++i) must_append("account-1", {event("A")});
  const auto events = all();
  EXPECT_TRUE(std::ranges::is_sorted(events, {}, &EventView::recorded_at));
}

TEST_P(StoreContract, JudgesNoneSomeAnyAndExactly) {
  EXPECT_NE(conflict_of(append("account-1", Expected::some(), {event("A")})), nullptr);
  EXPECT_NE(conflict_of(append("account-1", Expected::exactly(Version{1}), {event("A")})), nullptr);
  EXPECT_TRUE(is_accepted(append("account-1", Expected::none(), {event("A")})));
  EXPECT_NE(conflict_of(append("account-1", Expected::none(), {event("A")})), nullptr);
  EXPECT_TRUE(is_accepted(append("account-1", Expected::some(), {event("A")})));
  EXPECT_TRUE(is_accepted(append("account-1", Expected::any(), {event("A")})));
  EXPECT_TRUE(is_accepted(append("account-1", Expected::exactly(Version{3}), {event("A")})));
  EXPECT_NE(conflict_of(append("account-1", Expected::exactly(Version{3}), {event("A")})), nullptr);
  EXPECT_TRUE(is_accepted(append("account-2", Expected::exactly(Version{0}), {event("A")})));
  EXPECT_TRUE(is_accepted(append("account-3", Expected::exactly(Version{0}, Tip{}), {event("A")})));
  EXPECT_EQ(tip("account-1").version, Version{4});
}

TEST_P(StoreContract, ComparesTheTipAsWellWhenItIsGiven) {
  must_append("account-1", {event("A")});
  const StreamState at = tip("account-1");
  const auto wrong =
      append("account-1", Expected::exactly(at.version, Tip{number(at.tip) ^ 1}), {event("B")});
  ASSERT_NE(conflict_of(wrong), nullptr);
  EXPECT_EQ(conflict_of(wrong)->streams[0].found, at);
  EXPECT_TRUE(
      is_accepted(append("account-1", Expected::exactly(at.version, at.tip), {event("B")})));
}

TEST_P(StoreContract, SaysInAConflictWhatWasFoundAndWhere) {
  must_append("account-2", {event("A"), event("B")});
  const NewEvent one = event("C");
  const std::vector<StreamAppend> streams{
      {.stream = "account-1", .expected = Expected::none(), .events = {&one, 1}},
      {.stream = "account-2", .expected = Expected::exactly(Version{7}), .events = {&one, 1}},
      {.stream = "account-3", .expected = Expected::some(), .events = {}}};
  const auto outcome = store().append({.streams = streams});
  const Conflict* conflict = conflict_of(outcome);
  ASSERT_NE(conflict, nullptr);
  ASSERT_EQ(conflict->streams.size(), 2U);
  EXPECT_EQ(conflict->streams[0].index, 1U);
  EXPECT_EQ(conflict->streams[0].found, tip("account-2"));
  EXPECT_EQ(conflict->streams[1].index, 2U);
  EXPECT_EQ(conflict->streams[1].found, StreamState{});
  EXPECT_FALSE(conflict->condition_position);
}

TEST_P(StoreContract, WritesSeveralStreamsWholeOrNotAtAll) {
  const std::vector<NewEvent> two{event("A", "1"), event("B", "2")};
  const auto write = [&](Expected of_second) {
    const std::vector<StreamAppend> streams{
        {.stream = "account-1", .expected = Expected::any(), .events = two},
        {.stream = "account-2", .expected = of_second, .events = two},
        {.stream = "account-3", .expected = Expected::none(), .events = {}}};
    return store().append({.streams = streams});
  };
  EXPECT_NE(conflict_of(write(Expected::some())), nullptr);
  EXPECT_EQ(store().log_end(), Position{0});
  EXPECT_EQ(tip("account-1"), StreamState{});
  const auto written = write(Expected::none());
  ASSERT_TRUE(is_accepted(written));
  const auto& appended = std::get<Appended>(*written);
  ASSERT_EQ(appended.streams.size(), 3U);
  EXPECT_EQ(appended.first, Position{1});
  EXPECT_EQ(appended.last, Position{4});
  EXPECT_EQ(appended.streams[1], tip("account-2"));
  EXPECT_EQ(appended.streams[2], StreamState{});
  reopen_if_durable();
  const auto events = all();
  ASSERT_EQ(events.size(), 4U);
  EXPECT_EQ(events[1].stream, "account-1");
  EXPECT_EQ(events[2].stream, "account-2");
  EXPECT_EQ(events[3].version, Version{2});
  EXPECT_EQ(events[0].append_id, events[3].append_id);
}

TEST_P(StoreContract, AnswersAPureCheckWithoutWritingOrRemembering) {
  must_append("account-1", {event("A")});
  const auto good = append("account-1", Expected::exactly(Version{1}), {}, id_of(1));
  ASSERT_TRUE(is_accepted(good));
  EXPECT_EQ(std::get<Appended>(*good).first, Position{0});
  EXPECT_EQ(std::get<Appended>(*good).last, Position{1});
  EXPECT_EQ(std::get<Appended>(*good).streams[0], tip("account-1"));
  EXPECT_NE(conflict_of(append("account-1", Expected::none(), {}, id_of(1))), nullptr);
  EXPECT_EQ(store().log_end(), Position{1});
  EXPECT_FALSE(store().find_append(id_of(1))->has_value());
  EXPECT_TRUE(is_accepted(append("account-1", Expected::any(), {event("B")}, id_of(1))));
}

TEST_P(StoreContract, GivesAKnownIdItsFirstAnswerAgain) {
  const auto first = append("account-1", Expected::none(), {event("A", "1")}, id_of(1));
  ASSERT_TRUE(is_accepted(first));
  must_append("account-1", {event("B")});
  for (int round = 0; round < 2; ++round) {
    // Its condition would fail by now: the id is looked up before conditions are judged.
    const auto again = append("account-1", Expected::none(), {event("A", "1")}, id_of(1));
    ASSERT_TRUE(is_replayed(again));
    const auto& a = std::get<Appended>(*first);
    const auto& b = std::get<Appended>(*again);
    EXPECT_EQ(a.id, b.id);
    EXPECT_EQ(a.digest, b.digest);
    EXPECT_EQ(a.first, b.first);
    EXPECT_EQ(a.last, b.last);
    EXPECT_EQ(a.recorded_at, b.recorded_at);
    EXPECT_EQ(a.streams, b.streams);
    reopen_if_durable();
  }
  EXPECT_EQ(store().log_end(), Position{2});
}

TEST_P(StoreContract, RefusesAKnownIdWithAnotherRequest) {
  ASSERT_TRUE(is_accepted(append("account-1", Expected::any(), {event("A", "1")}, id_of(1))));
  const auto reused = [&](std::string_view stream, Expected expected, NewEvent other) {
    return error_of(append(stream, expected, {other}, id_of(1))) == Errc::id_reused;
  };
  EXPECT_TRUE(reused("account-1", Expected::any(), event("A", "2")));
  EXPECT_TRUE(reused("account-1", Expected::any(), event("B", "1")));
  EXPECT_TRUE(reused("account-1", Expected::none(), event("A", "1")));
  EXPECT_TRUE(reused("account-2", Expected::any(), event("A", "1")));
  reopen_if_durable();
  EXPECT_TRUE(reused("account-1", Expected::any(), event("A", "2")));
  EXPECT_EQ(error_of(append("account-1", Expected::any(), {event("A", "1")}, id_of(1),
                            none_of({{.types = {"Z"}}}))),
            Errc::id_reused);
  EXPECT_EQ(store().log_end(), Position{1});
}

TEST_P(StoreContract, JudgesARefusedIdAgain) {
  EXPECT_NE(conflict_of(append("account-1", Expected::some(), {event("A")}, id_of(1))), nullptr);
  must_append("account-1", {event("B")});
  EXPECT_TRUE(is_accepted(append("account-1", Expected::some(), {event("A")}, id_of(1))));
}

TEST_P(StoreContract, ReplaysAPureCheckWhoseIdWasAccepted) {
  // How a rejection learns that its command was accepted meanwhile, elsewhere.
  const Digest digest{7};
  const NewEvent one = event("A");
  StreamAppend stream{.stream = "account-1", .expected = Expected::none(), .events = {&one, 1}};
  const auto ask = [&] {
    return store().append({.id = id_of(1), .streams = {&stream, 1}, .digest = digest});
  };
  ASSERT_TRUE(is_accepted(ask()));
  stream.events = {};
  const auto check = ask();
  ASSERT_TRUE(is_replayed(check));
  EXPECT_EQ(std::get<Appended>(*check).first, Position{1});
}

TEST_P(StoreContract, ReplaysAnAppendOfSeveralStreamsWithChecks) {
  must_append("account-3", {event("A")});
  const NewEvent one = event("A");
  const std::vector<StreamAppend> streams{
      {.stream = "account-3", .expected = Expected::exactly(Version{1}), .events = {}},
      {.stream = "account-1", .expected = Expected::none(), .events = {&one, 1}},
      {.stream = "account-2", .expected = Expected::none(), .events = {&one, 1}}};
  const auto ask = [&] { return store().append({.id = id_of(2), .streams = streams}); };
  const auto first = ask();
  ASSERT_TRUE(is_accepted(first));
  must_append("account-3", {event("B")});
  must_append("account-1", {event("B")});
  reopen_if_durable();
  const auto again = ask();
  ASSERT_TRUE(is_replayed(again));
  EXPECT_EQ(std::get<Appended>(*again).last, Position{3});
  EXPECT_EQ(std::get<Appended>(*again).streams, std::get<Appended>(*first).streams);
}

TEST_P(StoreContract, FindsAnAppendByItsId) {
  const auto first = append("account-1", Expected::any(), {event("A"), event("B")}, id_of(5));
  const auto& appended = std::get<Appended>(*first);
  reopen_if_durable();
  const auto found = store().find_append(id_of(5));
  ASSERT_TRUE(found && *found);
  EXPECT_TRUE((*found)->replayed);
  EXPECT_EQ((*found)->id, id_of(5));
  EXPECT_EQ((*found)->digest, appended.digest);
  EXPECT_EQ((*found)->first, Position{1});
  EXPECT_EQ((*found)->last, Position{2});
  EXPECT_EQ((*found)->recorded_at, appended.recorded_at);
  EXPECT_EQ((*found)->streams, appended.streams);
  EXPECT_FALSE(store().find_append(id_of(6))->has_value());
}

TEST_P(StoreContract, JudgesAConditionByTypesOrAndTagsAnd) {
  const std::vector<std::string_view> tags{"course:1", "student:1"};
  must_append("x-1", {event("Enrolled", "{}", tags)});
  const auto fails = [&](QueryItem item, Position after = {}) {
    const auto outcome = append("y-1", Expected::any(), {}, {}, none_of({std::move(item)}, after));
    const Conflict* conflict = conflict_of(outcome);
    EXPECT_TRUE(conflict != nullptr || is_accepted(outcome));
    if (conflict != nullptr) {
      EXPECT_EQ(conflict->condition_position, Position{1});
    }
    return conflict != nullptr;
  };
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(fails({.types = {"Enrolled"}}));
    EXPECT_TRUE(fails({.types = {"Left", "Enrolled"}}));
    EXPECT_FALSE(fails({.types = {"Left"}}));
    EXPECT_TRUE(fails({.tags = {"course:1"}}));
    EXPECT_TRUE(fails({.tags = {"student:1", "course:1"}}));
    EXPECT_FALSE(fails({.tags = {"student:1", "course:2"}}));
    EXPECT_TRUE(fails({.types = {"Enrolled"}, .tags = {"student:1"}}));
    EXPECT_FALSE(fails({.types = {"Left"}, .tags = {"student:1"}}));
    EXPECT_FALSE(fails({.types = {"Enrolled"}}, Position{1}));
    reopen_if_durable();
  }
  EXPECT_NE(conflict_of(append("y-1", Expected::any(), {event("E")}, {},
                               none_of({{.types = {"Left"}}, {.tags = {"course:1"}}}))),
            nullptr);
  EXPECT_EQ(tip("y-1"), StreamState{});
}

TEST_P(StoreContract, JudgesConditionAndStreamsTogether) {
  must_append("x-1", {event("A")});
  EXPECT_NE(
      conflict_of(append("y-1", Expected::some(), {event("B")}, {}, none_of({{.types = {"Z"}}}))),
      nullptr);
  EXPECT_NE(
      conflict_of(append("y-1", Expected::none(), {event("B")}, {}, none_of({{.types = {"A"}}}))),
      nullptr);
  // An append does not match its own condition.
  EXPECT_TRUE(
      is_accepted(append("y-1", Expected::none(), {event("B")}, {}, none_of({{.types = {"B"}}}))));
  EXPECT_NE(
      conflict_of(append("y-1", Expected::some(), {event("B")}, {}, none_of({{.types = {"B"}}}))),
      nullptr);
}

TEST_P(StoreContract, TellsApartNamesThatLookAlike) {
  const std::vector<std::string> names{"account-a",         "account-A",
                                       "Account-a",         "account-a ",
                                       "account- a",        "account-\xC3\xA4",
                                       "account-a\xCC\x88", "account-\xE1\xBA\x9E",
                                       "account-ss",        "account-a-b",
                                       "a-ccount-a",        "account-%",
                                       "account-_",         "account-\xEF\xBC\xA1",
                                       "account-'"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    for (std::size_t n = 0; n <= i; ++n) {
      const std::vector<std::string_view> tags{names[i]};
      must_append(names[i], {event(names[i], "{}", tags)});
    }
  }
  reopen_if_durable();
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(tip(names[i]).version, Version{i + 1}) << names[i];
    EXPECT_EQ(stream_events(names[i]).size(), i + 1) << names[i];
    EXPECT_EQ(all(Filter{.types = {names[i]}}).size(), i + 1) << names[i];
    EXPECT_EQ(all(Filter{.tags = {names[i]}}).size(), i + 1) << names[i];
  }
  EXPECT_EQ(all(Filter{.categories = {"Account"}}).size(), 3U);
  EXPECT_EQ(all(Filter{.categories = {"a"}}).size(), 11U);
}

TEST_P(StoreContract, FiltersByCategoriesTypesAndTags) {
  const std::vector<std::string_view> red{"red"};
  const std::vector<std::string_view> both{"red", "blue"};
  must_append("a-1", {event("X", "1", red), event("Y", "2")});
  must_append("b-1", {event("X", "3", both)});
  must_append("c-1", {event("Z", "4", both)});
  const auto datas = [&](const Filter& filter, Position after = {}) {
    std::string out;
    for (const EventView& each : all(filter, after)) out += each.data;
    return out;
  };
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(datas({}), "1234");
    EXPECT_EQ(datas({.categories = {"a"}}), "12");
    EXPECT_EQ(datas({.categories = {"a", "c"}}), "124");
    EXPECT_EQ(datas({.types = {"X"}}), "13");
    EXPECT_EQ(datas({.types = {"Z", "Y"}}), "24");
    EXPECT_EQ(datas({.tags = {"red"}}), "134");
    EXPECT_EQ(datas({.tags = {"blue", "red"}}), "34");
    EXPECT_EQ(datas({.categories = {"a", "b"}, .types = {"X"}, .tags = {"blue"}}), "3");
    EXPECT_EQ(datas({.categories = {"none"}}), "");
    EXPECT_EQ(datas({.types = {"X"}}, Position{1}), "3");
    EXPECT_EQ(datas({}, Position{4}), "");
    reopen_if_durable();
  }
}

TEST_P(StoreContract, ReadsInStepsAndSaysHowFarItLooked) {
  for (int i = 0; i < 25; ++i) must_append("a-" + std::to_string(i % 5), {event("X"), event("Y")});
  std::size_t seen = 0;
  Position after{};
  while (after < store().log_end()) {
    const auto page = store().read_all(after, Filter{.types = {"Y"}}, 3);
    ASSERT_TRUE(page);
    ASSERT_LE(page->events.size(), 3U);
    ASSERT_GT(page->looked_to, after);
    seen += page->events.size();
    after = page->looked_to;
  }
  EXPECT_EQ(seen, 25U);
  const auto none = store().read_all(Position{}, {}, 0);
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->events.empty());
  EXPECT_EQ(none->looked_to, Position{0});
}

TEST_P(StoreContract, ReadsAStreamInBothDirections) {
  for (int i = 1; i <= 5; ++i) {
    must_append("a-1", {event("E", std::to_string(i))});
    must_append("a-2", {event("F")});
  }
  const auto read = [&](std::uint64_t after, std::size_t limit, Direction direction) {
    const auto page = store().read_stream("a-1", Version{after}, limit, direction);
    EXPECT_TRUE(page);
    EXPECT_EQ(page->state, tip("a-1"));
    std::string out;
    for (const EventView& each : page->events) out += each.data;
    return out;
  };
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(read(0, 10, Direction::forward), "12345");
    EXPECT_EQ(read(2, 2, Direction::forward), "34");
    EXPECT_EQ(read(5, 2, Direction::forward), "");
    EXPECT_EQ(read(9, 2, Direction::forward), "");
    EXPECT_EQ(read(0, 10, Direction::backward), "54321");
    EXPECT_EQ(read(0, 2, Direction::backward), "54");
    EXPECT_EQ(read(4, 2, Direction::backward), "32");
    EXPECT_EQ(read(1, 2, Direction::backward), "");
    EXPECT_EQ(read(9, 2, Direction::backward), "54");
    reopen_if_durable();
  }
  const auto page = store().read_stream("a-9", Version{}, 10, Direction::backward);
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->events.empty());
  EXPECT_EQ(page->state, StreamState{});
}

TEST_P(StoreContract, KeepsWhatWasReadWhileOthersAppend) {
  must_append("a-1", {event("E", "before")});
  const auto page = store().read_all(Position{}, {}, 10);
  const std::vector<NewEvent> many(1'000, event("E", "after, and longer than before"));
  const StreamAppend stream{.stream = "a-1", .events = many};
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(is_accepted(store().append({.streams = {&stream, 1}})));
  EXPECT_EQ(page->events[0].data, "before");
  EXPECT_EQ(page->events[0].stream, "a-1");
}

TEST_P(StoreContract, TakesWhatIsAtALimitAndRefusesOneMore) {
  const auto outcome = [&](std::string_view stream, NewEvent one) {
    return append(stream, Expected::any(), {one});
  };
  const auto accepts_then_refuses = [&](auto&& make, std::size_t limit, Errc code) {
    EXPECT_TRUE(is_accepted(make(limit))) << limit;
    EXPECT_EQ(error_of(make(limit + 1)), code) << limit;
  };
  accepts_then_refuses([&](std::size_t n) { return outcome("a-" + text(n - 2), event("E")); },
                       limits::stream_name_size_max, Errc::invalid);
  accepts_then_refuses([&](std::size_t n) { return outcome("a-1", event(text(n))); },
                       limits::type_size_max, Errc::invalid);
  accepts_then_refuses(
      [&](std::size_t n) {
        const std::string tag = text(n);
        const std::vector<std::string_view> tags{tag};
        return outcome("a-1", event("E", "", tags));
      },
      limits::tag_size_max, Errc::invalid);
  accepts_then_refuses(
      [&](std::size_t n) {
        std::vector<std::string> owned;
        for (std::size_t i = 0; i < n; ++i) owned.push_back("t" + std::to_string(i));
        const std::vector<std::string_view> tags{owned.begin(), owned.end()};
        return outcome("a-1", event("E", "", tags));
      },
      limits::event_tags_max, Errc::invalid);
  accepts_then_refuses(
      [&](std::size_t n) {
        const std::string metadata = "{\"a\":\"" + text(n - 8) + "\"}";
        NewEvent one = event("E");
        one.metadata = metadata;
        return outcome("a-1", one);
      },
      limits::metadata_size_max, Errc::too_large);
  accepts_then_refuses(
      [&](std::size_t n) {
        const std::string data = text(n - store::event_size("a-1", event("E", "")));
        return outcome("a-1", event("E", data));
      },
      limits::event_size_max, Errc::too_large);
}

TEST_P(StoreContract, TakesAnAppendAtItsLimitsAndRefusesOneMore) {
  const auto with_streams = [&](std::size_t count) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i) names.push_back("s-" + std::to_string(i));
    const NewEvent one = event("E");
    std::vector<StreamAppend> streams;
    for (const std::string& name : names) streams.push_back({.stream = name, .events = {&one, 1}});
    return store().append({.streams = streams});
  };
  EXPECT_TRUE(is_accepted(with_streams(limits::append_streams_max)));
  EXPECT_EQ(error_of(with_streams(limits::append_streams_max + 1)), Errc::invalid);
  EXPECT_EQ(error_of(with_streams(0)), Errc::invalid);

  const auto with_events = [&](std::vector<NewEvent> events) {
    const StreamAppend stream{.stream = "many-1", .events = events};
    return store().append({.streams = {&stream, 1}});
  };
  const NewEvent small = event("E");
  EXPECT_TRUE(is_accepted(with_events({limits::append_events_max, small})));
  EXPECT_EQ(error_of(with_events({limits::append_events_max + 1, small})), Errc::invalid);

  const std::string big = text(800'000);
  std::vector<NewEvent> events(10, event("E", big));
  const StreamAppend stream{.stream = "many-1", .events = events};
  const AppendRequest request{.streams = {&stream, 1}};
  const std::size_t left = limits::append_size_max - store::append_size(request);
  const std::string rest = text(left - store::event_size("many-1", event("E", "")));
  events.push_back(event("E", rest));
  EXPECT_TRUE(is_accepted(with_events(events)));
  const std::string more = rest + "x";
  events.back().data = more;
  EXPECT_EQ(error_of(with_events(events)), Errc::too_large);
}

TEST_P(StoreContract, RefusesAConditionBeyondItsLimits) {
  const auto with = [&](std::vector<QueryItem> items) {
    return append("a-1", Expected::any(), {}, {}, Condition{.fail_if = std::move(items)});
  };
  EXPECT_TRUE(is_accepted(with({limits::condition_items_max, QueryItem{.types = {"X"}}})));
  EXPECT_EQ(error_of(with({limits::condition_items_max + 1, QueryItem{.types = {"X"}}})),
            Errc::invalid);
  EXPECT_EQ(error_of(with({})), Errc::invalid);
  EXPECT_EQ(error_of(with({QueryItem{}})), Errc::invalid);
  EXPECT_EQ(error_of(with({QueryItem{.types = {""}}})), Errc::invalid);
  EXPECT_EQ(error_of(with({QueryItem{.tags = {text(129)}}})), Errc::invalid);
  EXPECT_EQ(error_of(with({QueryItem{.tags = std::vector<std::string>(65, "t")}})), Errc::invalid);
}

TEST_P(StoreContract, RefusesBadNamesAndSaysWhich) {
  for (const std::string& name :
       {std::string{}, std::string{"a"}, std::string{"a-"}, std::string{"-a"}, std::string{"a-\n"},
        std::string{"a-\xFF"}, std::string{"a-\0b", 4}}) {
    const auto outcome = append(name, Expected::any(), {event("E")});
    EXPECT_EQ(error_of(outcome), Errc::invalid) << name;
    EXPECT_FALSE(outcome.error().message.empty());
    EXPECT_EQ(store().read_stream(name, Version{}, 1, Direction::forward).error().code,
              Errc::invalid);
    EXPECT_EQ(store().stream_tip(name).error().code, Errc::invalid);
  }
  EXPECT_EQ(error_of(append("a-1", Expected::any(), {event("")})), Errc::invalid);
  EXPECT_EQ(error_of(append("a-1", Expected::any(), {event("a\tb")})), Errc::invalid);
  const std::vector<std::string_view> twice{"t", "u", "t"};
  EXPECT_EQ(error_of(append("a-1", Expected::any(), {event("E", "", twice)})), Errc::invalid);
  const std::vector<std::string_view> empty{""};
  EXPECT_EQ(error_of(append("a-1", Expected::any(), {event("E", "", empty)})), Errc::invalid);
  const std::vector<StreamAppend> same{{.stream = "a-1"}, {.stream = "b-1"}, {.stream = "a-1"}};
  const auto outcome = store().append({.streams = same});
  EXPECT_EQ(error_of(outcome), Errc::invalid);
  EXPECT_TRUE(outcome.error().message.contains("a-1"));
  EXPECT_EQ(store().log_end(), Position{0});
}

TEST_P(StoreContract, RefusesReadsBeyondTheirLimits) {
  EXPECT_TRUE(store().read_all(Position{}, {}, limits::read_events_max));
  EXPECT_FALSE(store().read_all(Position{}, {}, limits::read_events_max + 1));
  EXPECT_FALSE(store().read_stream("a-1", {}, limits::read_events_max + 1, Direction::forward));
  const Filter wide{.types = std::vector<std::string>(limits::filter_names_max + 1, "X")};
  EXPECT_EQ(store().read_all(Position{}, wide, 1).error().code, Errc::invalid);
}

TEST_P(StoreContract, WaitsForTheLogToGrow) {
  EXPECT_EQ(store().wait(Position{0}, 1ms), Position{0});
  must_append("a-1", {event("E")});
  EXPECT_EQ(store().wait(Position{0}, 10s), Position{1});
  EXPECT_EQ(store().wait(Position{1}, 1ms), Position{1});
}

TEST_P(StoreContract, NamesAPlaceByACheckpointAndFindsMixUps) {
  EXPECT_TRUE(store().check(*store().checkpoint_at(Position{0})));
  must_append("a-1", {event("E"), event("F")});
  const Checkpoint at = *store().checkpoint_at(Position{2});
  EXPECT_EQ(at.log, store().log_id());
  EXPECT_EQ(at.epoch, store().epoch());
  EXPECT_EQ(at.fingerprint, all()[1].id);
  must_append("a-1", {event("G")});
  reopen_if_durable();
  EXPECT_TRUE(store().check(at));
  const auto diverges = [&](auto change) {
    Checkpoint other = at;
    change(other);
    const auto checked = store().check(other);
    return !checked && checked.error().code == Errc::diverged;
  };
  EXPECT_TRUE(diverges([](Checkpoint& c) { c.log.bytes[0] ^= 1; }));
  EXPECT_TRUE(diverges([](Checkpoint& c) { c.epoch = Epoch{number(c.epoch) + 1}; }));
  EXPECT_TRUE(diverges([](Checkpoint& c) { c.fingerprint.bytes[0] ^= 1; }));
  EXPECT_TRUE(diverges([](Checkpoint& c) { c.position = Position{3}; }));
  EXPECT_TRUE(diverges([](Checkpoint& c) { c.position = Position{4}; }));
  EXPECT_EQ(store().checkpoint_at(Position{4}).error().code, Errc::diverged);
}

TEST_P(StoreContract, AnswersAsynchronousAppendsOnceEachThroughTheQueue) {
  CompletionQueue queue;
  const NewEvent one = event("E");
  const StreamAppend stream{.stream = "a-1", .expected = Expected::any(), .events = {&one, 1}};
  const StreamAppend stale{.stream = "a-2", .expected = Expected::some(), .events = {&one, 1}};
  for (std::uint64_t token = 0; token < 100; ++token) {
    ASSERT_TRUE(
        store().append_async({.streams = {token % 10 == 3 ? &stale : &stream, 1}}, queue, token));
  }
  EXPECT_FALSE(store().append_async({.streams = {}}, queue, 1'000));  // No completion comes.
  std::set<std::uint64_t> seen;
  std::vector<Completion> done;
  std::set<Position> positions;
  while (seen.size() < 100 && queue.take(done, 10s) > 0) {
    for (const Completion& each : done) {
      EXPECT_TRUE(seen.insert(each.token).second);
      EXPECT_EQ(is_accepted(each.outcome), each.token % 10 != 3);
      if (is_accepted(each.outcome)) positions.insert(std::get<Appended>(*each.outcome).first);
    }
  }
  EXPECT_EQ(seen.size(), 100U);
  EXPECT_EQ(positions.size(), 90U);
  EXPECT_EQ(*positions.rbegin(), Position{90});
  EXPECT_EQ(queue.take(done, 1ms), 0U);
}

TEST_P(StoreContract, JudgesAsynchronousAppendsInTheOrderTheyWereGiven) {
  CompletionQueue queue;
  Expected expected = Expected::none();
  for (std::uint8_t n = 1; n <= 50; ++n) {  // Each names the tip of one still under way.
    NewEvent one = event("E");
    one.id = id_of(n);
    const StreamAppend stream{.stream = "a-1", .expected = expected, .events = {&one, 1}};
    ASSERT_TRUE(store().append_async({.streams = {&stream, 1}}, queue, n));
    expected = Expected::exactly(Version{n}, tip_of(one.id));
  }
  std::vector<Completion> done;
  std::size_t accepted = 0;
  for (std::size_t seen = 0; seen < 50 && queue.take(done, 10s) > 0; seen += done.size()) {
    for (const Completion& each : done) accepted += is_accepted(each.outcome) ? 1U : 0U;
  }
  EXPECT_EQ(accepted, 50U);
}

TEST_P(StoreContract, IsTheSameAfterARestart) {
  for (int i = 0; i < 300; ++i) {
    const std::vector<std::string_view> tags{i % 2 == 0 ? "even" : "odd"};
    const std::string data = std::to_string(i);
    must_append("a-" + std::to_string(i % 7), {event(i % 3 == 0 ? "X" : "Y", data, tags)});
  }
  const LogId log = store().log_id();
  const Epoch epoch = store().epoch();
  const auto picture = [&] {
    std::string out;
    for (const EventView& each : all()) {
      out += each.id.text() + to_rfc3339(each.recorded_at) + std::string{each.data} + ";";
    }
    for (int i = 0; i < 7; ++i) out += to_hex(tip("a-" + std::to_string(i)).tip);
    return out + std::to_string(all(Filter{.tags = {"odd"}}).size());
  };
  const std::string before = picture();
  for (int round = 0; round < 3; ++round) {
    reopen_if_durable();
    EXPECT_EQ(picture(), before);
    EXPECT_EQ(store().log_id(), log);
    EXPECT_EQ(store().epoch(), epoch);
    EXPECT_EQ(store().log_end(), Position{300});
  }
  EXPECT_EQ(must_append("a-0", {event("X")}).first, Position{301});
}

}  // namespace stele::testing
