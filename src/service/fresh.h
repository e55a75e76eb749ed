// Reads that wait until the read model shows what the client knows to be there: a write that its
// token names, or a stream that the log has and the read model does not have yet.

#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "projection/engine.h"
#include "query/token.h"
#include "query/waiting.h"
#include "serve/http.h"
#include "serve/problem.h"
#include "serve/query_params.h"
#include "stele/read_model.h"
#include "stele/service.h"

namespace stele::service {

/// How long a read waits for what a token names.
inline constexpr std::chrono::microseconds token_wait_max = std::chrono::seconds{5};
/// How long a read waits for a stream that the log has and the read model does not have yet.
inline constexpr std::chrono::microseconds newcomer_wait_max = std::chrono::seconds{1};

/// The token of `?token=` or of header Stele-Token, if there is one. Errors: 400 `token_invalid`.
[[nodiscard]] std::expected<std::optional<query::Token>, serve::Problem> token_of(
    Service& service, const serve::Request& request, serve::QueryParams& query);

/// What is left until the request's deadline, at most `most`.
[[nodiscard]] std::chrono::microseconds time_left(const serve::Request& request,
                                                  std::chrono::microseconds most);

/// How a read, or a wait for one, that did not succeed is told: 503 `not_yet` or `parked`.
[[nodiscard]] serve::Problem problem_of_wait(std::string_view projection, const Error& error);

/// Waits until projection `name` shows the log up to the token's position.
[[nodiscard]] std::optional<serve::Problem> wait_for(Service& service, std::string_view name,
                                                     const std::optional<query::Token>& token,
                                                     const serve::Request& request);

/// Waits, if the log has stream `stream`, until projection `name` is where the log ended. False if
/// the stream does not exist.
[[nodiscard]] std::expected<bool, serve::Problem> wait_for_newcomer(Service& service,
                                                                    std::string_view name,
                                                                    std::string_view stream,
                                                                    const serve::Request& request);

/// The row at `key` as it is now. Errors: `parked`, and as of `ReadModel::find`.
template <typename P>
[[nodiscard]] Result<std::optional<Found<typename P::Row>>> find_now(
    const ReadModel<P>& model, std::string_view key, std::chrono::microseconds timeout) {
  auto view = model.view(timeout);
  if (!view) return std::unexpected{std::move(view.error())};
  return query::find_whole(*view, key);
}

/// The row at `key` of fold `P`, which is keyed by stream, at least as new as `token` says; none if
/// there is no such stream. A parked key is 503 `parked`, not an old row. Blocks: for workers.
template <typename P>
[[nodiscard]] std::expected<std::optional<Found<typename P::Row>>, serve::Problem> find_fresh(
    Service& service, const ReadModel<P>& model, std::string_view key,
    const std::optional<query::Token>& token, const serve::Request& request) {
  auto found = token ? query::find_showing(service.engine(), model, key, *token,
                                           time_left(request, token_wait_max))
                     : find_now(model, key, time_left(request, newcomer_wait_max));
  const bool not_made = !token && !found && found.error().code == Errc::unavailable;
  if (not_made || (found && !*found)) {
    const std::string stream = std::string{P::category} + "-" + std::string{key};
    const auto came = wait_for_newcomer(service, P::name, stream, request);
    if (!came) return std::unexpected{came.error()};
    if (!*came) return std::optional<Found<typename P::Row>>{};
    found = find_now(model, key, time_left(request, newcomer_wait_max));
  }
  if (!found) return std::unexpected{problem_of_wait(P::name, found.error())};
  return std::move(*found);
}

}  // namespace stele::service
