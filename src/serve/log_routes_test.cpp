// Drives the log's routes on the memory store, over sockets.

#include "serve/log_routes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "query/token.h"
#include "serve/append_json.h"
#include "serve/server.h"
#include "serve/service_routes.h"
#include "serve/testing/raw_client.h"
#include "stele/json.h"

namespace stele::serve {
namespace {

using namespace std::chrono_literals;
using testing::Answer;
using testing::RawClient;

constexpr std::string_view json_header = "Content-Type: application/json\r\n";
constexpr std::string_view lines_header = "Content-Type: application/x-ndjson\r\n";

class LogRoutesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    routes_ = std::make_unique<LogRoutes>(*store_, route_options_);
    routes_->add_to(router_, openapi_);
    add_service_routes(router_, openapi_, metrics_,
                       {{.name = "log", .check = [this] {
                           return HealthCheck::Outcome{.good = healthy_, .detail = "A \"log\"."};
                         }}});
    options_.keep_alive_interval = 100ms;
    server_ = std::make_unique<Server>(options_, router_, metrics_);
    ASSERT_TRUE(server_->start());
    client_ = std::make_unique<RawClient>(server_->port());
  }
  void TearDown() override {
    client_.reset();
    server_->stop();
    routes_.reset();
  }

  Answer append(std::string_view body, std::string headers = {}) {
    return client_->ask("POST", "/v1/append", body, headers + std::string{json_header});
  }
  Answer get(std::string_view target, std::string_view headers = {}) {
    return client_->ask("GET", target, {}, headers);
  }
  /// Appends one event with data `data` to stream "shape-1".
  Answer append_data(std::string_view data) {
    return append(R"({"streams":[{"stream":"shape-1","events":[{"type":"A","data":)" +
                  std::string{data} + "}]}]}");
  }
  /// The code of a refusal, with its pointer behind a blank.
  static std::string code(const Answer& answer) {
    const auto document = JsonDocument::parse(answer.body);
    if (!document) return "not JSON: " + answer.body;
    const JsonValue pointer = document->root().member("pointer");
    std::string out{document->root().member("code").text()};
    if (pointer.found()) out += ' ' + std::string{pointer.text()};
    return out;
  }
  static std::string member(const Answer& answer, std::string_view name) {
    const auto document = JsonDocument::parse(answer.body);
    if (!document) return "not JSON: " + answer.body;
    const JsonValue value = document->root().member(name);
    return value.found() ? std::string{value.text()} : "missing";
  }

  std::unique_ptr<EventStore> store_ = make_memory_store();
  LogRoutesOptions route_options_;
  bool healthy_ = true;
  ServerOptions options_;
  observe::Metrics metrics_;
  Router router_;
  OpenApi openapi_{"Test", "1"};
  std::unique_ptr<LogRoutes> routes_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<RawClient> client_;
};

TEST_F(LogRoutesTest, AppendsAndAnswersWithPositionsVersionsTipsAndAToken) {
  const Answer answer =
      append(R"({"streams":[{"stream":"a-1","expected":"none","events":[{"type":"A","data":1},)"
             R"({"type":"B","data":{}}]},{"stream":"b-1","events":[{"type":"C","data":null}]}]})");

  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(member(answer, "firstPosition"), "1");
  EXPECT_EQ(member(answer, "position"), "3");
  EXPECT_NE(answer.body.find("{\"stream\":\"a-1\",\"version\":2,\"tip\":\"" +
                             to_hex(store_->stream_tip("a-1")->tip) + "\"}"),
            std::string::npos);
  EXPECT_NE(answer.body.find("\"replayed\":false"), std::string::npos);
  EXPECT_EQ(member(answer, "token"), answer.headers.at("stele-token"));
  const auto token =
      query::decode_token(member(answer, "token"), store_->log_id(), store_->epoch());
  ASSERT_TRUE(token);
  EXPECT_EQ(token->position, Position{3});
  EXPECT_EQ(token->version, Version{2});
  EXPECT_EQ(token->stream_hash, query::hash_of_stream("a-1"));
}

