// Drives /v1/consumers over sockets, on the memory store with a clock that the test moves.

#include "serve/consumer_routes.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <future>

#include "serve/consumer_json.h"
#include "serve/server.h"
#include "serve/testing/raw_client.h"
#include "stele/json.h"

namespace stele::serve {
namespace {

using namespace std::chrono_literals;
using testing::Answer;
using testing::RawClient;

constexpr std::string_view json_header = "Content-Type: application/json\r\n";

class HandClock final : public Clock {
 public:
  Timestamp now() const noexcept override { return Timestamp{now_.load()}; }
  void move(std::chrono::microseconds by) { now_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_{1'700'000'000'000'000};
};

class ConsumerRoutesTest : public ::testing::Test {
 protected:
  void SetUp() override { start(false); }
  void TearDown() override { stop(); }

  void start(bool read_only) {
    consumers_ = std::make_unique<consumer::Consumers>(
        consumer::Parts{.store = *store_,
                        .clock = clock_,
                        .logger = observe::null_logger(),
                        .read_only = read_only},
        consumer::make_memory_keeper(), make_seeded_random(1));
    ASSERT_TRUE(consumers_->load());
    router_ = Router{};
    metrics_ = std::make_unique<observe::Metrics>();
    routes_ =
        std::make_unique<ConsumerRoutes>(*consumers_, *store_, clock_, observe::null_logger());
    routes_->add_to(router_, openapi_);
    routes_->add_to(*metrics_);
    server_ = std::make_unique<Server>(ServerOptions{}, router_, *metrics_);
    ASSERT_TRUE(server_->start());
    client_ = std::make_unique<RawClient>(server_->port());
  }
  void stop() {
    client_.reset();
    server_.reset();
    routes_.reset();
  }

  void append(int count, std::string_view type = "A") {
    const std::vector<NewEvent> events(static_cast<std::size_t>(count),
                                       NewEvent{.type = type, .data = "{}"});
    const std::array streams = {StreamAppend{.stream = "a-1", .events = events}};
    ASSERT_TRUE(store_->append({.streams = streams}));
  }
  Answer ask(std::string_view method, std::string_view target, std::string_view body = {}) {
    return client_->ask(method, "/v1/consumers" + std::string{target}, body,
                        body.empty() ? std::string_view{} : json_header);
  }
  Answer read(std::string_view target, std::string_view reader = "one") {
    return client_->ask("GET", "/v1/consumers/" + std::string{target}, {},
                        "Stele-Reader: " + std::string{reader} + "\r\n");
  }
  Answer ack(std::string_view name, const Answer& of) {
    return ask("POST", "/" + std::string{name} + "/ack",
               R"({"cursor":")" + member(of, "cursor") + "\"}");
  }
  static std::string member(const Answer& answer, std::string_view name) {
    const auto document = JsonDocument::parse(answer.body);
    if (!document) return "not JSON: " + answer.body;
    const JsonValue value = document->root().member(name);
    return value.found() ? std::string{value.text()} : "missing";
  }
  static std::string code(const Answer& answer) {
    return std::to_string(answer.status) + " " + member(answer, "code");
  }
  static std::size_t events(const Answer& answer) {
    const auto document = JsonDocument::parse(answer.body);
    const JsonValue list = document ? document->root().member("events") : JsonValue{};
    return list.found() ? list.size() : 999;
  }

  HandClock clock_;
  std::unique_ptr<EventStore> store_ = make_memory_store(clock_);
  std::unique_ptr<consumer::Consumers> consumers_;
  std::unique_ptr<observe::Metrics> metrics_;
  Router router_;
  OpenApi openapi_{"Test", "1"};
  std::unique_ptr<ConsumerRoutes> routes_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<RawClient> client_;
};

TEST_F(ConsumerRoutesTest, MakesShowsListsAndRemovesConsumers) {
  append(3);
  const Answer made = ask("PUT", "/mail", R"({"filter":{"types":["A"],"tags":[]},"start":1})");
  EXPECT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.headers.at("location"), "/v1/consumers/mail");
  EXPECT_EQ(made.body,
            R"({"name":"mail","filter":{"categories":[],"types":["A"],"tags":[]},"start":1,)"
            R"("position":1,"logEnd":3,"lagEvents":2,"state":"idle","reader":null,)"
            R"("createdAt":"2023-11-14T22:13:20.000000Z","acknowledgedAt":null,"lastError":null})");
  EXPECT_EQ(ask("PUT", "/mail", R"({"start":1,"filter":{"types":["A","A"]}})").status, 200);
  EXPECT_EQ(ask("GET", "/mail").body, made.body);

