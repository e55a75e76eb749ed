// Module: serve
// Finds the handler of a request. "GET /accounts/{id}": a parameter takes one whole path segment,
// decoded, not empty. A literal segment goes before a parameter. HEAD is served by GET; OPTIONS by
// the router itself. Built before the server starts, not changed after.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "serve/http.h"
#include "serve/openapi.h"
#include "serve/problem.h"

namespace stele::serve {

struct Route {
  std::string method;
  std::string pattern;  ///< "/accounts/{id}".
  Handler handler;
  bool on_worker = false;
  RouteDoc doc;
};

class Router {
 public:
  Router();
  ~Router();
  Router(Router&&) noexcept;
  Router& operator=(Router&&) noexcept;

  /// `what` is "METHOD /pattern". Adding the same twice, or a pattern that does not start with "/",
  /// is a bug and ends the program. `doc` is what /openapi.json says about the route.
  void add(std::string_view what, Handler handler, RouteDoc doc = {});
  void add(std::string_view what, Blocking handler, RouteDoc doc = {});

  /// The route of `request`, whose `route` and `params` are filled in; or the answer to give
  /// instead: 404 `route_unknown`, 405 `method_not_allowed` with Allow, 204 for OPTIONS, 400 for a
  /// path that does not decode. `decoded` keeps what was decoded and must live as long as
  /// `request`. Thread-safe once built.
  [[nodiscard]] std::variant<const Route*, Response> find(Request& request,
                                                          std::string& decoded) const;

  /// In the order added; for /openapi.json. Pointers live as long as the router.
  [[nodiscard]] std::vector<const Route*> routes() const;

 private:
  struct Node;
  void add_route(std::string_view what, Handler handler, bool on_worker, RouteDoc doc);

  std::unique_ptr<Node> root_;
  std::vector<std::unique_ptr<Route>> routes_;
};

}  // namespace stele::serve
