// A whole small service, driven over HTTP: from the command to the read model, over restarts.

#include "stele/service.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "observe/logger.h"
#include "serve/testing/raw_client.h"

namespace stele {
namespace {

struct Added {
  std::int64_t amount = 0;
  std::int64_t total_after = 0;
};
STELE_DESCRIBE(Added, amount, total_after);

struct Add {
  std::int64_t amount = 0;
  std::optional<Timestamp> occurred_at;
};
STELE_DESCRIBE(Add, amount, occurred_at);

struct Tally {
  static constexpr auto category = "tally";
  static constexpr int state_version = 1;
  using Events = stele::Events<Added>;
  using Commands = stele::Commands<Add>;
  struct State {
    std::int64_t total = 0;
  };
  static void evolve(State& state, const Added& e) { state.total = e.total_after; }
  static Decision decide(const State& state, const Add& c) {
    if (c.amount <= 0) return reject("amount_invalid", {{"amount", c.amount}});
    return {{Added{c.amount, state.total + c.amount}}};
  }
};

struct TallyRow {
  std::int64_t total_so_far = 0;
  std::optional<Timestamp> last_at;
};
STELE_DESCRIBE(TallyRow, total_so_far, last_at);

struct Tallies {
  static constexpr auto name = "tallies";
  static constexpr int generation = 1;
  static constexpr auto category = "tally";
  using Events = stele::Events<Added>;
  using Row = TallyRow;
  static void apply(Row& row, const Added& e, const At& at) {
    row.total_so_far = e.total_after;
    row.last_at = at.occurred_at;
  }
};

using serve::testing::Answer;
using serve::testing::RawClient;

class ServiceTest : public ::testing::TestWithParam<const char*> {
 protected:
  ServiceTest()
      : data_{std::filesystem::temp_directory_path() /
              ("stele_service_" + std::to_string(::getpid()))} {}
  ~ServiceTest() override {
    service_.reset();
    std::filesystem::remove_all(data_);
  }

  void start() {
    service_.reset();
    service_ =
        std::make_unique<Service>(ServiceOptions{.settings = {{"serve.data", data_.string()},
                                                              {"serve.listen", "127.0.0.1:0"},
                                                              {"store.kind", GetParam()}},
                                                 .use_variables = false,
                                                 .logger = &observe::null_logger()});
    service_->decider<Tally>().fold<Tallies>();
    service_->command<Add>("POST /tallies/{id}/add",
                           {.status = 201,
                            .location = "/tallies/",
                            .answer = [](JsonWriter& writer, const Accepted& accepted) {
                              writer.key("total_after");
                              writer.integer(accepted.find<Added>()->total_after);
                            }});
    service_->query<Tallies>("GET /tallies/{id}");
    service_->list<Tallies>(
        "GET /tallies",
        {.filters = {"total_so_far", "last_at"}, .order_by = {"total_so_far"}, .descending = true});
    service_->route("GET /sums/{unit}",
                    [this](const RouteRequest& request) { return sum_of(request); });
    const auto started = service_->start();
    ASSERT_TRUE(started) << started.error().message;
    const std::string url = service_->url();
    port_ = static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
  }

  Answer add(std::string_view body, std::string_view headers = {}, std::string_view id = "one") {
    return RawClient{port_}.ask("POST", "/tallies/" + std::string{id} + "/add", body,
                                "Content-Type: application/json\r\n" + std::string{headers});
  }
  // A route of the service's own.
  Result<RouteAnswer> sum_of(const RouteRequest& request) {
    if (auto late = service_->wait_for<Tallies>(request)) return *late;
    if (request.param("unit") == "yards") {
      return RouteAnswer::problem(404, "unit_unknown", "There are no yards here.");
    }
    if (request.query("fail")) return fail(Errc::invalid, "This was to fail.");
    const auto totals = service_->read_model<Tallies>().total({.sums = {"total_so_far"}});
    if (!totals) return std::unexpected{totals.error()};
    return RouteAnswer{.body = std::to_string(totals->front().sums.front()),
                       .content_type = "text/plain",
                       .headers = {{"X-Asked", std::string{request.method()}}}};
  }
  Answer get(std::string_view target) { return RawClient{port_}.ask("GET", target); }