  const Answer other = ask("PUT", "/mail", R"({"start":"end"})");
  EXPECT_EQ(code(other), "409 consumer_exists");
  EXPECT_NE(other.body.find(R"("found":{"filter":{"categories":[],"types":["A"],"tags":[]})"),
            std::string::npos);

  EXPECT_EQ(ask("DELETE", "/mail").status, 204);
  EXPECT_EQ(code(ask("GET", "/mail")), "404 consumer_unknown");
  EXPECT_EQ(code(ask("DELETE", "/mail")), "404 consumer_unknown");
}

TEST_F(ConsumerRoutesTest, ListsInPagesByName) {
  for (const auto* name : {"/c", "/a", "/b"}) ASSERT_EQ(ask("PUT", name, "{}").status, 201);

  const Answer first = ask("GET", "?limit=2");
  EXPECT_LT(first.body.find(R"("name":"a")"), first.body.find(R"("name":"b")"));
  const Answer rest = ask("GET", "?limit=2&cursor=" + member(first, "next"));
  EXPECT_NE(rest.body.find(R"("name":"c")"), std::string::npos);
  EXPECT_NE(rest.body.find(R"("next":null)"), std::string::npos);
  EXPECT_EQ(code(ask("GET", "?cursor=abc")), "400 malformed");
  EXPECT_EQ(code(ask("GET", "?limit=1001")), "400 malformed");
}

TEST_F(ConsumerRoutesTest, GivesEventsUntilTheyAreAcknowledged) {
  append(5);
  ask("PUT", "/mail", "{}");

  const Answer first = read("mail/events?limit=3");
  EXPECT_EQ(events(first), 3U);
  EXPECT_EQ(member(first, "position"), "3");
  EXPECT_NE(first.body.find(R"({"position":1,"stream":"a-1","version":1,"id":")"),
            std::string::npos);
  EXPECT_EQ(read("mail/events?limit=3").body, first.body) << "not acknowledged: again";
  EXPECT_EQ(ack("mail", first).body, R"({"position":3})");
  EXPECT_EQ(ack("mail", first).body, R"({"position":3})") << "idempotent";
  EXPECT_EQ(events(read("mail/events")), 2U);
  EXPECT_NE(ask("GET", "/mail").body.find(R"("acknowledgedAt":"2023-)"), std::string::npos);
}

TEST_F(ConsumerRoutesTest, TellsASecondReaderWhoHoldsItAndUntilWhen) {
  append(1);
  ask("PUT", "/mail", "{}");
  ASSERT_EQ(read("mail/events").status, 200);

  const Answer busy = read("mail/events", "two");
  EXPECT_EQ(code(busy), "409 consumer_busy");
  EXPECT_NE(busy.body.find(R"("reader":{"name":"one","since":"2023-11-14T22:13:20.000000Z",)"
                           R"("until":"2023-11-14T22:13:50.000000Z"})"),
            std::string::npos)
      << busy.body;
  EXPECT_EQ(busy.headers.at("retry-after"), "30");
  EXPECT_NE(ask("GET", "/mail").body.find(R"("state":"reading","reader":{"name":"one")"),
            std::string::npos);
  clock_.move(30s);
  EXPECT_EQ(events(read("mail/events", "two")), 1U);
}

TEST_F(ConsumerRoutesTest, WithoutANameTheReaderIsItsConnection) {
  append(1);
  ask("PUT", "/mail", "{}");
  ASSERT_EQ(ask("GET", "/mail/events").status, 200);
  RawClient other{server_->port()};
  EXPECT_EQ(code(other.ask("GET", "/v1/consumers/mail/events")), "409 consumer_busy");
  EXPECT_EQ(ask("GET", "/mail/events").status, 200) << "the same connection goes on";

  client_->close();

  EXPECT_EQ(events(other.ask("GET", "/v1/consumers/mail/events")), 1U)
      << "no 30 s to wait for a reader that is known to be gone";
}

TEST_F(ConsumerRoutesTest, AReaderThatCallsOnceAConnectionNeverFindsItBusy) {
  append(1);
  ask("PUT", "/mail", "{}");
  for (int i = 0; i < 50; ++i) {
    RawClient once{server_->port()};
    ASSERT_EQ(once.ask("GET", "/v1/consumers/mail/events").status, 200) << i;
  }
}

TEST_F(ConsumerRoutesTest, WaitsForTheFirstEventAndAnswersAtOnceWhenItComes) {
  ask("PUT", "/mail", "{}");
  const auto begin = std::chrono::steady_clock::now();
  auto waiting = std::async(std::launch::async, [&] {
    RawClient reader{server_->port()};
    return reader.ask("GET", "/v1/consumers/mail/events?wait=20");
  });
  std::this_thread::sleep_for(100ms);
  append(2);

  const Answer answer = waiting.get();
  EXPECT_EQ(events(answer), 2U);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

TEST_F(ConsumerRoutesTest, AnswersEmptyWithACursorWhenTheWaitIsOver) {
  append(3, "Dull");
  ask("PUT", "/rare", R"({"filter":{"types":["Rare"]}})");
  const auto begin = std::chrono::steady_clock::now();

  const Answer answer = read("rare/events?wait=1");

  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, 900ms);
  EXPECT_LT(took, 5s);
  EXPECT_EQ(events(answer), 0U);
  EXPECT_EQ(member(answer, "position"), "3") << "it says how far it looked";
  EXPECT_EQ(ack("rare", answer).body, R"({"position":3})");
  EXPECT_EQ(code(read("rare/events?wait=31")), "400 malformed");
  EXPECT_EQ(code(read("rare/events?limit=0")), "400 malformed");
  EXPECT_EQ(code(read("rare/events?after=1")), "400 malformed");
}

TEST_F(ConsumerRoutesTest, AReaderThatWaitsIsToldWhenItsConsumerIsRemoved) {
  ask("PUT", "/mail", "{}");
  auto waiting = std::async(std::launch::async, [&] {
    RawClient reader{server_->port()};
    return reader.ask("GET", "/v1/consumers/mail/events?wait=20");
  });
  std::this_thread::sleep_for(100ms);
  ASSERT_EQ(ask("DELETE", "/mail").status, 204);
  append(1);

  EXPECT_EQ(code(waiting.get()), "404 consumer_unknown");
}

TEST_F(ConsumerRoutesTest, AFilterThatPassesOverAMillionEventsAnswersWithinItsWait) {
  for (int i = 0; i < 250; ++i) append(4'000, "Dull");
  append(1, "Rare");
  ask("PUT", "/rare", R"({"filter":{"types":["Rare"]}})");
  const auto begin = std::chrono::steady_clock::now();

  const Answer found = read("rare/events?wait=30");

  EXPECT_EQ(events(found), 1U);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
  EXPECT_EQ(member(ask("GET", "/rare"), "position"), "1000000");
  const auto again = std::chrono::steady_clock::now();
  EXPECT_EQ(events(read("rare/events")), 1U);
  EXPECT_LT(std::chrono::steady_clock::now() - again, 1s) << "what it passed over is remembered";
}

TEST_F(ConsumerRoutesTest, ASeekMovesItAndMakesEveryCursorForeign) {
  append(4);
  ask("PUT", "/mail", "{}");
  const Answer before = read("mail/events");

  EXPECT_EQ(ask("POST", "/mail/seek", R"({"to":"end"})").body, R"({"position":4})");
  EXPECT_EQ(events(read("mail/events")), 0U);
  EXPECT_EQ(ask("POST", "/mail/seek", R"({"to":2})").body, R"({"position":2})");
  EXPECT_EQ(events(read("mail/events")), 2U);
  EXPECT_EQ(code(ack("mail", before)), "409 cursor_foreign");
  EXPECT_EQ(ask("POST", "/mail/seek", R"({"to":"beginning"})").body, R"({"position":0})");
  EXPECT_EQ(code(ask("POST", "/mail/seek", R"({"to":5})")), "400 malformed");
  EXPECT_EQ(code(ask("POST", "/mail/seek", R"({"to":"middle"})")), "400 malformed");
  EXPECT_EQ(code(ask("POST", "/mail/seek", "{}")), "400 malformed");
}

TEST_F(ConsumerRoutesTest, ACursorThatIsNoneIsMalformedAndOneOfAnotherIsForeign) {
  append(1);
  ask("PUT", "/mail", "{}");
  ask("PUT", "/search", "{}");
  const Answer mail = read("mail/events");

  EXPECT_EQ(code(ack("search", mail)), "409 cursor_foreign");
  for (const std::string body :
       {R"({"cursor":"abc"})", R"({"cursor":""})", R"({"cursor":7})", R"({})",
        R"({"cursor":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})", "[]", "{"}) {
    EXPECT_EQ(code(ask("POST", "/mail/ack", body)), "400 malformed") << body;
  }
  std::string flipped = member(mail, "cursor");
  flipped[20] = flipped[20] == 'A' ? 'B' : 'A';
  EXPECT_EQ(code(ask("POST", "/mail/ack", R"({"cursor":")" + flipped + "\"}")), "400 malformed");
}

TEST_F(ConsumerRoutesTest, NamesThePlaceOfAFaultInADefinition) {
  const std::vector<std::pair<std::string, std::string>> faults = {
      {R"({"filtre":{}})", "/filtre"},
      {R"({"filter":{"streams":[]}})", "/filter/streams"},
      {R"({"filter":{"types":["A",""]}})", "/filter/types/1"},
      {R"({"filter":{"types":"A"}})", "/filter/types"},
      {R"({"start":"middle"})", "/start"},
      {R"({"start":-1})", "/start"},
      {R"({"start":null})", "/start"}};
  for (const auto& [body, pointer] : faults) {
    const Answer answer = ask("PUT", "/mail", body);
    EXPECT_EQ(code(answer), "400 malformed") << body;
    EXPECT_EQ(member(answer, "pointer"), pointer) << answer.body;
  }
  EXPECT_EQ(code(ask("PUT", "/mail", R"({"start":1})")), "400 malformed") << "beyond the log's end";
  EXPECT_EQ(code(ask("PUT", "/a%20b", "{}")), "400 malformed");
  EXPECT_EQ(client_->ask("PUT", "/v1/consumers/mail", "{}").status, 415);
  ask("PUT", "/mail", "{}");
  EXPECT_EQ(code(read("mail/events", "two words")), "400 malformed");
}

TEST_F(ConsumerRoutesTest, AReadOnlyServerGivesEventsAndRefusesChanges) {
  append(2);
  ask("PUT", "/mail", "{}");
  stop();
  start(true);
  EXPECT_EQ(code(ask("PUT", "/mail", "{}")), "503 read_only");
  EXPECT_TRUE(ask("PUT", "/mail", "{}").headers.contains("retry-after"));
}

TEST_F(ConsumerRoutesTest, ShowsHowFarEachIsAsMetrics) {
  append(5);
  ask("PUT", "/mail", "{}");
  ack("mail", read("mail/events?limit=2"));
  ask("PUT", "/gone", "{}");
  ask("DELETE", "/gone");

  const std::string text = metrics_->text();
  EXPECT_NE(text.find("stele_consumer_lag_events{consumer=\"mail\"} 3\n"), std::string::npos);
  EXPECT_NE(text.find("stele_consumer_position{consumer=\"mail\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find("stele_consumer_reading{consumer=\"mail\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("stele_consumers 1\n"), std::string::npos);
  EXPECT_EQ(text.find("gone"), std::string::npos);
}

TEST_F(ConsumerRoutesTest, ABodyThatIsCompressedOrInAnotherCharacterSetIsRefused) {
  const auto with = [&](std::string_view headers) {
    return client_->ask("PUT", "/v1/consumers/mail", "{}", headers);
  };
  const Answer zipped = with("Content-Type: application/json\r\nContent-Encoding: gzip\r\n");
  EXPECT_EQ(code(zipped), "415 media_type");
  EXPECT_NE(member(zipped, "detail").find("gzip"), std::string::npos);
  EXPECT_EQ(zipped.headers.at("accept-encoding"), "identity");
  EXPECT_EQ(code(with("Content-Type: application/json; charset=iso-8859-1\r\n")), "415 media_type");
  EXPECT_EQ(with("Content-Type: application/json; charset=\"UTF-8\"\r\n").status, 201);
  EXPECT_EQ(with("Content-Type: application/json\r\nContent-Encoding: Identity\r\n").status, 200);
}

TEST(ConsumerCursor, RoundTripsAndFindsEveryFlippedBit) {
  const consumer::Cursor cursor{
      .consumer = Uuid{{1, 2, 3}}, .reading = 7, .position = Position{1'234'567'890'123}};
  const std::string text = encode_cursor(cursor);
  EXPECT_EQ(decode_cursor(text), cursor);
  EXPECT_LE(text.size(), 64U);
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const char other : {'A', 'B', 'z', '_', '='}) {
      std::string bad = text;
      if (bad[at] == other) continue;
      bad[at] = other;
      EXPECT_FALSE(decode_cursor(bad)) << at << other;
    }
  }
  EXPECT_FALSE(decode_cursor(""));
  EXPECT_FALSE(decode_cursor(text + "A"));
}

}  // namespace
}  // namespace stele::serve
