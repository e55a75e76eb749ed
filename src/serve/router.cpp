#include "serve/router.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "serve/url.h"

namespace stele::serve {
namespace {

/// Routes are the program's own: a bad one must not survive the first start.
void require(bool condition, std::string_view what, const char* why) {
  if (condition) return;
  std::fprintf(stderr, "The route \"%.*s\" %s.\n", static_cast<int>(what.size()), what.data(), why);
  std::abort();
}

/// The segments of "/a/b" are "a" and "b"; of "/" there are none; of "/a/" "a" and "".
bool split_path(std::string_view path, std::array<std::string_view, path_segments_max>& out,
                std::size_t& count) {
  count = 0;
  if (path == "/") return true;
  if (path.empty() || path.front() != '/') return false;
  path.remove_prefix(1);
  while (true) {
    if (count == out.size()) return false;
    const std::size_t slash = path.find('/');
    out[count++] = path.substr(0, slash);
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

bool is_parameter(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

}  // namespace

struct Router::Node {
  std::vector<std::pair<std::string, std::unique_ptr<Node>>> literals;
  std::unique_ptr<Node> parameter;
  std::vector<const Route*> routes;  // One a method.

  Node& child(std::string_view segment) {
    if (is_parameter(segment)) {
      if (!parameter) parameter = std::make_unique<Node>();
      return *parameter;
    }
    for (auto& [text, node] : literals) {
      if (text == segment) return *node;
    }
    return *literals.emplace_back(segment, std::make_unique<Node>()).second;
  }

  /// The node with routes that the path leads to; literals first at every step.
  const Node* find(std::span<const std::string_view> path) const {
    if (path.empty()) return routes.empty() ? nullptr : this;
    for (const auto& [text, node] : literals) {
      if (text != path.front()) continue;
      if (const Node* const found = node->find(path.subspan(1)); found != nullptr) return found;
    }
    if (!parameter || path.front().empty()) return nullptr;
    return parameter->find(path.subspan(1));
  }

  const Route* route(std::string_view method) const {
    const auto found = std::ranges::find(routes, method, &Route::method);
    return found == routes.end() ? nullptr : *found;
  }

  std::string allow() const {
    std::string out;
    for (const Route* const route : routes) {
      out += route->method + ", ";
      if (route->method == "GET") out += "HEAD, ";
    }
    return out + "OPTIONS";
  }
};

Router::Router() : root_{std::make_unique<Node>()} {}
Router::~Router() = default;
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;

void Router::add(std::string_view what, Handler handler, RouteDoc doc) {
  add_route(what, std::move(handler), false, std::move(doc));
}

void Router::add(std::string_view what, Blocking handler, RouteDoc doc) {
  add_route(what, std::move(handler.handler), true, std::move(doc));
}

void Router::add_route(std::string_view what, Handler handler, bool on_worker, RouteDoc doc) {
  const std::size_t space = what.find(' ');
  require(space != std::string_view::npos, what, "has no method");
  auto route = std::make_unique<Route>();
  route->method = what.substr(0, space);
  route->pattern = what.substr(space + 1);
  route->handler = std::move(handler);
  route->on_worker = on_worker;
  route->doc = std::move(doc);

  std::array<std::string_view, path_segments_max> segments;
  std::size_t count = 0;
  require(split_path(route->pattern, segments, count), what, "does not start with \"/\"");
  Node* node = root_.get();
  for (const std::string_view segment : std::span{segments}.first(count)) {
    node = &node->child(segment);
  }
  require(node->route(route->method) == nullptr, what, "was added twice");
  node->routes.push_back(route.get());
  routes_.push_back(std::move(route));
}

std::variant<const Route*, Response> Router::find(Request& request, std::string& decoded) const {
  std::array<std::string_view, path_segments_max> segments;
  std::size_t count = 0;
  const bool split = split_path(request.path, segments, count);
  const std::span path = std::span{segments}.first(split ? count : 0);
  for (std::string_view& segment : path) {
    const auto text = decode(segment, false, decoded);
    if (!text) return malformed("The path has a broken escape, or is not UTF-8.");
    segment = *text;
  }
  const Node* const node = split ? root_->find(path) : nullptr;
  if (node == nullptr) {
    return Problem{"route_unknown", "There is nothing at \"" +
                                        std::string{request.path.substr(0, 256)} +
                                        "\"; /openapi.json lists what there is."};
  }
  const Route* route = node->route(request.method);
  if (route == nullptr && request.method == "HEAD") route = node->route("GET");
  if (route == nullptr && request.method == "OPTIONS") {
    return Response{.status = 204, .headers = {{"Allow", node->allow()}}};
  }
  if (route == nullptr) {
    return static_cast<Response>(
               Problem{"method_not_allowed", "\"" + std::string{request.path.substr(0, 256)} +
                                                 "\" allows " + node->allow() + "."})
        .with("Allow", node->allow());
  }

  request.route = route->pattern;
  std::array<std::string_view, path_segments_max> names;
  std::size_t names_count = 0;
  split_path(route->pattern, names, names_count);
  for (std::size_t i = 0; i < names_count; ++i) {
    if (!is_parameter(names[i])) continue;
    request.params.push_back({.name = names[i].substr(1, names[i].size() - 2), .value = path[i]});
  }
  return route;
}

std::vector<const Route*> Router::routes() const {
  std::vector<const Route*> out;
  out.reserve(routes_.size());
  for (const auto& route : routes_) out.push_back(route.get());
  return out;
}

}  // namespace stele::serve
