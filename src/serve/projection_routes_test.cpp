// Drives /v1/projections over sockets: an engine over SQLite, with projections that fail on demand.

#include "serve/projection_routes.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "projection/sqlite/sqlite_generations.h"
#include "projection/testing/sample.h"
#include "projection/testing/scratch_folder.h"
#include "serve/server.h"
#include "serve/testing/raw_client.h"
#include "stele/json.h"

namespace stele::serve {
namespace {

using namespace std::chrono_literals;
using projection::testing::Opened;
using projection::testing::Paid;
using projection::testing::Payments;
using projection::testing::Sums;
using testing::Answer;
using testing::RawClient;

/// While it is set, a payment of 13 cannot be applied: code that is wrong, and mended later.
std::atomic<bool> strict{true};

struct Picky : Sums {
  static constexpr auto name = "picky";
  using Sums::apply;
  static void apply(Row& row, const Paid& e, const At& at) {
    if (strict && e.amount == 13) throw std::runtime_error{"thirteen"};
    Sums::apply(row, e, at);
  }
};

constexpr projection::EngineOptions impatient{.attempts_max = 3,
                                              .park_attempts_max = 2,
                                              .backoff_first = 1ms,
                                              .backoff_max = 5ms,
                                              .log_wait_max = 20ms};

class ProjectionRoutesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    strict = true;
    const auto place = projection::make_sqlite_generations(folder_.path());
    ASSERT_TRUE(engine_.add(make_fold<Sums>(), place));
    ASSERT_TRUE(engine_.add(make_map<Payments>(), place));
    ASSERT_TRUE(engine_.add(make_fold<Picky>(), place));
    engine_.start();
    routes_.add_to(router_, openapi_);
    server_ = std::make_unique<Server>(ServerOptions{}, router_, metrics_);
    ASSERT_TRUE(server_->start());
    client_ = std::make_unique<RawClient>(server_->port());
  }
  void TearDown() override {
    client_.reset();
    server_.reset();
    engine_.stop();
  }

  void pay(std::string_view account, std::int64_t amount) {
    end_ = projection::testing::append(*store_, "account-" + std::string{account},
                                       Paid{.amount = amount});
  }
  Answer get(std::string_view target) {
    return client_->ask("GET", "/v1/projections" + std::string{target});
  }
  Answer tell(std::string_view target, std::string_view body = {}) {
    return client_->ask("POST", "/v1/projections" + std::string{target}, body,
                        body.empty() ? "" : "Content-Type: application/json\r\n");
  }
  static std::string text(const Answer& answer, std::string_view name) {
    const auto document = JsonDocument::parse(answer.body);
    if (!document) return "not JSON: " + answer.body;
    const JsonValue value = document->root().member(name);
    return value.found() ? std::string{value.text()} : "missing";
  }
  static std::string code(const Answer& answer) {
    return std::to_string(answer.status) + " " + text(answer, "code");
  }
  /// Asks for `name` until its `member` reads `wanted`.
  bool becomes(std::string_view name, std::string_view member, std::string_view wanted) {
    const auto until = std::chrono::steady_clock::now() + 20s;
    while (std::chrono::steady_clock::now() < until) {
      if (text(get("/" + std::string{name}), member) == wanted) return true;
      std::this_thread::sleep_for(5ms);
    }
    return false;
  }
  bool caught_up(std::string_view name) {
    return becomes(name, "position", std::to_string(number(end_)));
  }
  /// Asks for `name` until a generation with `role` is `state` at the log's end.
  bool generation_becomes(std::string_view name, std::string_view role, std::string_view state) {
    const std::string wanted = R"("role":")" + std::string{role} + '"';
    const std::string stands =
        R"("state":")" + std::string{state} + R"(","position":)" + std::to_string(number(end_));
    const auto until = std::chrono::steady_clock::now() + 20s;
    while (std::chrono::steady_clock::now() < until) {
      const std::string body = get("/" + std::string{name}).body;
      const std::size_t at = body.find(wanted);
      if (at != std::string::npos && body.find(stands, at) != std::string::npos) return true;
      std::this_thread::sleep_for(5ms);
    }
    return false;
  }

  projection::testing::ScratchFolder folder_;
  std::unique_ptr<EventStore> store_ = make_memory_store();
  projection::Engine engine_{*store_, system_clock(), observe::null_logger(), impatient};
  ProjectionRoutes routes_{engine_, observe::null_logger()};
  observe::Metrics metrics_;
  Router router_;
  OpenApi openapi_{"Test", "1"};
  std::unique_ptr<Server> server_;
  std::unique_ptr<RawClient> client_;
  Position end_{};
};

