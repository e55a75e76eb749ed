#include "serve/http.h"

#include <gtest/gtest.h>

#include "serve/base64.h"
#include "serve/openapi.h"
#include "serve/problem.h"
#include "serve/query_params.h"
#include "serve/router.h"
#include "serve/url.h"
#include "stele/json.h"

namespace stele::serve {
namespace {

Request with_header(std::string_view name, std::string_view value) {
  Request request;
  request.headers = {{.name = name, .value = value}};
  return request;
}

TEST(Accept, ChoosesWhatTheClientLikesBest) {
  const auto choose = [](std::string_view accept) -> int {
    const Request request = with_header("accept", accept);
    const auto index = request.accepts({"application/json", "text/csv"});
    return index ? static_cast<int>(*index) : -1;
  };
  EXPECT_EQ(choose(""), 0);
  EXPECT_EQ(choose("*/*"), 0);
  EXPECT_EQ(choose("text/csv"), 1);
  EXPECT_EQ(choose("TEXT/CSV; charset=utf-8"), 1);
  EXPECT_EQ(choose("text/*, application/json;q=0.5"), 1);
  EXPECT_EQ(choose("application/*;q=0.2, text/csv;q=0.1"), 0);
  EXPECT_EQ(choose("*/*;q=0.1, application/json;q=0"), 1);
  EXPECT_EQ(choose("text/html"), -1);
  EXPECT_EQ(choose("application/json;q=0"), -1);
  EXPECT_EQ(Request{}.accepts({"x/y"}), 0U);
}

TEST(Request, TakesOnlyAWellFormedTraceparent) {
  const std::string good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  EXPECT_EQ(with_header("Traceparent", good).trace_id(), "0af7651916cd43dd8448eb211c80319c");
  for (const char* const bad : {"", "x", "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                                "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}) {
    EXPECT_EQ(with_header("traceparent", bad).traceparent(), "") << bad;
  }
}

TEST(Router, PrefersLiteralsAndComesBackFromThem) {
  Router router;
  const auto none = [](Request&, Responder) {};
  router.add("GET /a/{id}", none);
  router.add("GET /a/b/c", none);
  router.add("GET /a/b", none);
  router.add("GET /{x}/{y}/d", none);
  router.add("GET /", none);
  const auto find = [&](std::string_view path) -> std::string {
    Request request;
    request.method = "GET";
    request.path = path;
    std::string decoded;
    decoded.reserve(path.size());
    const auto found = router.find(request, decoded);
    if (std::holds_alternative<Response>(found)) {
      return std::to_string(std::get<Response>(found).status);
    }
    std::string out{request.route};
    for (const NameValue& each : request.params) {
      out += ' ' + std::string{each.name} + '=' + std::string{each.value};
    }
    return out;
  };
  EXPECT_EQ(find("/a/b"), "/a/b");
  EXPECT_EQ(find("/a/x"), "/a/{id} id=x");
  EXPECT_EQ(find("/a/x%2Fy"), "/a/{id} id=x/y");
  EXPECT_EQ(find("/a/%62"), "/a/b");
  EXPECT_EQ(find("/a/b/d"), "/{x}/{y}/d x=a y=b");
  EXPECT_EQ(find("/"), "/");
  for (const char* const path : {"/a", "/a/", "//b", "/a/b/c/d", "/a/b/"}) {
    EXPECT_EQ(find(path), "404") << path;
  }
  EXPECT_EQ(find("/a/%"), "400");
  EXPECT_EQ(find("/a/%0a"), "400");
  std::string deep;
  for (int i = 0; i < 1'000; ++i) deep += "/x";
  EXPECT_EQ(find(deep), "404");
}

TEST(QueryParams, ReadsEachKindAndKeepsTheFirstFault) {
  Request request;
  request.target = "/x?n=7&t=2026-01-31&b=true&d=up&m=1&m=2&e=%C3%A4+b";
  std::string decoded;
  ASSERT_TRUE(split_target(request, decoded));
  EXPECT_EQ(request.path, "/x");
  QueryParams query{request};
  EXPECT_EQ(query.number("n", 1, 0, 10), 7U);
  EXPECT_EQ(query.number("absent", 1, 0, 10), 1U);
  EXPECT_EQ(to_rfc3339(*query.time("t")), "2026-01-31T00:00:00.000000Z");
  EXPECT_EQ(query.truth("b"), true);
  EXPECT_EQ(query.choice("d", {"down", "up"}, 0), 1U);
  EXPECT_EQ(query.texts("m", 2).size(), 2U);
  EXPECT_EQ(query.text("e"), "\xc3\xa4 b");
  EXPECT_FALSE(query.finish());

  QueryParams again{request};
  again.number("n", 1, 8, 10);
  again.text("m");
  const auto fault = again.finish();
  ASSERT_TRUE(fault);
  EXPECT_NE(fault->to_json().find("\"pointer\":\"?n\""), std::string::npos);
  QueryParams unasked{request};
  EXPECT_NE(unasked.finish()->to_json().find("\"pointer\":\"?n\""), std::string::npos);
}

TEST(Url, RefusesEscapesThatAreBrokenOrHideControls) {
  for (const char* const target : {"/?a=%", "/?a=%4", "/?a=%zz", "/?a=%00", "/?%ff=1", "/?a=%0d"}) {
    Request request;
    request.target = target;
    std::string decoded;
    EXPECT_FALSE(split_target(request, decoded)) << target;
  }
}

TEST(Problem, ShowsItsCodeAndWhatWasFound) {
  const Response response = Problem{"insufficient_funds", "Account \"1\" holds 3.00."}
                                .with("balance", "3.00")
                                .with("version", 7);
  EXPECT_EQ(response.status, 422);
  EXPECT_EQ(response.content_type, "application/problem+json");
  EXPECT_EQ(response.body,
            R"({"type":"/problems/insufficient_funds","title":"Insufficient funds","status":422,)"
            R"("detail":"Account \"1\" holds 3.00.","code":"insufficient_funds",)"
            R"("balance":"3.00","version":7})");
}

TEST(Problem, TellsErrorsOfTheMachineWithoutTheirText) {
  const Problem problem =
      problem_of(Error{.code = Errc::unavailable, .message = "open(/secret/path): EIO"});
  EXPECT_EQ(problem.status(), 500);
  EXPECT_EQ(problem.to_json().find("secret"), std::string::npos);
  EXPECT_EQ(problem_of(Error{.code = Errc::invalid, .message = "X."}).code(), "malformed");
  EXPECT_EQ(problem_of(Error{.code = Errc::timed_out, .message = "X."}).code(), "not_yet");
  const Response full = problem_of(Error{.code = Errc::read_only, .message = "X."});
  EXPECT_EQ(full.headers.at(0), std::pair(std::string{"Retry-After"}, std::string{"1"}));
}

TEST(Problem, IsJsonWhateverTheDetailRepeats) {
  EXPECT_TRUE(check_json(malformed("Bad \xff \"x\"", "/\xfe").to_json()));
}

TEST(Base64, TakesBackWhatItMadeAndNothingElse) {
  for (const std::string_view text : {"", "f", "fo", "foo", "foob", "fooba", "foobar"}) {
    std::string encoded;
    std::string decoded;
    append_base64(encoded, text);
    EXPECT_TRUE(decode_base64(encoded, decoded));
    EXPECT_EQ(decoded, text);
  }
  std::string out;
  for (const char* const bad :
       {"Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zm 9", "Zm9v\n", "Zm-v"}) {
    EXPECT_FALSE(decode_base64(bad, out)) << bad;
  }
}

TEST(OpenApi, DescribesRoutesWithTheirProblemsByStatus) {
  Router router;
  router.add("GET /things/{id}", [](Request&, Responder) {},
             {.summary = "One thing.",
              .parameters = {{.name = "limit", .schema = R"({"type":"integer"})"}},
              .responses = {{.status = 200, .content = {{"application/json", "{}"}}}},
              .problems = {"account_unknown", "version_unknown"}});
  router.add("GET /hidden", [](Request&, Responder) {});
  const auto document = JsonDocument::parse(OpenApi{"T", "1"}.document(router));
  ASSERT_TRUE(document) << document.error().message;
  const JsonValue paths = document->root().member("paths");
  EXPECT_EQ(paths.size(), 1U);
  const JsonValue get = paths.member("/things/{id}").member("get");
  EXPECT_EQ(get.member("operationId").text(), "get_things_id");
  EXPECT_EQ(get.member("parameters").size(), 2U);
  EXPECT_EQ(get.member("parameters").first().member("in").text(), "path");
  EXPECT_EQ(get.member("responses").member("404").member("description").text(),
            "A problem: account_unknown, version_unknown.");
}

}  // namespace
}  // namespace stele::serve