TEST_F(LogRoutesTest, ShowsEveryPartOfAnEvent) {
  ASSERT_EQ(append(R"({"streams":[{"stream":"a-1","events":[{"type":"A\u00e4","tags":["x:1","y"],)"
                   R"("data": { "b" : [1, 2.50] , "a":"\u00e4 x" },"schemaVersion":7,)"
                   R"("metadata":{ "actor": "me" }}]}]})")
                .status,
            200);
  const auto page = store_->read_all(Position{0}, {}, 1);
  const EventView& event = page->events[0];

  EXPECT_EQ(get("/v1/streams/a-1").body,
            "{\"stream\":\"a-1\",\"version\":1,\"tip\":\"" + to_hex(tip_of(event.id)) +
                "\",\"events\":[{\"position\":1,\"stream\":\"a-1\",\"version\":1,\"id\":\"" +
                event.id.text() + "\",\"appendId\":\"" + event.append_id.text() +
                "\",\"type\":\"A\xc3\xa4\",\"tags\":[\"x:1\",\"y\"],"
                "\"data\":{\"b\":[1,2.50],\"a\":\"\\u00e4 x\"},"
                "\"contentType\":\"application/json\",\"schemaVersion\":7,"
                "\"metadata\":{\"actor\":\"me\"},\"recordedAt\":\"" +
                to_rfc3339(event.recorded_at) + "\"}]}");
}

TEST_F(LogRoutesTest, KeepsTheExactBytesOfDataAndShowsThemCompact) {
  const std::string data =
      "{ \"z\" : 123456789012345678901234567890 ,\n\t\"a\" : [ 1.0 , 1e400, -0 ], "
      "\"s\": \" \\\" [ \" }";
  ASSERT_EQ(append_data(data).status, 200);

  const Answer exact = get("/v1/events/1/data");
  EXPECT_EQ(exact.status, 200);
  EXPECT_EQ(exact.body, data);
  EXPECT_EQ(exact.headers.at("content-type"), "application/json");
  EXPECT_EQ(exact.headers.at("x-content-type-options"), "nosniff");
  EXPECT_NE(get("/v1/events")
                .body.find("\"data\":{\"z\":123456789012345678901234567890,"
                           "\"a\":[1.0,1e400,-0],\"s\":\" \\\" [ \"}"),
            std::string::npos);
  EXPECT_EQ(code(get("/v1/events/2/data")), "route_unknown");
  EXPECT_EQ(code(get("/v1/events/0/data")), "malformed");
  EXPECT_EQ(code(get("/v1/events/x/data")), "malformed");
  EXPECT_EQ(get("/v1/events/1/data", "Accept: text/html\r\n").status, 406);
}

TEST_F(LogRoutesTest, CarriesBytesThatAreNotJson) {
  ASSERT_EQ(append(R"({"streams":[{"stream":"a-1","events":[)"
                   R"({"type":"A","dataBase64":"AAH/","contentType":"image/png"},)"
                   R"({"type":"A","dataBase64":"eyAiYSI6MX0=","contentType":"application/json"},)"
                   R"({"type":"A","dataBase64":""}]}]})")
                .status,
            200);

  const Answer events = get("/v1/events");
  EXPECT_NE(events.body.find(R"("dataBase64":"AAH/","contentType":"image/png")"),
            std::string::npos);
  EXPECT_NE(events.body.find(R"("data":{"a":1},"contentType":"application/json")"),
            std::string::npos);
  EXPECT_NE(events.body.find(R"("dataBase64":"","contentType":"application/octet-stream")"),
            std::string::npos);
  EXPECT_EQ(get("/v1/events/1/data").body, std::string("\x00\x01\xff", 3));
  EXPECT_EQ(get("/v1/events/2/data").body, "{ \"a\":1}");
}

