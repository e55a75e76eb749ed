#include "serve/projection_routes.h"

#include <algorithm>
#include <array>
#include <utility>

#include "serve/name_page.h"
#include "serve/projection_docs.h"
#include "serve/projection_json.h"
#include "serve/query_params.h"
#include "stele/json.h"

namespace stele::serve {
namespace {

using projection::Engine;
using projection::Status;

constexpr std::string_view json_type = "application/json";

Problem projection_unknown(std::string_view name) {
  return {"projection_unknown",
          "There is no projection \"" + std::string{name.substr(0, 128)} +
              "\" in this program. GET /v1/projections lists those that there are."};
}

/// What every verb asks of a request: no query parameter, and of a body that it is JSON.
std::optional<Response> wrong_request(const Request& request) {
  if (!request.accepts({json_type})) return not_acceptable({json_type});
  if (!request.body.empty() && !same_token(request.media_type(), json_type)) {
    return media_type_problem(request, {json_type});
  }
  QueryParams query{request};
  if (auto bad = query.finish()) return *bad;
  return std::nullopt;
}

Response status_answer(int code, const Status& status) {
  std::string body;
  append_projection_json(body, status);
  return Response::json(code, std::move(body));
}

/// The generation that `drop` means when the request names none: the one that is not live.
std::optional<int> only_other(const Status& status) {
  std::optional<int> found;
  for (const projection::GenerationStatus& each : status.generations) {
    if (each.role == projection::Role::live) continue;
    if (found) return std::nullopt;
    found = each.generation;
  }
  return found;
}

Result<void> drop(Engine& engine, std::string_view name, std::optional<int> generation) {
  if (!generation) {
    const auto status = engine.status(name);
    if (!status) return std::unexpected{status.error()};
    generation = only_other(*status);
  }
  if (generation) return engine.drop(name, *generation);
  return fail(Errc::invalid,
              "Say which generation: {\"generation\": n}. The status lists those that there are.");
}

Result<void> carry_out(Engine& engine, std::string_view verb, std::string_view name,
                       const VerbBody& body) {
  if (verb == "run" || verb == "resume") return engine.resume(name);
  if (verb == "pause") return engine.pause(name);
  if (verb == "reset") return engine.reset(name);
  if (verb == "promote") return engine.promote(name);
  if (verb == "rollback") return engine.roll_back(name);
  if (verb == "drop") return drop(engine, name, body.generation);
  const std::array names = {std::string{name}};
  return engine.rebuild(names, body.rebuild);
}

std::expected<VerbBody, Problem> body_of(std::string_view verb, std::string_view body) {
  if (verb == "rebuild") return read_verb_body(body, {"mode", "from"});
  if (verb == "drop") return read_verb_body(body, {"generation"});
  return read_verb_body(body, {});
}

}  // namespace

ProjectionRoutes::ProjectionRoutes(Engine& engine, observe::Logger& logger)
    : engine_{engine}, faults_{logger} {}

/// Of what is about a projection that exists.
Response ProjectionRoutes::refused(const Error& error) {
  faults_.note(error);
  switch (error.code) {
    case Errc::not_found:
      return Problem{"generation_unknown", error.message};
    case Errc::invalid:
      return Problem{"verb_refused", error.message};
    case Errc::unavailable:
      return Problem{"not_yet", error.message};
    default:
      return problem_of(error);
  }
}

/// The answer to a verb: 202 and how the projection stands now. What takes longer than the engine
/// waits for it is under way, and 202 too.
Response ProjectionRoutes::told(std::string_view name, const Result<void>& outcome) {
  if (!outcome && outcome.error().code != Errc::timed_out) return refused(outcome.error());
  const auto status = engine_.status(name);
  if (!status) return projection_unknown(name);
  return status_answer(202, *status);
}

Response ProjectionRoutes::list(Request& request) {
  if (!request.accepts({json_type})) return not_acceptable({json_type});
  QueryParams query{request};
  const NamePage page{"projections", query};
  if (auto bad = query.finish()) return *bad;
  std::vector<Status> all = engine_.status();
  std::ranges::sort(all, {}, &Status::name);
  std::string body = "{\"items\":[";
  std::string last;
  std::size_t count = 0;
  bool more = false;
  for (const Status& each : all) {
    if (each.name <= page.after()) continue;
    more = count == page.limit();
    if (more) break;
    if (count++ > 0) body += ',';
    append_projection_json(body, each);
    last = each.name;
  }
  body += "],";
  page.finish(body, more ? last : std::string{});
  return Response::json(200, std::move(body));
}

Response ProjectionRoutes::get(Request& request) {
  if (auto bad = wrong_request(request)) return std::move(*bad);
  const auto status = engine_.status(request.param("name"));
  if (!status) return projection_unknown(request.param("name"));
  return status_answer(200, *status);
}

Response ProjectionRoutes::tell(Request& request) {
  const std::string_view verb = request.param("verb");
  if (std::ranges::find(projection_verbs, verb) == projection_verbs.end()) {
    return Problem{"route_unknown", "A projection knows no \"" + std::string{verb.substr(0, 64)} +
                                        "\"; it knows run, pause, resume, reset, rebuild, promote, "
                                        "rollback and drop."};
  }
  if (auto bad = wrong_request(request)) return std::move(*bad);
  const std::string_view name = request.param("name");
  if (engine_.spec(name) == nullptr) return projection_unknown(name);
  const auto body = body_of(verb, request.body);
  if (!body) return body.error();
  return told(name, carry_out(engine_, verb, name, *body));
}

Response ProjectionRoutes::rebuild_many(Request& request) {
  if (auto bad = wrong_request(request)) return std::move(*bad);
  const auto body = read_verb_body(request.body, {"mode", "from", "projections"});
  if (!body) return body.error();
  for (const std::string& name : body->names) {
    if (engine_.spec(name) == nullptr) return projection_unknown(name);
  }
  const auto outcome = engine_.rebuild(body->names, body->rebuild);
  if (!outcome && outcome.error().code != Errc::timed_out) return refused(outcome.error());
  std::string answer = "{\"items\":[";
  for (const Status& each : engine_.status()) {
    if (!body->names.empty() && std::ranges::find(body->names, each.name) == body->names.end()) {
      continue;
    }
    if (answer.back() == '}') answer += ',';
    append_projection_json(answer, each);
  }
  return Response::json(202, answer + "],\"next\":null}");
}

Response ProjectionRoutes::parked(Request& request) {
  if (!request.accepts({json_type})) return not_acceptable({json_type});
  const std::string_view name = request.param("name");
  QueryParams query{request};
  const NamePage page{"parked " + std::string{name}, query};
  if (auto bad = query.finish()) return *bad;
  if (engine_.spec(name) == nullptr) return projection_unknown(name);
  const auto found = engine_.parked(name, page.after(), page.limit());
  if (!found) return refused(found.error());
  std::string body = "{\"items\":[";
  for (const projection::Parked& each : *found) {
    if (body.back() == '}') body += ',';
    append_parked_json(body, each);
  }
  body += "],";
  page.finish(body, found->size() == page.limit() ? found->back().key : std::string{});
  return Response::json(200, std::move(body));
}

Response ProjectionRoutes::retry(Request& request) {
  if (auto bad = wrong_request(request)) return std::move(*bad);
  const std::string_view name = request.param("name");
  const std::string_view key = request.param("key");
  if (engine_.spec(name) == nullptr) return projection_unknown(name);
  if (const auto body = read_verb_body(request.body, {}); !body) return body.error();
  const auto outcome = engine_.retry(name, key);
  if (outcome || outcome.error().code == Errc::timed_out) return told(name, outcome);
  if (outcome.error().code == Errc::not_found) {
    return Problem{"key_not_parked", outcome.error().message};
  }
  if (outcome.error().code == Errc::unavailable || outcome.error().code == Errc::shutting_down) {
    return refused(outcome.error());
  }
  return Problem{"parked", "The key is parked still: " + outcome.error().message}.with("key", key);
}

void ProjectionRoutes::add_to(Router& router, OpenApi& openapi) {
  add_projection_schemas(openapi);
  const auto route = [&](std::string_view what, Response (ProjectionRoutes::*handler)(Request&),
                         RouteDoc doc) {
    router.add(what,
               blocking([this, handler](Request& request) { return (this->*handler)(request); }),
               std::move(doc));
  };
  route("GET /v1/projections", &ProjectionRoutes::list, projection_list_doc());
  route("POST /v1/projections/rebuild", &ProjectionRoutes::rebuild_many, rebuild_many_doc());
  route("GET /v1/projections/{name}", &ProjectionRoutes::get, projection_get_doc());
  route("POST /v1/projections/{name}/{verb}", &ProjectionRoutes::tell, projection_verb_doc());
  route("GET /v1/projections/{name}/parked", &ProjectionRoutes::parked, parked_list_doc());
  route("POST /v1/projections/{name}/parked/{key}/retry", &ProjectionRoutes::retry, retry_doc());
}

}  // namespace stele::serve