TEST_F(ProjectionRoutesTest, ShowsHowEachStandsAndListsThemByName) {
  pay("a", 5);
  ASSERT_TRUE(caught_up("sums"));
  ASSERT_TRUE(becomes("sums", "state", "running"));

  const Answer one = get("/sums");
  EXPECT_EQ(one.status, 200);
  for (const std::string_view part :
       {R"("name":"sums","generation":1,"state":"running","position":1,"logEnd":1,"lagEvents":0,)",
        R"("percent":100,"secondsLeft":0,"parked":0,"lastError":null,"generations":[{)",
        R"("generation":1,"role":"live","code":1,"state":"running")"}) {
    EXPECT_NE(one.body.find(part), std::string::npos) << part << "\n" << one.body;
  }
  EXPECT_EQ(code(get("/none")), "404 projection_unknown");
  const Answer first = get("?limit=2");
  EXPECT_LT(first.body.find(R"("name":"payments")"), first.body.find(R"("name":"picky")"));
  EXPECT_EQ(first.body.find(R"("name":"sums")"), std::string::npos);
  const Answer rest = get("?limit=2&cursor=" + text(first, "next"));
  EXPECT_NE(rest.body.find(R"("name":"sums")"), std::string::npos);
  EXPECT_NE(rest.body.find(R"("next":null)"), std::string::npos);
  EXPECT_EQ(code(get("?colour=red")), "400 malformed");
}

TEST_F(ProjectionRoutesTest, PausesAndGoesOn) {
  pay("a", 5);
  ASSERT_TRUE(caught_up("sums"));
  const Answer paused = tell("/sums/pause");
  EXPECT_EQ(paused.status, 202) << paused.body;
  EXPECT_EQ(text(paused, "name"), "sums");
  ASSERT_TRUE(becomes("sums", "state", "paused"));
  pay("a", 5);
  ASSERT_TRUE(caught_up("payments"));
  EXPECT_EQ(text(get("/sums"), "position"), "1");
  EXPECT_EQ(text(get("/sums"), "lagEvents"), "1");

  EXPECT_EQ(tell("/sums/resume").status, 202);
  EXPECT_TRUE(caught_up("sums"));
  EXPECT_EQ(tell("/sums/pause").status, 202);
  EXPECT_EQ(tell("/sums/run", "{}").status, 202) << "the same as resume";
  EXPECT_TRUE(becomes("sums", "state", "running"));
}

TEST_F(ProjectionRoutesTest, RebuildsInPlaceAndFromAPosition) {
  for (int i = 0; i < 20; ++i) pay("a", 5);
  ASSERT_TRUE(caught_up("sums"));
  ASSERT_TRUE(caught_up("payments"));

  EXPECT_EQ(tell("/sums/reset").status, 202);
  EXPECT_TRUE(becomes("sums", "state", "running") && caught_up("sums"));
  EXPECT_EQ(tell("/sums/rebuild").status, 202);
  EXPECT_TRUE(becomes("sums", "state", "running") && caught_up("sums"));
  EXPECT_EQ(tell("/payments/rebuild", R"({"mode":"in_place","from":10})").status, 202);
  EXPECT_TRUE(becomes("payments", "state", "running") && caught_up("payments"));
  EXPECT_EQ(code(tell("/sums/rebuild", R"({"from":10})")), "409 verb_refused")
      << "a fold's rows need their whole history";
}

TEST_F(ProjectionRoutesTest, RebuildsSideBySidePromotesRollsBackAndDrops) {
  for (int i = 0; i < 5; ++i) pay("a", 5);
  ASSERT_TRUE(caught_up("sums"));
  EXPECT_EQ(code(tell("/sums/promote")), "404 generation_unknown") << "none is being built";
  EXPECT_EQ(code(tell("/sums/rollback")), "404 generation_unknown");

  ASSERT_EQ(tell("/sums/rebuild", R"({"mode":"side_by_side"})").status, 202);
  EXPECT_EQ(code(tell("/sums/rebuild", R"({"mode":"side_by_side"})")), "409 verb_refused");
  ASSERT_TRUE(generation_becomes("sums", "building", "running"));
  EXPECT_EQ(text(get("/sums"), "generation"), "1") << "the old one is read until it is promoted";
  const Answer promoted = tell("/sums/promote");
  EXPECT_EQ(promoted.status, 202) << promoted.body;
  EXPECT_EQ(text(promoted, "generation"), "2");
  pay("a", 7);
  EXPECT_TRUE(generation_becomes("sums", "kept", "running")) << "the old one is fed still";
  EXPECT_EQ(text(tell("/sums/rollback"), "generation"), "1");
  EXPECT_EQ(code(tell("/sums/drop", R"({"generation":1})")), "409 verb_refused") << "it is live";
  EXPECT_EQ(tell("/sums/drop").status, 202);
  EXPECT_EQ(get("/sums").body.find("kept"), std::string::npos);
  EXPECT_EQ(code(tell("/sums/drop", R"({"generation":9})")), "404 generation_unknown");
  EXPECT_EQ(code(tell("/sums/drop")), "409 verb_refused") << "there is none to drop";
}