/// The rules of CloudEvents 1.0 (sections 3.1 to 3.3, and 2 and 3 of its JSON format) for one
/// event.
void expect_cloud_event(const JsonValue& event) {
  ASSERT_EQ(event.kind(), JsonKind::object);
  for (const auto* required : {"id", "source", "specversion", "type"}) {
    ASSERT_TRUE(event.member(required).found()) << required;
    EXPECT_FALSE(event.member(required).text().empty()) << required;
  }
  EXPECT_EQ(event.member("specversion").text(), "1.0");
  EXPECT_TRUE(parse_time(event.member("time").text()));
  EXPECT_NE(event.member("data").found(), event.member("data_base64").found());
  JsonValue member = event.first();
  for (std::size_t i = 0; i < event.size(); ++i, member = member.next()) {
    if (member.key() == "data") continue;
    EXPECT_EQ(member.kind(), JsonKind::string) << member.key() << ": attributes are simple values";
    if (member.key() == "data_base64") continue;
    EXPECT_LE(member.key().size(), 20U) << "names should not be longer";
    for (const char c : member.key()) {
      EXPECT_TRUE((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) << member.key();
    }
    for (const char c : member.text()) EXPECT_GE(static_cast<unsigned char>(c), 0x20U);
  }
}

TEST_F(LogRoutesTest, GivesABatchOfCloudEventsToThoseWhoAcceptIt) {
  const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  ASSERT_EQ(append(R"({"streams":[{"stream":"a-1","events":[{"type":"A","tags":["x:1","y,z"],)"
                   R"("data": { "n" : [1, 2.50] },"schemaVersion":7,"metadata":{"actor":"me",)"
                   R"("traceparent":")" +
                   trace +
                   R"("}},{"type":"B","dataBase64":"AAH/",)"
                   R"("contentType":"image/png"},{"type":"C","data":null}]}]})")
                .status,
            200);
  const auto page = store_->read_all(Position{0}, {}, 1);
  const EventView& first = page->events[0];
  const std::string_view accept = "Accept: application/cloudevents-batch+json\r\n";

  const Answer answer = get("/v1/events", accept);

  EXPECT_EQ(answer.headers.at("content-type"), "application/cloudevents-batch+json");
  EXPECT_EQ(answer.headers.at("stele-position"), "3");
  EXPECT_EQ(answer.headers.at("stele-log-end"), "3");
  EXPECT_TRUE(
      query::decode_token(answer.headers.at("stele-token"), store_->log_id(), store_->epoch()));
  const auto document = JsonDocument::parse(answer.body);
  ASSERT_TRUE(document) << answer.body;
  ASSERT_EQ(document->root().kind(), JsonKind::array);
  ASSERT_EQ(document->root().size(), 3U);
  JsonValue event = document->root().first();
  for (int i = 0; i < 3; ++i, event = event.next()) expect_cloud_event(event);
  const std::string source = "/stele/" + store_->log_id().text();
  EXPECT_TRUE(answer.body.starts_with(
      R"([{"specversion":"1.0","id":")" + first.id.text() + R"(","source":")" + source +
      R"(","type":"A","subject":"a-1","time":")" + to_rfc3339(first.recorded_at) +
      R"(","datacontenttype":"application/json","steleposition":"1","steleversion":"1",)"
      R"("steleappend":")" +
      first.append_id.text() +
      R"(","steleepoch":"1","steleschema":"7",)"
      R"("steletags":"[\"x:1\",\"y,z\"]","stelemetadata":"{\"actor\":\"me\",\"traceparent\":\")" +
      trace + R"(\"}","traceparent":")" + trace + R"(","data":{"n":[1,2.50]}},)"))
      << answer.body;
  EXPECT_NE(answer.body.find(R"("datacontenttype":"image/png",)"), std::string::npos);
  EXPECT_NE(answer.body.find(R"("data_base64":"AAH/"})"), std::string::npos);
  EXPECT_TRUE(answer.body.ends_with(R"("data":null}])"));
  EXPECT_EQ(get("/v1/events?after=3", accept).body, "[]");
  EXPECT_EQ(get("/v1/events?type=B&limit=1", accept).headers.at("stele-position"), "2");
}

