// A program as users wrote it for version 0.1. It must go on compiling, unchanged, with every later
// 0.x: that is the promise of docs/start/install.md. Add to it; never change what stands here.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <variant>

#include "stele/custom_projection.h"
#include "stele/event_store.h"
#include "stele/route.h"
#include "stele/service.h"
#include "stele/testing.h"
#include "stele/version.h"

static_assert(stele::is_at_least(0, 1), "Made for Stele 0.1.");

namespace {

// Descriptions: structs, enums, other names, optional members, money and times. -------------------

enum class Size { small, large };
STELE_DESCRIBE_ENUM(Size, small, large);
enum class Kind { food, tool };
STELE_DESCRIBE_ENUM_AS(Kind, (Kind::food, "FOOD"), (Kind::tool, "TOOL"));

struct ItemAddedV1 {
  std::string what;
};
STELE_DESCRIBE_AS(ItemAddedV1, "ItemAdded", what);
struct ItemAdded {
  static constexpr int schema_version = 2;
  std::string name;
  Size size{};
  Kind kind{};
  stele::Money price = {};
  std::optional<std::string> note = {};
};
STELE_DESCRIBE(ItemAdded, name, size, kind, price, note);
struct ItemMoved {
  std::string to;
};
STELE_DESCRIBE(ItemMoved, to);
struct ItemTaken {
  std::string from;
};
STELE_DESCRIBE(ItemTaken, from);

struct Add {
  std::string name;
  std::optional<stele::Amount> price = {};
  std::optional<stele::Timestamp> occurred_at = {};
};
STELE_DESCRIBE(Add, name, price, occurred_at);
struct Move {
  std::string to;
};
STELE_DESCRIBE(Move, to);
struct Reserve {
  std::string code;
};
STELE_DESCRIBE(Reserve, code);

// A decider over one stream, over two, and over a query. ------------------------------------------

struct Box {
  static constexpr auto category = "box";
  static constexpr int state_version = 1;
  using Events = stele::Events<ItemAdded, ItemMoved, ItemTaken>;
  using Commands = stele::Commands<Add, Move, Reserve>;
  struct State {
    int items = 0;
    stele::Money worth;
  };
  static void evolve(State& box, const ItemAdded& e) {
    ++box.items;
    box.worth += e.price;
  }
  static void evolve(State& box, const ItemMoved&) { --box.items; }
  static void evolve(State& box, const ItemTaken&) { ++box.items; }

