#include "service/fresh.h"

#include <algorithm>

namespace stele::service {

using serve::Problem;
using serve::Request;

std::expected<std::optional<query::Token>, Problem> token_of(Service& service,
                                                             const Request& request,
                                                             serve::QueryParams& query) {
  std::optional<std::string_view> text = query.text("token");
  if (!text) text = request.header("Stele-Token");
  if (!text) return std::optional<query::Token>{};
  const auto token = query::decode_token(*text, service.store().log_id(), service.store().epoch());
  if (!token) return std::unexpected{Problem{"token_invalid", token.error().message, 400}};
  return *token;
}

std::chrono::microseconds time_left(const Request& request, std::chrono::microseconds most) {
  const auto left = std::chrono::duration_cast<std::chrono::microseconds>(request.deadline -
                                                                          Request::Clock::now());
  return std::clamp(left, std::chrono::microseconds{0}, most);
}

Problem problem_of_wait(std::string_view projection, const Error& error) {
  if (error.code != Errc::timed_out && error.code != Errc::unavailable) {
    return serve::problem_of(error);
  }
  return Problem{"not_yet",
                 "The read model " + std::string{projection} +
                     " does not show that yet. Ask again in a moment.",
                 503};
}

std::optional<Problem> wait_for(Service& service, std::string_view name,
                                const std::optional<query::Token>& token, const Request& request) {
  if (!token) return std::nullopt;
  const auto reached =
      service.engine().wait_until(name, token->position, time_left(request, token_wait_max));
  if (!reached) return problem_of_wait(name, reached.error());
  return std::nullopt;
}

std::expected<bool, Problem> wait_for_newcomer(Service& service, std::string_view name,
                                               std::string_view stream, const Request& request) {
  if (!check_stream_name(stream)) return false;  // No stream has such a name.
  const auto state = service.store().stream_tip(stream);
  if (!state) return std::unexpected{serve::problem_of(state.error())};
  if (number(state->version) == 0) return false;
  const auto reached = service.engine().wait_until(name, service.store().log_end(),
                                                   time_left(request, newcomer_wait_max));
  if (!reached) return std::unexpected{problem_of_wait(name, reached.error())};
  return true;
}

}  // namespace stele::service