TEST_F(LogRoutesTest, NamesThePlaceOfEveryFault) {
  const auto with_event = [](std::string_view event) {
    return R"({"streams":[{"stream":"a-1","events":[)" + std::string{event} + "]}]}";
  };
  const std::vector<std::pair<std::string, std::string>> faults = {
      {"", "malformed"},
      {"[]", "malformed"},
      {"{", "malformed"},
      {"{}", "malformed"},
      {R"({"streams":[]} x)", "malformed"},
      {R"({"streams":[]})", "malformed"},
      {R"({"streams":[],"streams":[]})", "malformed /streams"},
      {R"({"streams":{}})", "malformed /streams"},
      {R"({"strems":[]})", "malformed /strems"},
      {R"({"a/b~":[]})", "malformed /a~1b~0"},
      {R"({"id":"x","streams":[]})", "malformed /id"},
      {R"({"id":1,"streams":[]})", "malformed /id"},
      {R"({"streams":[{"stream":"a"}]})", "malformed /streams/0/stream"},
      {R"({"streams":[{"stream":"a-1"},{"stream":"-1"}]})", "malformed /streams/1/stream"},
      {R"({"streams":[{"events":[]}]})", "malformed /streams/0"},
      {R"({"streams":[{"stream":"a-1","expected":"all"}]})", "malformed /streams/0/expected"},
      {R"({"streams":[{"stream":"a-1","expected":{}}]})", "malformed /streams/0/expected"},
      {R"({"streams":[{"stream":"a-1","expected":{"version":-1}}]})",
       "malformed /streams/0/expected/version"},
      {R"({"streams":[{"stream":"a-1","expected":{"version":1.0}}]})",
       "malformed /streams/0/expected/version"},
      {R"({"streams":[{"stream":"a-1","expected":{"version":9007199254740992}}]})",
       "malformed /streams/0/expected/version"},
      {R"({"streams":[{"stream":"a-1","expected":{"version":1,"tip":"xyz"}}]})",
       "malformed /streams/0/expected/tip"},
      {R"({"streams":[{"stream":"a-1"},{"stream":"a-1"}]})", "malformed"},
      {with_event(R"({"data":1})"), "malformed /streams/0/events/0"},
      {with_event(R"({"type":"A"})"), "malformed /streams/0/events/0"},
      {with_event(R"({"type":"A","data":1,"dataBase64":""})"), "malformed /streams/0/events/0"},
      {with_event(R"({"type":"A","data":1},{"type":"A","data":1,"x":1})"),
       "malformed /streams/0/events/1/x"},
      {with_event(R"({"type":"A","data":01})"), "malformed /streams/0/events/0"},
      {with_event(R"({"type":"A","data":[1 2]})"), "malformed /streams/0/events/0/data"},
      {with_event(R"({"type":"A","data":{"a":}})"), "malformed /streams/0/events/0/data"},
      {with_event(R"({"type":"A","data":"\ud800"})"), "malformed /streams/0/events/0/data"},
      {with_event("{\"type\":\"A\",\"data\":\"\xff\"}"), "malformed /streams/0/events/0/data"},
      {with_event(R"({"type":"A","dataBase64":"?"})"), "malformed /streams/0/events/0/dataBase64"},
      {with_event(R"({"type":"A","data":1,"contentType":"text/plain"})"),
       "malformed /streams/0/events/0"},
      {with_event(R"({"type":"A","dataBase64":"AA==","contentType":"application/json"})"),
       "malformed /streams/0/events/0"},
      {with_event(R"({"type":"A","data":1,"metadata":[]})"),
       "malformed /streams/0/events/0/metadata"},
      {with_event(R"({"type":"A","data":1,"schemaVersion":65536})"),
       "malformed /streams/0/events/0/schemaVersion"},
      {with_event(R"({"type":"A","data":1,"tags":["x","x"]})"), "malformed"},
      {with_event(R"({"type":"","data":1})"), "malformed"},
      {R"({"streams":[{"stream":"a-1"}],"condition":{"failIf":[{}]}})",
       "malformed /condition/failIf/0"},
      {R"({"streams":[{"stream":"a-1"}],"condition":{}})", "malformed /condition"},
      {with_event(R"({"type":"A","data":)" + std::string(100'000, '[') + "}"),
       "malformed /streams/0/events/0/data"},
  };
  for (const auto& [body, expected] : faults) {
    const Answer answer = append(body.empty() ? " " : body);
    EXPECT_EQ(answer.status, 400) << body.substr(0, 200);
    EXPECT_EQ(code(answer), expected) << body.substr(0, 200) << answer.body;
  }
  EXPECT_EQ(store_->log_end(), Position{0});
}

TEST_F(LogRoutesTest, RefusesSizesOverTheirLimits) {
  const Answer event = append_data('"' + std::string(1'000'000, 'x') + '"');
  EXPECT_EQ(code(event), "too_large");
  EXPECT_NE(event.body.find("\"limit\":921600"), std::string::npos) << event.body;
  const std::string metadata =
      R"({"streams":[{"stream":"a-1","events":[{"type":"A","data":1,"metadata":{"x":")" +
      std::string(20'000, 'm') + R"("}}]}]})";
  const Answer answer = append(metadata);
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(code(answer), "too_large");
  EXPECT_NE(answer.body.find("\"limit\":16384"), std::string::npos) << answer.body;
}

TEST_F(LogRoutesTest, RefusesOtherMediaTypesAndUnknownParameters) {
  EXPECT_EQ(client_->ask("POST", "/v1/append", "x").status, 415);
  EXPECT_EQ(client_->ask("POST", "/v1/append", "x", "Content-Type: text/plain\r\n").status, 415);
  EXPECT_EQ(append("{}", "Accept: text/html\r\n").status, 406);
  EXPECT_EQ(client_->ask("POST", "/v1/append?x=1", "{}", json_header).status, 400);
  EXPECT_EQ(code(get("/v1/events?x=1")), "malformed ?x");
  EXPECT_EQ(code(get("/v1/events?limit=0")), "malformed ?limit");
  EXPECT_EQ(code(get("/v1/events?limit=10001")), "malformed ?limit");
  EXPECT_EQ(code(get("/v1/events?limit=1&limit=2")), "malformed ?limit");
  EXPECT_EQ(code(get("/v1/events?after=-1")), "malformed ?after");
  EXPECT_EQ(code(get("/v1/events?wait=31")), "malformed ?wait");
  EXPECT_EQ(code(get("/v1/events?type=")), "malformed ?type");
  EXPECT_EQ(get("/v1/events", "Accept: image/png\r\n").status, 406);
  EXPECT_EQ(code(get("/v1/streams/nodash")), "malformed");
  EXPECT_EQ(code(get("/v1/streams/a-1?direction=up")), "malformed ?direction");
  EXPECT_EQ(get("/v1/consumers").status, 404);
  EXPECT_EQ(client_->ask("DELETE", "/v1/append").headers.at("allow"), "POST, OPTIONS");
}

TEST_F(LogRoutesTest, TellsConflictsWithWhatWasFound) {
  ASSERT_EQ(append_data("1").status, 200);
  const std::string tip = to_hex(store_->stream_tip("shape-1")->tip);
  const Answer conflict =
      append(R"({"streams":[{"stream":"shape-1","expected":{"version":0,"tip":"00000000000000ff"},)"
             R"("events":[{"type":"A","data":1}]},{"stream":"shape-2","expected":"some"}]})");
  EXPECT_EQ(conflict.status, 409);
  EXPECT_EQ(code(conflict), "version_conflict");
  EXPECT_NE(
      conflict.body.find(
          R"("conflicts":[{"stream":"shape-1","expected":{"version":0,"tip":"00000000000000ff"},)"
          R"("version":1,"tip":")" +
          tip +
          R"("},{"stream":"shape-2","expected":"some","version":0,"tip":"0000000000000000"}])"),
      std::string::npos)
      << conflict.body;

  const Answer failed =
      append(R"({"streams":[{"stream":"shape-9","events":[{"type":"A","data":1}]}],)"
             R"("condition":{"failIf":[{"types":["A"]}],"after":0}})");
  EXPECT_EQ(failed.status, 409);
  EXPECT_EQ(code(failed), "condition_failed");
  EXPECT_EQ(member(failed, "position"), "1");
}