  static stele::Decision decide(const State& box, const Add& c, const stele::Context& context) {
    if (box.items == 3) return stele::reject("box_full", {{"items", std::int64_t{box.items}}});
    const auto usd = stele::Currency::find("USD");
    const auto price = c.price.value_or(stele::Amount{1}).in(*usd);
    if (!price) return stele::reject(price.error());
    if (context.now < context.occurred_at) return stele::reject("too_early");
    return {{ItemAdded{.name = c.name, .price = *price}}};
  }
  static stele::Keys keys(std::string_view id, const Move& c) { return {std::string{id}, c.to}; }
  static stele::Decision decide(const State& from, const State& to, const Move& c) {
    if (from.items == 0) return stele::reject("box_empty", stele::Kind::conflict);
    if (to.items == 3) return stele::reject("box_full").because("The other box holds three.");
    return {stele::emit(ItemMoved{c.to}), stele::emit(ItemTaken{"here"}).on(1).tag("moved")};
  }
  static stele::Query scope(const Reserve& c) {
    return {{.types = {"ItemAdded"}, .tags = {"code:" + c.code}}};
  }
  static stele::Decision decide(const State& all, const Reserve& c) {
    if (all.items > 0) return stele::reject("code_taken", stele::Kind::not_found);
    return {{stele::emit(ItemAdded{.name = c.code}).tag("code:" + c.code)}};
  }
};
STELE_DESCRIBE(Box::State, items, worth);

// A fold by stream, a fold by another key, a map. -------------------------------------------------

struct BoxRow {
  std::string last_item;
  int items = 0;
  bool is_full = false;
  stele::Money worth = {};
  std::optional<stele::Timestamp> changed_at = {};
};
STELE_DESCRIBE(BoxRow, last_item, items, is_full, worth, changed_at);

struct Boxes {
  static constexpr auto name = "boxes";
  static constexpr int generation = 1;
  static constexpr auto category = "box";
  using Events = stele::Events<ItemAdded, ItemMoved>;
  using Row = BoxRow;
  static constexpr stele::Index indexes[] = {{{"items"}}, {{"is_full", "last_item"}}};
  static constexpr stele::FullText full_text = {{"last_item"}};
  static void apply(Row& row, const ItemAdded& e, const stele::At& at) {
    row.last_item = e.name;
    row.is_full = ++row.items == 3;
    row.worth += e.price;
    row.changed_at = at.occurred_at;
  }
  static void apply(Row& row, const ItemMoved&, const stele::At&) { --row.items; }
};

struct CountRow {
  std::uint64_t count = 0;
};
STELE_DESCRIBE(CountRow, count);

struct CountsByName {
  static constexpr auto name = "counts_by_name";
  static constexpr int generation = 1;
  using Events = stele::Events<ItemAdded>;
  using Row = CountRow;
  static std::string key(const ItemAdded& e, const stele::At&) { return e.name; }
  static void apply(Row& row, const ItemAdded&, const stele::At&) { ++row.count; }
};

struct History {
  static constexpr auto name = "history";
  static constexpr int generation = 1;
  using Events = stele::Events<ItemAdded>;
  using Row = BoxRow;
  static stele::Rows<Row> map(const ItemAdded& e, const stele::At& at) {
    stele::Rows<Row> rows{Row{.last_item = e.name, .worth = e.price}};
    rows.add(std::string{at.stream} + "/first", Row{.last_item = "first"});
    return rows;
  }
};

// In SQL of its own.
struct Log {
  static constexpr auto name = "log";
  static constexpr int generation = 1;
  using Events = stele::Events<ItemAdded>;
  static constexpr auto tables = "CREATE TABLE log(stream TEXT)";
  static std::vector<stele::Result<void>> apply(std::span<const stele::EventView> events,
                                                stele::SqlClient& sql) {
    std::vector<stele::Result<void>> results;
    for (const stele::EventView& event : events) {
      const stele::Cell cells[] = {stele::Cell{event.stream}};
      const auto done = sql.execute("INSERT INTO log VALUES(?1)", cells);
      results.emplace_back(done ? stele::Result<void>{} : std::unexpected{done.error()});
    }
    return results;
  }
};

// What goes wrong is told on standard output, and by the exit code. -------------------------------

void check(bool holds, const char* what) {
  if (holds) return;
  std::printf("it does not hold that %s\n", what);
  std::exit(1);
}

void test_rules() {
  using stele::given;
  const auto usd = *stele::Currency::find("USD");
  const stele::Money one{100, usd};
  const ItemAdded ax{.name = "ax", .price = one};
  check(bool{given<Box>().when(Add{.name = "ax"}).then(ax)}, "an item is added");
  check(bool{given<Box>(ax, ax, ax).when(Add{.name = "ax"}).then_rejected("box_full")},
        "a full box takes nothing");
  check(bool{given<Box>(ax)
                 .and_given("2", ax)
                 .at(stele::Timestamp{5})
                 .when(Move{"2"})
                 .then(ItemMoved{"2"}, stele::emit(ItemTaken{"here"}).on(1).tag("moved"))},
        "an item moves from box to box");
  check(one.text() == "1.00" && (one + one).minor_units() == 200, "money adds up");
}

void test_json() {
  const auto text = stele::to_json(ItemMoved{"there"}, stele::Naming::camel_case);
  check(text && *text == R"({"to":"there"})", "a struct becomes JSON");
  const auto back = stele::from_json<ItemMoved>(*text, stele::http_mapping);
  check(back && back->to == "there", "and JSON a struct");
}

// The log alone, without any rules.
void test_store(stele::EventStore& store) {
  const stele::NewEvent written{.type = "Written", .data = R"({"n":1})"};
  const stele::StreamAppend stream{
      .stream = "note-1", .expected = stele::Expected::none(), .events = {&written, 1}};
  const stele::Result<stele::AppendOutcome> first = store.append({.streams = {&stream, 1}});
  check(first && std::holds_alternative<stele::Appended>(*first), "an append is accepted");
  const auto second = store.append({.streams = {&stream, 1}});
  check(second && std::holds_alternative<stele::Conflict>(*second), "another conflicts");
  const auto page = store.read_stream("note-1", stele::Version{}, 10, stele::Direction::forward);
  check(page && page->events.size() == 1 && page->state.version == stele::Version{1},
        "a stream is read back");
  const auto all = store.read_all(stele::Position{}, {.categories = {"note"}}, 10);
  check(all && all->log_end == store.log_end(), "and the whole log");
}

void test_service() {
  stele::Service service{stele::ServiceOptions{.name = "boxes",
                                               .settings = {{"store.kind", "memory"},
                                                            {"serve.listen", "127.0.0.1:0"},
                                                            {"telemetry.log_level", "error"}},
                                               .use_variables = false}};
  service.decider<Box>().fold<Boxes>().fold<CountsByName>().map<History>().custom<Log>();
  service.upcast(+[](const ItemAddedV1& old) { return ItemAdded{.name = old.what}; });
  service.command<Add>("POST /boxes/{id}/add",
                       {.status = 201,
                        .key_param = "id",
                        .location = "/boxes/",
                        .answer =
                            [](stele::JsonWriter& writer, const stele::Accepted& accepted) {
                              writer.key("item_name");
                              writer.string(accepted.find<ItemAdded>()->name);
                            },
                        .summary = "Adds an item."});
  service.query<Boxes>("GET /boxes/{id}");
  service.list<Boxes>(
      "GET /boxes",
      {.filters = {"is_full"}, .order_by = {"items"}, .descending = true, .summary = "All boxes."});
  service.route(
      "GET /sums/{unit}",
      [&service](const stele::RouteRequest& request) -> stele::Result<stele::RouteAnswer> {
        if (auto late = service.wait_for<Boxes>(request)) return *late;
        if (request.param("unit").empty() || request.query("fail")) {
          return stele::fail(stele::Errc::invalid, "It was told to fail.");
        }
        if (!request.header("host")) {
          return stele::RouteAnswer::problem(404, "sum_unknown", "There is no sum.");
        }
        return stele::RouteAnswer{.body = "{}", .headers = {{"X-Asked", "yes"}}};
      });
  const stele::Result<void> started = service.start();
  check(started.has_value(), "a service starts");
  check(service.url().starts_with("http://127.0.0.1:"), "and says where");
  test_store(service.store());

  const stele::ReadModel<Boxes> boxes = service.read_model<Boxes>();
  const auto none = boxes.find("nobody");
  check(none && !*none, "a row that is not there is none");
  const auto page = boxes.select(
      {.where = {{"is_full", stele::Compare::equal, true}}, .order_by = {"items"}, .limit = 10});
  check(page && page->rows.empty() && page->next.empty(), "rows are selected");
  const auto found = boxes.select({.search = "ax*"});
  check(found && found->rows.empty(), "also by their words");
  const auto one_of = boxes.select(
      {.where = {{.column = "items", .compare = stele::Compare::one_of, .values = {1, 2}}}});
  check(one_of && one_of->rows.empty(), "and by one of several values");
  const auto totals = boxes.total({.sums = {"items"}});
  check(totals && totals->front().count == 0, "and added up");
  service.stop();
}

void test_folder() {
  const auto opened = stele::open_embedded_store({.data = "public-api-data"});
  check(opened.has_value(), "a log is opened in a folder");
  test_store(**opened);
  const auto twice = stele::open_embedded_store({.data = "public-api-data"});
  check(!twice && twice.error().code == stele::Errc::held, "by one at a time");
  check(!twice.error().message.empty() && !twice.error().retryable(), "and an error says why");
}

}  // namespace

int main() {
  check(stele::library_version() == stele::version_text, "headers and library are of one version");
  test_rules();
  test_json();
  test_service();
  test_folder();
  std::filesystem::remove_all("public-api-data");
}
