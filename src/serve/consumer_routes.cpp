#include "serve/consumer_routes.h"

#include <algorithm>
#include <utility>

#include "serve/consumer_docs.h"
#include "serve/consumer_json.h"
#include "serve/event_json.h"
#include "serve/name_page.h"
#include "serve/query_params.h"
#include "stele/json.h"
#include "stele/limits.h"

namespace stele::serve {
namespace {

constexpr std::string_view json_type = "application/json";
constexpr std::size_t events_limit_default = 100;
constexpr std::chrono::milliseconds busy_step{20};

/// What every route asks of a request: no query parameter, and of a body that it is JSON.
std::optional<Response> wrong_body(const Request& request) {
  if (!same_token(request.media_type(), json_type)) return media_type_problem(request, {json_type});
  QueryParams query{request};
  if (auto bad = query.finish()) return *bad;
  return std::nullopt;
}

std::optional<Response> wrong_query(const Request& request) {
  if (!request.accepts({json_type})) return not_acceptable({json_type});
  QueryParams query{request};
  if (auto bad = query.finish()) return *bad;
  return std::nullopt;
}

Response position_answer(Position position) {
  return Response::json(200, "{\"position\":" + std::to_string(number(position)) + "}");
}

consumer::Reader reader_of(const Request& request) {
  if (const auto name = request.header("Stele-Reader")) return {.name = std::string{*name}};
  if (!request.connection) return {.name = "unnamed"};
  return {.name = "connection-" + std::to_string(request.connection->number),
          .is_gone = [life = request.connection] { return life->ended.load(); }};
}

}  // namespace

/// One `GET .../events`, also while it waits.
struct ConsumerRoutes::Poll {
  Responder responder;
  std::string name;
  consumer::Reader reader = {};
  std::size_t limit = events_limit_default;
  Tail::Clock::time_point wait_until = {};
  Tail::Clock::time_point scan_until = {};
  Tail::Clock::time_point busy_until = {};
};

ConsumerRoutes::ConsumerRoutes(consumer::Consumers& consumers, const EventStore& store,
                               const Clock& clock, observe::Logger& logger,
                               ConsumerRoutesOptions options)
    : consumers_{consumers},
      clock_{clock},
      options_{options},
      faults_{logger},
      workers_{options.workers, 0},
      tail_{store} {}

ConsumerRoutes::~ConsumerRoutes() { workers_.stop(); }

Response ConsumerRoutes::refused(const consumer::Refusal& refusal) {
  faults_.note(refusal.error);
  return answer_of(refusal, clock_.now());
}

Response ConsumerRoutes::list(Request& request) {
  if (!request.accepts({json_type})) return not_acceptable({json_type});
  QueryParams query{request};
  const NamePage page{"consumers", query};
  if (auto bad = query.finish()) return *bad;
  auto found = consumers_.list(page.after(), page.limit() + 1);
  const bool more = found.size() > page.limit();
  if (more) found.pop_back();
  std::string body = "{\"items\":[";
  for (const consumer::Status& each : found) {
    if (body.back() == '}') body += ',';
    append_consumer_json(body, each);
  }
  body += "],";
  page.finish(body, more ? found.back().name : std::string{});
  return Response::json(200, std::move(body));
}

Response ConsumerRoutes::get(Request& request) {
  if (auto bad = wrong_query(request)) return std::move(*bad);
  const auto status = consumers_.status(request.param("name"));
  if (!status) return refused(status.error());
  std::string body;
  append_consumer_json(body, *status);
  return Response::json(200, std::move(body));
}

Response ConsumerRoutes::put(Request& request) {
  if (auto bad = wrong_body(request)) return std::move(*bad);
  auto definition = read_definition(request.body);
  if (!definition) return definition.error();
  const std::string_view name = request.param("name");
  const auto made = consumers_.put(name, std::move(*definition));
  if (!made) return refused(made.error());
  const auto status = consumers_.status(name);
  if (!status) return refused(status.error());  // Deleted meanwhile.
  std::string body;
  append_consumer_json(body, *status);
  if (!*made) return Response::json(200, std::move(body));
  return Response::json(201, std::move(body))
      .with("Location", "/v1/consumers/" + std::string{name});
}

Response ConsumerRoutes::remove(Request& request) {
  if (auto bad = wrong_query(request)) return std::move(*bad);
  if (auto removed = consumers_.remove(request.param("name")); !removed) {
    return refused(removed.error());
  }
  return {.status = 204};
}

Response ConsumerRoutes::ack(Request& request) {
  if (auto bad = wrong_body(request)) return std::move(*bad);
  const auto cursor = read_ack(request.body);
  if (!cursor) return cursor.error();
  const auto position = consumers_.ack(request.param("name"), *cursor);
  return position ? position_answer(*position) : refused(position.error());
}

Response ConsumerRoutes::seek(Request& request) {
  if (auto bad = wrong_body(request)) return std::move(*bad);
  const auto to = read_seek(request.body);
  if (!to) return to.error();
  const auto position = consumers_.seek(request.param("name"), *to);
  return position ? position_answer(*position) : refused(position.error());
}

void ConsumerRoutes::events(Request& request, Responder responder) {
  if (!request.accepts({json_type})) return responder.send(not_acceptable({json_type}));
  QueryParams query{request};
  auto poll = std::make_shared<Poll>(
      Poll{.responder = std::move(responder), .name = std::string{request.param("name")}});
  poll->limit = query.number("limit", events_limit_default, 1, limits::read_events_max);
  const std::chrono::seconds wait{query.number("wait", 0, 0, consumer::wait_max.count())};
  if (auto bad = query.finish()) return poll->responder.send(*bad);
  poll->reader = reader_of(request);
  poll->wait_until = request.received + wait;
  poll->scan_until = std::max(poll->wait_until, request.received + options_.scan_time_max);
  poll->busy_until = request.received + options_.busy_wait;
  read(poll);
}

/// Has `poll` read on when the log is past `past`, at the latest at `until`.
void ConsumerRoutes::again_at(const std::shared_ptr<Poll>& poll, Position past,
                              Tail::Clock::time_point until) {
  tail_.when_past(past, until, [this, poll] { workers_.post([this, poll] { read(poll); }); });
}

/// One look at the log: answers, or comes back.
void ConsumerRoutes::read(const std::shared_ptr<Poll>& poll) {
  if (poll->responder.cancelled()) return;
  const auto now = Tail::Clock::now();
  const auto left = std::max(poll->wait_until - now, Tail::Clock::duration::zero());
  std::string body = "{\"events\":[";
  const auto put_event = [&](const EventView& event) {
    if (body.back() == '}') body += ',';
    append_event_json(body, event);
    return body.size() < options_.answer_size_max;
  };
  const auto given =
      consumers_.read(poll->name, poll->reader, poll->limit,
                      std::chrono::duration_cast<std::chrono::microseconds>(left), put_event);
  if (!given) {
    const bool may_end = given.error().holder && given.error().holder->reader.starts_with("conn");
    if (may_end && now < poll->busy_until) {
      return again_at(poll, Position{limits::number_max}, now + busy_step);
    }
    return poll->responder.send(refused(given.error()));
  }
  if (given->events == 0 && given->position < given->log_end && now < poll->scan_until) {
    return workers_.post([this, poll] { read(poll); });
  }
  if (given->events == 0 && now < poll->wait_until) {
    return again_at(poll, given->position, poll->wait_until);
  }
  body += "],\"cursor\":\"" + encode_cursor(given->cursor);
  body += "\",\"position\":" + std::to_string(number(given->position)) + "}";
  poll->responder.send(Response::json(200, std::move(body)));
}

void ConsumerRoutes::add_to(Router& router, OpenApi& openapi) {
  add_consumer_schemas(openapi);
  const auto route = [&](std::string_view what, Response (ConsumerRoutes::*handler)(Request&),
                         RouteDoc doc) {
    router.add(what,
               blocking([this, handler](Request& request) { return (this->*handler)(request); }),
               std::move(doc));
  };
  route("GET /v1/consumers", &ConsumerRoutes::list, consumer_list_doc());
  route("GET /v1/consumers/{name}", &ConsumerRoutes::get, consumer_get_doc());
  route("PUT /v1/consumers/{name}", &ConsumerRoutes::put, consumer_put_doc());
  route("DELETE /v1/consumers/{name}", &ConsumerRoutes::remove, consumer_delete_doc());
  route("POST /v1/consumers/{name}/ack", &ConsumerRoutes::ack, consumer_ack_doc());
  route("POST /v1/consumers/{name}/seek", &ConsumerRoutes::seek, consumer_seek_doc());
  router.add("GET /v1/consumers/{name}/events",
             blocking_async([this](Request& request, Responder responder) {
               events(request, std::move(responder));
             }),
             consumer_events_doc());
}

void ConsumerRoutes::add_to(observe::Metrics& metrics) {
  const auto each = [&](std::string_view name, std::string_view help,
                        std::function<double(const consumer::Status&)> value) {
    metrics.gauges_from(name, help, [this, value = std::move(value)] {
      std::vector<observe::Sample> out;
      for (const consumer::Status& status : consumers_.list("", consumer::consumers_max)) {
        out.push_back({.labels = {{"consumer", status.name}}, .value = value(status)});
      }
      return out;
    });
  };
  metrics.gauge_from("stele_consumers", "Named consumers.",
                     [this] { return static_cast<double>(consumers_.count()); });
  each("stele_consumer_position", "All up to here was acknowledged or does not match.",
       [](const consumer::Status& status) { return static_cast<double>(number(status.position)); });
  each("stele_consumer_lag_events", "Positions from the consumer to the log's end.",
       [](const consumer::Status& status) { return static_cast<double>(status.lag_events); });
  each("stele_consumer_reading", "1 while a reader holds the consumer.",
       [](const consumer::Status& status) { return status.lease ? 1.0 : 0.0; });
  each("stele_consumer_failed", "1 while the consumer is diverged or damaged.",
       [](const consumer::Status& status) { return status.fault ? 1.0 : 0.0; });
}

}  // namespace stele::serve