  std::filesystem::path data_;
  std::unique_ptr<Service> service_;
  std::uint16_t port_ = 0;
};

TEST_P(ServiceTest, ACommandIsReadBackAtOnce) {
  start();

  const Answer added = add(R"({"amount": 5, "occurredAt": "2026-01-31"})");

  EXPECT_EQ(added.status, 201) << added.body;
  EXPECT_EQ(added.headers.at("location"), "/tallies/one");
  EXPECT_TRUE(added.body.starts_with(R"({"id":"one","version":1,"position":1,"token":")"));
  EXPECT_TRUE(added.body.ends_with(R"(,"totalAfter":5})"));
  const Answer read = get("/tallies/one?token=" + added.headers.at("stele-token"));
  EXPECT_EQ(read.status, 200);
  EXPECT_EQ(read.body, R"({"totalSoFar":5,"lastAt":"2026-01-31T00:00:00.000000Z",)"
                       R"("version":1,"position":1})");
}

TEST_P(ServiceTest, ARepeatedCommandIsAnsweredAsBefore) {
  start();
  constexpr std::string_view key = "Idempotency-Key: k1\r\n";
  const Answer first = add(R"({"amount": 5})", key);

  const Answer second = add(R"({ "amount":5 })", key);
  const Answer other = add(R"({"amount": 6})", key);

  EXPECT_EQ(second.status, 201);
  EXPECT_EQ(second.body, first.body);
  EXPECT_EQ(second.headers.at("idempotent-replayed"), "true");
  EXPECT_FALSE(first.headers.contains("idempotent-replayed"));
  EXPECT_EQ(other.status, 422);
  EXPECT_TRUE(other.body.contains("id_reused"));
}

TEST_P(ServiceTest, RowsAreListedInOrderPageByPage) {
  start();
  std::string token;
  for (const char* id : {"one", "two", "three"}) {
    token = add(id == std::string_view{"two"} ? R"({"amount": 9})" : R"({"amount": 5})", {}, id)
                .headers.at("stele-token");
  }

  const Answer first = get("/tallies?limit=2&token=" + token);

  EXPECT_EQ(first.status, 200) << first.body;
  EXPECT_TRUE(first.body.starts_with(R"({"items":[{"id":"two","totalSoFar":9,"lastAt":")"));
  EXPECT_TRUE(first.body.contains(R"(,"version":1,"position":2},{"id":"three","totalSoFar":5,)"))
      << first.body;
  const std::size_t at = first.body.rfind(R"("next":")") + 8;
  const std::string next = first.body.substr(at, first.body.rfind('"') - at);
  const Answer second = get("/tallies?limit=2&cursor=" + next);
  EXPECT_TRUE(second.body.starts_with(R"({"items":[{"id":"one",)")) << second.body;
  EXPECT_TRUE(second.body.ends_with(R"("next":null})"));
}

TEST_P(ServiceTest, ARouteOfItsOwnReadsWhatATokenNames) {
  start();
  const std::string token = add(R"({"amount": 5})").headers.at("stele-token");

  const Answer sum = get("/sums/metres?token=" + token);
  const Answer unknown = get("/sums/yards");
  const Answer failed = get("/sums/metres?fail=yes");
  const Answer forged = get("/sums/metres?token=none");

  EXPECT_EQ(sum.status, 200);
  EXPECT_EQ(sum.body, "5");
  EXPECT_EQ(sum.headers.at("content-type"), "text/plain");
  EXPECT_EQ(sum.headers.at("x-asked"), "GET");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.headers.at("content-type"), "application/problem+json");
  EXPECT_TRUE(unknown.body.contains("There are no yards here."));
  EXPECT_EQ(failed.status, 400);
  EXPECT_TRUE(forged.body.contains("token_invalid"));
}

TEST_P(ServiceTest, AListIsNarrowedByTheColumnsThatItNames) {
  start();
  add(R"({"amount": 5, "occurredAt": "2026-01-31"})", {}, "one");
  const std::string token = add(R"({"amount": 9})", {}, "two").headers.at("stele-token");

  const Answer by_number = get("/tallies?totalSoFar=9&token=" + token);
  const Answer by_time = get("/tallies?lastAt=2026-01-31&token=" + token);
  const Answer none = get("/tallies?totalSoFar=1&token=" + token);

  EXPECT_TRUE(by_number.body.contains(R"("id":"two")")) << by_number.body;
  EXPECT_FALSE(by_number.body.contains(R"("id":"one")"));
  EXPECT_TRUE(by_time.body.contains(R"("id":"one")")) << by_time.body;
  EXPECT_FALSE(by_time.body.contains(R"("id":"two")"));
  EXPECT_EQ(none.body, R"({"items":[],"next":null})");
}

TEST_P(ServiceTest, AListRefusesWhatItWasNotToldToTake) {
  start();

  EXPECT_EQ(get("/tallies?owner=ada").status, 400);
  EXPECT_EQ(get("/tallies?totalSoFar=many").status, 400);
  EXPECT_EQ(get("/tallies?limit=1001").status, 400);
  const Answer cursor = get("/tallies?cursor=none");
  EXPECT_EQ(cursor.status, 400) << cursor.body;
  EXPECT_TRUE(cursor.body.contains("malformed"));
}

TEST_P(ServiceTest, RefusalsNameTheirReason) {
  start();

  EXPECT_EQ(add(R"({"amount": -1})").status, 422);
  EXPECT_TRUE(add(R"({"amount": -1})").body.contains(R"("amount":-1)"));
  EXPECT_EQ(add(R"({"amount": 1, "extra": 2})").status, 400);
  EXPECT_EQ(add("{").status, 400);
  EXPECT_EQ(RawClient{port_}.ask("POST", "/tallies/one/add", "{}").status, 415);
  EXPECT_EQ(get("/tallies/none").status, 404) << get("/tallies/none").body;
  EXPECT_TRUE(get("/tallies/none").body.contains("tally_unknown"));
  EXPECT_TRUE(get("/tallies/one?token=abc").body.contains("token_invalid"));
  EXPECT_EQ(get("/tallies/one?colour=red").status, 400);
}

class ServiceOnDiskTest : public ServiceTest {};

TEST_P(ServiceOnDiskTest, AStoreOnDiskIsFoundAgainAfterARestart) {
  start();
  const Answer first = add(R"({"amount": 5})", "Idempotency-Key: k1\r\n");

  start();

  EXPECT_EQ(add(R"({"amount": 5})", "Idempotency-Key: k1\r\n").body, first.body);
  const Answer second = add(R"({"amount": 2})");
  EXPECT_TRUE(second.body.ends_with(R"("totalAfter":7})")) << second.body;
  EXPECT_TRUE(get("/tallies/one?token=" + second.headers.at("stele-token"))
                  .body.starts_with(R"({"totalSoFar":7,)"));
}

INSTANTIATE_TEST_SUITE_P(Stores, ServiceTest, ::testing::Values("memory", "embedded"),
                         [](const auto& each) { return std::string{each.param}; });

INSTANTIATE_TEST_SUITE_P(Stores, ServiceOnDiskTest, ::testing::Values("embedded"),
                         [](const auto& each) { return std::string{each.param}; });

/// Judges streams that are another decider's.
struct Usurper : Tally {};

TEST(ServiceFaults, AreToldByStart) {
  const ServiceOptions options{.settings = {{"store.kind", "memory"}}, .use_variables = false};
  Service twice{options};
  twice.decider<Tally>().decider<Usurper>();
  const auto refused = twice.start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid);

  Service unjudged{options};
  unjudged.command<Add>("POST /tallies/{id}/add");
  EXPECT_TRUE(unjudged.start().error().message.contains("/tallies/{id}/add"));

  Service narrowed{options};
  narrowed.fold<Tallies>().list<Tallies>("GET /tallies", {.filters = {"owner"}});
  EXPECT_TRUE(narrowed.start().error().message.contains("no such column"));

  Service unknown{ServiceOptions{.settings = {{"serve.lsten", "x"}}, .use_variables = false}};
  EXPECT_TRUE(unknown.start().error().message.contains("serve.listen"));
}

}  // namespace
}  // namespace stele