TEST_F(LogRoutesTest, AnswersAPureCheckWithTheLogsEnd) {
  ASSERT_EQ(append_data("1").status, 200);
  const Answer check = append(R"({"streams":[{"stream":"shape-1","expected":{"version":1}}]})");
  EXPECT_EQ(check.status, 200);
  EXPECT_EQ(member(check, "firstPosition"), "0");
  EXPECT_EQ(member(check, "position"), "1");
  EXPECT_EQ(store_->log_end(), Position{1});
}

TEST_F(LogRoutesTest, ReplaysAnAppendByItsIdOrKey) {
  const std::string id = "0190c6a1-3f2e-7abc-8def-0123456789ab";
  const std::string body =
      R"({"id":")" + id + R"(","streams":[{"stream":"a-1","events":[{"type":"A","data":1}]}]})";
  const Answer first = append(body);
  const Answer again = append(body);
  EXPECT_EQ(member(first, "id"), id);
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.headers.at("idempotent-replayed"), "true");
  std::string expected = first.body;
  expected.replace(expected.find("\"replayed\":false"), 16, "\"replayed\":true");
  EXPECT_EQ(again.body, expected);

  const std::string other = R"({"streams":[{"stream":"b-1","events":[{"type":"B","data":1}]}]})";
  EXPECT_EQ(append(other, "Idempotency-Key: k 1\r\n").status, 200);
  EXPECT_EQ(append(" " + other, "Idempotency-Key: k 1\r\n").headers.count("idempotent-replayed"),
            1U);
  const Answer reused = append(R"({"streams":[{"stream":"c-1","events":[{"type":"B","data":1}]}]})",
                               "Idempotency-Key: k 1\r\n");
  EXPECT_EQ(reused.status, 422);
  EXPECT_EQ(code(reused), "id_reused");
  EXPECT_EQ(store_->log_end(), Position{2});

  EXPECT_EQ(code(append(body, "Idempotency-Key: k\r\n")), "malformed /id");
  EXPECT_EQ(append(other, "Idempotency-Key: \r\n").status, 400);
  EXPECT_EQ(append(other, "Idempotency-Key: " + std::string(256, 'k') + "\r\n").status, 400);
  EXPECT_EQ(append(other, "Idempotency-Key: a\r\nIdempotency-Key: b\r\n").status, 400);
}

