// Module: service
// Routes of a service's own, beside `command`, `query` and `list`:
//
//   service.route("GET /reports/{year}", [&](const stele::RouteRequest& request)
//                     -> stele::Result<stele::RouteAnswer> {
//     if (auto late = service.wait_for<Shelf>(request)) return *late;  // Its `?token=`, if any.
//     const auto lent = service.read_model<Shelf>().total({.sums = {"times_lent"}});
//     if (!lent) return std::unexpected{lent.error()};
//     return stele::RouteAnswer{.body = "{\"lent\":" + std::to_string(lent->front().sums[0]) +
//     "}"};
//   });

#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stele/error.h"

namespace stele {

namespace serve {
struct Request;
}

/// A request that was read whole and is well-formed. Valid during the call, as are its views.
class RouteRequest {
 public:
  explicit RouteRequest(serve::Request& request) : request_{request} {}

  [[nodiscard]] std::string_view method() const;
  /// Of the path, decoded: "id" of "/books/{id}". Empty if the route has none of that name.
  [[nodiscard]] std::string_view param(std::string_view name) const;
  /// The first query parameter of that name, decoded.
  [[nodiscard]] std::optional<std::string_view> query(std::string_view name) const;
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;  ///< Any case.
  [[nodiscard]] std::string_view body() const;

  [[nodiscard]] serve::Request& raw() const { return request_; }  ///< Of the engine room.

 private:
  serve::Request& request_;
};

struct RouteAnswer {
  int status = 200;
  std::string body = {};
  std::string content_type = "application/json";
  /// Beside Content-Type, Content-Length, Connection and Date. Without control characters.
  std::vector<std::pair<std::string, std::string>> headers = {};

  /// A refusal as a problem: `problem(404, "book_unknown", "There is no book \"emma\".")`.
  [[nodiscard]] static RouteAnswer problem(int status, std::string_view code, std::string detail);
};

/// Runs on one of the server's workers, several at a time, and may wait. An error is told as a
/// problem: `invalid` as 400 `malformed`, `unavailable` as 503, and so on; what it says of this
/// machine is not told to the client.
using RouteHandler = std::function<Result<RouteAnswer>(const RouteRequest& request)>;

}  // namespace stele
