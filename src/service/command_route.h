// From an HTTP request to the command processor, and from its answer to the HTTP response. Every
// route that sends a command uses `send_command`, so that idempotency, deadlines, tokens and the
// form of answers are the same everywhere.

#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "decide/processor.h"
#include "serve/http.h"
#include "serve/problem.h"
#include "stele/service.h"

namespace stele::service {

/// How the answer to an accepted command looks.
struct CommandAnswer {
  int status = 200;
  std::string location = {};  ///< The path before the id, such as "/accounts/"; empty: no header.
  std::function<void(JsonWriter&, const Accepted&)> more = {};  ///< Adds members; see CommandRoute.
};

/// Sends `call` (its decider, command, key, body and `occurred_at` set) to the processor with the
/// request's idempotency key, deadline and trace, and answers when the processor does:
///   accepted   `answer.status` {id, version, position, token, ...}, headers Stele-Token and, for a
///              repeated command, Idempotent-Replayed
///   rejected   404, 409 or 422 with the rejection's code and details
///   failed     the error's problem; 503 `outcome_unknown` when the deadline has passed
void send_command(Service& service, serve::Responder responder, CommandCall call,
                  CommandAnswer answer);

/// The body of a command is read like this: 415 unless it is JSON, 400 or 422 with a pointer for
/// what does not fit.
[[nodiscard]] std::optional<serve::Problem> check_json_body(const serve::Request& request);
[[nodiscard]] serve::Problem problem_of(const MappingError& error);
[[nodiscard]] serve::Problem problem_of(const Rejection& rejection);

}  // namespace stele::service