TEST_F(LogRoutesTest, AnswersEachLineInOrderAndGoesOnAfterABadOne) {
  const auto line = [](std::string_view stream, std::string_view rest = "") {
    return R"({"streams":[{"stream":")" + std::string{stream} + "\"" + std::string{rest} +
           R"(,"events":[{"type":"A","data":1}]}]})" + "\n";
  };
  const std::string body = line("a-1") + "not JSON\n\n" + line("a-1", R"(,"expected":"none")") +
                           line("bad") + "\r\n" + line("a-1", R"(,"expected":{"version":1})");
  const Answer answer = client_->ask("POST", "/v1/append", body, lines_header);

  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("content-type"), "application/x-ndjson");
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < answer.body.size();) {
    const std::size_t end = answer.body.find('\n', at);
    lines.push_back(answer.body.substr(at, end - at));
    at = end + 1;
  }
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_NE(lines[0].find("\"firstPosition\":1"), std::string::npos);
  EXPECT_NE(lines[1].find("\"code\":\"malformed\""), std::string::npos);
  EXPECT_NE(lines[2].find("\"code\":\"version_conflict\""), std::string::npos);
  EXPECT_NE(lines[3].find("\"code\":\"malformed\""), std::string::npos);
  EXPECT_NE(lines[4].find("\"firstPosition\":2"), std::string::npos);
  EXPECT_EQ(append(body, "Idempotency-Key: k\r\n").status, 400);
  EXPECT_EQ(client_->ask("POST", "/v1/append", "\n", lines_header).body, "");
}