TEST_F(ProjectionRoutesTest, RebuildsSeveralOrAllInOnePass) {
  pay("a", 5);
  for (const auto* name : {"sums", "payments", "picky"}) ASSERT_TRUE(caught_up(name));

  const Answer two = tell("/rebuild", R"({"projections":["sums","payments"]})");
  EXPECT_EQ(two.status, 202) << two.body;
  EXPECT_NE(two.body.find(R"("name":"sums")"), std::string::npos);
  EXPECT_EQ(two.body.find(R"("name":"picky")"), std::string::npos);
  const Answer all = tell("/rebuild");
  EXPECT_EQ(all.status, 202);
  EXPECT_NE(all.body.find(R"("name":"picky")"), std::string::npos);
  for (const auto* name : {"sums", "payments", "picky"}) {
    EXPECT_TRUE(becomes(name, "state", "running") && caught_up(name));
  }
  EXPECT_EQ(code(tell("/rebuild", R"({"projections":["none"]})")), "404 projection_unknown");
}

TEST_F(ProjectionRoutesTest, ListsParkedKeysAndRetriesThem) {
  for (const auto* account : {"a", "b", "c"}) {
    projection::testing::append(*store_, "account-" + std::string{account},
                                Opened{.owner = "Ada", .note = std::nullopt});
    pay(account, 13);
  }
  pay("d", 5);
  ASSERT_TRUE(becomes("picky", "parked", "3"));
  ASSERT_TRUE(caught_up("picky")) << "the others flow";

  const Answer first = get("/picky/parked?limit=2");
  EXPECT_EQ(first.status, 200);
  EXPECT_NE(first.body.find(R"("key":"a","fromVersion":2,"fromPosition":2,"error":")"),
            std::string::npos)
      << first.body;
  EXPECT_NE(first.body.find("thirteen"), std::string::npos);
  const Answer rest = get("/picky/parked?limit=2&cursor=" + text(first, "next"));
  EXPECT_NE(rest.body.find(R"("key":"c")"), std::string::npos);
  EXPECT_NE(rest.body.find(R"("next":null)"), std::string::npos);

  const Answer still = tell("/picky/parked/a/retry");
  EXPECT_EQ(code(still), "503 parked") << still.body;
  EXPECT_EQ(text(still, "key"), "a");
  strict = false;  // The code was mended.
  const Answer freed = tell("/picky/parked/a/retry");
  EXPECT_EQ(freed.status, 202) << freed.body;
  EXPECT_TRUE(becomes("picky", "parked", "2"));
  EXPECT_EQ(code(tell("/picky/parked/a/retry")), "404 key_not_parked");
  EXPECT_EQ(code(tell("/none/parked/a/retry")), "404 projection_unknown");
  EXPECT_EQ(code(get("/none/parked")), "404 projection_unknown");
}

TEST_F(ProjectionRoutesTest, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(code(tell("/none/pause")), "404 projection_unknown");
  EXPECT_EQ(code(tell("/sums/explode")), "404 route_unknown");
  EXPECT_EQ(code(tell("/sums/pause", R"({"mode":"in_place"})")), "400 malformed");
  EXPECT_EQ(code(tell("/sums/rebuild", R"({"mode":"both"})")), "400 malformed");
  EXPECT_EQ(code(tell("/sums/rebuild", R"({"from":-1})")), "400 malformed");
  EXPECT_EQ(code(tell("/sums/rebuild?mode=in_place")), "400 malformed");
  EXPECT_EQ(code(tell("/sums/rebuild", "{")), "400 malformed");
  EXPECT_EQ(client_->ask("POST", "/v1/projections/sums/rebuild", "{}").status, 415);
}

TEST(ProjectionRoutesWithoutAProjector, SayThatNobodyCarriesTheVerbOut) {
  const projection::testing::ScratchFolder folder;
  const auto store = make_memory_store();
  projection::Engine engine{*store, system_clock(), observe::null_logger(), impatient};
  ASSERT_TRUE(engine.add(make_fold<Sums>(), projection::make_sqlite_generations(folder.path())));
  ProjectionRoutes routes{engine, observe::null_logger()};
  Router router;
  OpenApi openapi{"Test", "1"};
  observe::Metrics metrics;
  routes.add_to(router, openapi);
  Server server{ServerOptions{}, router, metrics};
  ASSERT_TRUE(server.start());
  RawClient client{server.port()};

  const Answer answer = client.ask("POST", "/v1/projections/sums/pause");

  EXPECT_EQ(answer.status, 503);
  EXPECT_NE(answer.body.find(R"("code":"not_yet")"), std::string::npos) << answer.body;
  EXPECT_TRUE(answer.headers.contains("retry-after"));
}

}  // namespace
}  // namespace stele::serve
