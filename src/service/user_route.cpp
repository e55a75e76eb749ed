#include "service/user_route.h"

#include <utility>

#include "serve/problem.h"
#include "serve/query_params.h"
#include "service/fresh.h"

namespace stele {
namespace {

RouteAnswer answer_of(const serve::Problem& problem) {
  serve::Response response = problem;
  return {.status = response.status,
          .body = std::move(response.body),
          .content_type = std::move(response.content_type),
          .headers = std::move(response.headers)};
}

}  // namespace

std::string_view RouteRequest::method() const { return request_.method; }
std::string_view RouteRequest::param(std::string_view name) const { return request_.param(name); }
std::optional<std::string_view> RouteRequest::query(std::string_view name) const {
  return request_.query_value(name);
}
std::optional<std::string_view> RouteRequest::header(std::string_view name) const {
  return request_.header(name);
}
std::string_view RouteRequest::body() const { return request_.body; }

RouteAnswer RouteAnswer::problem(int status, std::string_view code, std::string detail) {
  return answer_of(serve::Problem{code, std::move(detail), status});
}

namespace service {

serve::Response answer_route(serve::Request& request, const RouteHandler& handler) {
  auto answer = handler(RouteRequest{request});
  if (!answer) return serve::problem_of(answer.error());
  return {.status = answer->status,
          .content_type = std::move(answer->content_type),
          .body = std::move(answer->body),
          .headers = std::move(answer->headers)};
}

std::optional<RouteAnswer> wait_for_token(Service& service, std::string_view projection,
                                          serve::Request& request) {
  serve::QueryParams query{request};
  const auto token = token_of(service, request, query);
  if (!token) return answer_of(token.error());
  if (!*token) return std::nullopt;
  if (auto late = wait_for(service, projection, *token, request)) return answer_of(*late);
  return std::nullopt;
}

}  // namespace service
}  // namespace stele