TEST_F(LogRoutesTest, AppendsManyLinesInOrder) {
  constexpr int count = 2'000;
  std::string body;
  for (int i = 0; i < count; ++i) {
    body += R"({"streams":[{"stream":"a-1","expected":{"version":)" + std::to_string(i) +
            R"(},"events":[{"type":"A","data":)" + std::to_string(i) + "}]}]}\n";
  }
  const Answer answer = client_->ask("POST", "/v1/append", body, lines_header);
  EXPECT_EQ(std::ranges::count(answer.body, '\n'), count);
  EXPECT_EQ(answer.body.find("problem"), std::string::npos);
  EXPECT_EQ(store_->log_end(), Position{count});
}

TEST_F(LogRoutesTest, ReadsPagesWithFiltersAndSaysHowFarItLooked) {
  ASSERT_EQ(append(R"({"streams":[{"stream":"a-1","events":[)"
                   R"({"type":"A","data":1,"tags":["x","y"]},{"type":"B","data":2,"tags":["x"]}]},)"
                   R"({"stream":"b-1","events":[{"type":"A","data":3}]}]})")
                .status,
            200);
  const auto positions = [&](std::string_view target) {
    const Answer answer = get(target);
    const auto document = JsonDocument::parse(answer.body);
    std::string out;
    const JsonValue events = document->root().member("events");
    JsonValue event = events.first();
    for (std::size_t i = 0; i < events.size(); ++i, event = event.next()) {
      out += std::string{event.member("position").text()} + ' ';
    }
    const JsonValue to = document->root().member("position");
    return out + "to " + (to.found() ? std::string{to.text()} : "");
  };
  EXPECT_EQ(positions("/v1/events"), "1 2 3 to 3");
  EXPECT_EQ(positions("/v1/events?limit=2"), "1 2 to 2");
  EXPECT_EQ(positions("/v1/events?after=2"), "3 to 3");
  EXPECT_EQ(positions("/v1/events?after=99"), "to 3");
  EXPECT_EQ(positions("/v1/events?category=a"), "1 2 to 3");
  EXPECT_EQ(positions("/v1/events?category=a&category=b&type=A"), "1 3 to 3");
  EXPECT_EQ(positions("/v1/events?type=A&type=B"), "1 2 3 to 3");
  EXPECT_EQ(positions("/v1/events?tag=x&tag=y"), "1 to 3");
  EXPECT_EQ(positions("/v1/streams/a-1").substr(0, 4), "1 2 ");
  EXPECT_EQ(positions("/v1/streams/a-1?direction=backward").substr(0, 4), "2 1 ");
  EXPECT_EQ(positions("/v1/streams/a-1?direction=backward&after=2").substr(0, 3), "1 t");
  EXPECT_EQ(positions("/v1/streams/a-1?after=1&limit=1").substr(0, 2), "2 ");
  EXPECT_EQ(get("/v1/streams/never-1").body,
            R"({"stream":"never-1","version":0,"tip":"0000000000000000","events":[]})");
}

