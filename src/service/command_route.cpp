#include "service/command_route.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "query/token.h"

namespace stele::service {
namespace {

using serve::Problem;
using serve::Request;
using serve::Response;

constexpr std::string_view media_type_json = "application/json";

Response accepted_response(const EventStore& store, const Accepted& accepted,
                           const CommandAnswer& answer) {
  const Appended& appended = accepted.appended;
  const std::string_view stream = accepted.streams.front();
  const std::string_view id = id_of(stream);
  const Version version = appended.streams.front().version;
  const std::string token = query::encode_token({.epoch = store.epoch(),
                                                 .position = appended.last,
                                                 .stream_hash = query::hash_of_stream(stream),
                                                 .version = version},
                                                store.log_id());
  std::string body;
  body.reserve(256);
  JsonWriter writer{body, Naming::camel_case};
  writer.begin_object();
  writer.key("id");
  writer.string(id);
  writer.key("version");
  writer.unsigned_integer(number(version));
  writer.key("position");
  writer.unsigned_integer(number(appended.last));
  writer.key("token");
  writer.string(token);
  if (answer.more) answer.more(writer, accepted);
  writer.end_object();

  Response response = Response::json(answer.status, std::move(body));
  response.headers.emplace_back("Stele-Token", token);
  if (!answer.location.empty()) {
    response.headers.emplace_back("Location", answer.location + std::string{id});
  }
  if (appended.replayed) response.headers.emplace_back("Idempotent-Replayed", "true");
  return response;
}

/// A command that ran out of time may have been done.
Problem problem_of_command(const Error& error) {
  if (error.code != Errc::timed_out) return serve::problem_of(error);
  return serve::problem_of(Error{.code = Errc::outcome_unknown, .message = error.message});
}

int status_of(Kind kind) {
  switch (kind) {
    case Kind::not_found:
      return 404;
    case Kind::conflict:
      return 409;
    case Kind::rule:
      return 422;
  }
  return 422;
}

}  // namespace

std::optional<Problem> check_json_body(const Request& request) {
  if (serve::same_token(request.media_type(), media_type_json)) return std::nullopt;
  return serve::media_type_problem(request, {media_type_json});
}

Problem problem_of(const MappingError& error) {
  if (error.code == MappingCode::malformed) return serve::malformed(error.message, error.pointer);
  return Problem{to_string(error.code), error.message}.with("pointer", error.pointer);
}

Problem problem_of(const Rejection& rejection) {
  Problem problem{rejection.code,
                  rejection.message.empty()
                      ? "The command was refused by the rule \"" + rejection.code + "\"."
                      : rejection.message,
                  status_of(rejection.kind)};
  for (const Detail& detail : rejection.details) {
    problem.with_json(to_camel_case(detail.name), detail.json);
  }
  return problem;
}

void send_command(Service& service, serve::Responder responder, CommandCall call,
                  CommandAnswer answer) {
  const Request& request = responder.request();
  const auto key = request.idempotency_key();
  if (!key) return responder.send(serve::malformed(key.error().message));
  if (*key) {
    decide::make_idempotent(call, {.tenant = {},
                                   .caller = {},
                                   .idempotency_key = **key,
                                   .method = request.method,
                                   .path = request.path});
  }
  call.options.traceparent = request.traceparent();
  call.options.timeout =
      std::max(std::chrono::microseconds{0}, std::chrono::duration_cast<std::chrono::microseconds>(
                                                 request.deadline - Request::Clock::now()));
  EventStore& store = service.store();
  service.processor().submit(std::move(call),
                             [&store, answer = std::move(answer),
                              responder = std::move(responder)](CommandResult result) mutable {
                               if (const auto* accepted = std::get_if<Accepted>(&result)) {
                                 responder.send(accepted_response(store, *accepted, answer));
                               } else if (const auto* rejection = std::get_if<Rejection>(&result)) {
                                 responder.send(problem_of(*rejection));
                               } else {
                                 responder.send(problem_of_command(std::get<Error>(result)));
                               }
                             });
}

}  // namespace stele::service
