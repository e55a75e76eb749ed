// The bytes of one connection, read whole and cut in pieces: the requests that come out are the
// same, their parts lie in the bytes, and so are the routes, parameters and refusals. The first
// byte of the input chooses how it is cut.

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "serve/query_params.h"
#include "serve/request_reader.h"
#include "serve/router.h"
#include "serve/url.h"
#include "target.h"

namespace stele::fuzz {
namespace {

using serve::Exchange;
using serve::RequestReader;

constexpr serve::ReaderLimits limits{.header_size_max = 2'048, .body_size_max = 4'096};
constexpr std::size_t requests_max = 256;

struct Heard {
  std::vector<std::string> requests;
  std::string refusal;  // Its code; empty = none.
};

const serve::Router& router() {
  static const serve::Router made = [] {
    serve::Router routes;
    const serve::Handler nothing = [](serve::Request&, serve::Responder responder) {
      responder.send({});
    };
    for (const char* route : {"GET /", "POST /v1/append", "GET /v1/streams/{stream}",
                              "GET /accounts/{id}", "POST /accounts/{id}/deposit",
                              "GET /v1/events/{position}/data", "DELETE /v1/consumers/{name}"}) {
      routes.add(route, nothing);
    }
    return routes;
  }();
  return made;
}

void add(std::string& text, std::string_view part) {
  text += std::to_string(part.size());
  text += ':';
  text += part;
}

// What a session does with a request before its handler sees it.
void route(Exchange& exchange, std::string& text) {
  serve::Request& request = exchange.request;
  if (!serve::split_target(request, exchange.decoded)) {
    text += "no target";
    return;
  }
  add(text, request.path);
  const auto found = router().find(request, exchange.decoded);
  if (const auto* answer = std::get_if<serve::Response>(&found)) {
    text += std::to_string(answer->status);
    return;
  }
  add(text, request.route);
  for (const auto& [name, value] : request.params) {
    add(text, name);
    add(text, value);
    require(!value.empty(), "a parameter of a route is not empty");
  }
  serve::QueryParams query{request};
  text += std::to_string(query.number("limit", 50, 1, 1'000));
  if (const auto time = query.time("from")) text += std::to_string(micros(*time));
  for (const std::string_view type : query.texts("type", 4)) add(text, type);
  text += query.finish() ? "refused" : "taken";
  (void)request.accepts({"application/json", "text/csv"});
  (void)request.idempotency_key();
  add(text, request.media_type());
  add(text, request.trace_id());
}

std::string told(Exchange& exchange) {
  std::string text;
  const serve::Request& request = exchange.request;
  add(text, request.method);
  add(text, request.target);
  for (const auto& [name, value] : request.headers) {
    add(text, name);
    add(text, value);
    require(value.find_first_of(std::string_view{"\r\n\0", 3}) == std::string_view::npos,
            "a header's value has no line's end in it");
  }
  require(request.body.size() <= limits.body_size_max, "a body is within its limit");
  add(text, request.body);
  text += exchange.http_1_0 ? "1.0" : "1.1";
  text += exchange.keep_alive ? "keep" : "close";
  route(exchange, text);
  return text;
}

// Takes what can be taken; false once nothing more is to be read.
bool take(RequestReader& reader, std::optional<std::shared_ptr<Exchange>>& spare, Heard& heard) {
  static const auto mailbox = std::make_shared<serve::Mailbox>([] {});
  while (heard.requests.size() < requests_max) {
    if (!spare) spare = std::make_shared<Exchange>(mailbox);
    switch (reader.next(**spare)) {
      case RequestReader::Outcome::request: {
        heard.requests.push_back(told(**spare));
        const bool keep = (*spare)->keep_alive;
        spare.reset();
        if (!keep) return false;
        break;
      }
      case RequestReader::Outcome::refused:
        heard.refusal = reader.problem().code();
        return false;
      case RequestReader::Outcome::send_continue:
      case RequestReader::Outcome::need_more:
        return true;
    }
  }
  return false;
}

// `piece` tells how many bytes come at once.
template <typename Piece>
Heard hear(std::string_view bytes, Piece piece) {
  RequestReader reader{limits};
  Heard heard;
  std::optional<std::shared_ptr<Exchange>> spare;
  while (!bytes.empty()) {
    const std::span<char> room = reader.room();
    require(!room.empty(), "there is room for one more byte");
    const std::size_t size = std::min({room.size(), bytes.size(), piece()});
    std::memcpy(room.data(), bytes.data(), size);
    reader.filled(size);
    bytes.remove_prefix(size);
    if (!take(reader, spare, heard)) break;
  }
  return heard;
}

bool is_size(std::string_view code) { return code == "header_too_large" || code == "too_large"; }

const Registered registered{
    "request", [](std::string_view text) {
      Input input{text};
      std::uint32_t state = input.u8();
      const std::string_view bytes = input.rest();
      const Heard whole = hear(bytes, [] { return std::size_t{1} << 30; });
      const bool single = state % 4 == 0;
      const Heard pieces = hear(bytes, [&]() -> std::size_t {
        state = state * 1'664'525 + 1'013'904'223;
        return single ? 1 : (state >> 24) % 37 + 1;
      });
      require(whole.requests == pieces.requests, "it does not matter how the bytes are cut");
      require(whole.refusal.empty() == pieces.refusal.empty(), "both refuse, or neither");
      // Of two faults, either may be told: which is seen first depends on what has come.
      require(whole.refusal == pieces.refusal || is_size(whole.refusal) || is_size(pieces.refusal),
              "the refusal is the same");
    }};

}  // namespace
}  // namespace stele::fuzz