TEST_F(LogRoutesTest, ReadsALogThatIsLongerThanOneRead) {
  std::string body = R"({"streams":[{"stream":"a-1","events":[)";
  for (int i = 0; i < 2'000; ++i) body += R"({"type":"A","data":1},)";
  body.back() = ']';
  ASSERT_EQ(append(body + "}]}").status, 200);

  const Answer lines = get("/v1/events?limit=10000", "Accept: application/x-ndjson\r\n");
  EXPECT_TRUE(lines.complete);
  EXPECT_EQ(std::ranges::count(lines.body, '\n'), 2'000);
  EXPECT_EQ(
      std::ranges::count(get("/v1/events?limit=7", "Accept: application/x-ndjson\r\n").body, '\n'),
      7);
  EXPECT_EQ(member(get("/v1/events?limit=10000"), "position"), "2000");
  EXPECT_EQ(member(get("/v1/events?limit=1500"), "position"), "1500");
  EXPECT_NE(get("/v1/streams/a-1?limit=2000").body.find("\"version\":2000"), std::string::npos);
  EXPECT_NE(get("/v1/streams/a-1?limit=2000&direction=backward").body.find("\"position\":1,"),
            std::string::npos);
}

TEST_F(LogRoutesTest, WaitsForAnEventAndAnswersWhenItComes) {
  RawClient waiting{server_->port()};
  waiting.send("GET /v1/events?after=0&wait=20&type=B HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_EQ(append_data("1").status, 200);
  EXPECT_FALSE(waiting.answer(false, 200ms));
  ASSERT_EQ(append(R"({"streams":[{"stream":"a-1","events":[{"type":"B","data":1}]}]})").status,
            200);
  const auto answer = waiting.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(member(*answer, "position"), "2");

  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(member(get("/v1/events?after=2&wait=1"), "position"), "2");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 900ms);
  EXPECT_EQ(std::ranges::count(
                get("/v1/events?after=0&wait=9", "Accept: application/x-ndjson\r\n").body, '\n'),
            2);
}

TEST_F(LogRoutesTest, FeedsLiveAndResumesWhereAClientStopped) {
  ASSERT_EQ(append_data("1").status, 200);
  RawClient feed{server_->port()};
  feed.send("GET /v1/events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n");
  const std::string first = feed.read_until("\n\n");
  EXPECT_NE(first.find("Content-Type: text/event-stream"), std::string::npos);
  EXPECT_NE(first.find("id: 1\nevent: A\ndata: {\"position\":1,"), std::string::npos);
  for (int i = 2; i <= 5; ++i) {
    ASSERT_EQ(append_data("2").status, 200);
    EXPECT_NE(feed.read_until("}\n\n").find("id: " + std::to_string(i) + "\n"), std::string::npos);
  }
  EXPECT_NE(feed.read_until(": still here\n\n").find(": still here"), std::string::npos);

  RawClient resumed{server_->port()};
  resumed.send(
      "GET /v1/events?after=1 HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n"
      "Last-Event-ID: 4\r\n\r\n");
  EXPECT_NE(resumed.read_until("}\n\n").find("\r\nid: 5\n"), std::string::npos);
  EXPECT_EQ(get("/v1/events", "Accept: text/event-stream\r\nLast-Event-ID: x\r\n").status, 400);
}

TEST_F(LogRoutesTest, AppendsFromManyClientsAtOnceToOneStream) {
  std::vector<std::jthread> clients;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([this, c] {
      RawClient client{server_->port()};
      for (int i = 0; i < 100; ++i) {
        const std::string body = R"({"streams":[{"stream":"a-1","events":[{"type":"A","data":)" +
                                 std::to_string(c) + "}]}]}";
        ASSERT_EQ(client.ask("POST", "/v1/append", body, json_header).status, 200);
      }
    });
  }
  clients.clear();
  EXPECT_EQ(store_->log_end(), Position{400});
}

TEST_F(LogRoutesTest, SaysWhetherItIsReady) {
  EXPECT_EQ(get("/health/live").status, 200);
  EXPECT_EQ(get("/health/ready").body,
            R"({"status":"ok","checks":[{"name":"log","status":"ok","detail":"A \"log\"."}]})");
  healthy_ = false;
  const Answer failed = get("/health/ready");
  EXPECT_EQ(failed.status, 503);
  EXPECT_EQ(member(failed, "status"), "failed");
  EXPECT_NE(get("/metrics").body.find("# TYPE stele_http_requests_total counter"),
            std::string::npos);
}

TEST_F(LogRoutesTest, DescribesItsRoutes) {
  const Answer answer = get("/openapi.json");
  ASSERT_EQ(answer.status, 200);
  const auto document = JsonDocument::parse(answer.body);
  ASSERT_TRUE(document) << document.error().message;
  EXPECT_EQ(document->root().member("openapi").text(), "3.1.0");
  const JsonValue paths = document->root().member("paths");
  for (const char* const path : {"/v1/append", "/v1/events", "/v1/events/{position}/data",
                                 "/v1/streams/{stream}", "/health/ready", "/openapi.json"}) {
    EXPECT_TRUE(paths.member(path).found()) << path;
  }
}

}  // namespace
}  // namespace stele::serve
