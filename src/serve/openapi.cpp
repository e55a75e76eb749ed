#include "serve/openapi.h"

#include <algorithm>
#include <vector>

#include "serve/problem.h"
#include "serve/router.h"
#include "stele/json.h"

namespace stele::serve {
namespace {

// Problems that the server itself may answer with at any route.
constexpr std::string_view general_problems[] = {
    "malformed",  "header_too_large", "timeout",         "internal",
    "overloaded", "shutting_down",    "outcome_unknown", "not_yet"};

constexpr std::string_view problem_schema =
    R"({"type":"object","required":["type","title","status","detail","code"],"properties":{)"
    R"("type":{"type":"string","pattern":"^/problems/[a-z_]+$"},"title":{"type":"string"},)"
    R"("status":{"type":"integer","minimum":400,"maximum":599},"detail":{"type":"string"},)"
    R"("code":{"type":"string","pattern":"^[a-z_]+$"},"pointer":{"type":"string"}},)"
    R"("additionalProperties":true})";

void put_key(std::string& out, std::string_view key) {
  append_json_string(out, key);
  out += ':';
}

void put_content(std::string& out, const std::vector<ContentDoc>& content) {
  out += R"("content":{)";
  bool first = true;
  for (const ContentDoc& each : content) {
    if (!first) out += ',';
    first = false;
    put_key(out, each.media_type);
    out += R"({"schema":)" + each.schema + '}';
  }
  out += '}';
}

void put_parameter(std::string& out, const ParameterDoc& doc) {
  out += R"({"name":)";
  append_json_string(out, doc.name);
  out += R"(,"in":)";
  append_json_string(out, doc.in);
  out += doc.required ? R"(,"required":true,"schema":)" : R"(,"required":false,"schema":)";
  out += doc.schema;
  if (!doc.description.empty()) {
    out += R"(,"description":)";
    append_json_string(out, doc.description);
  }
  out += '}';
}

std::vector<ParameterDoc> parameters_of(const Route& route) {
  std::vector<ParameterDoc> out;
  std::string_view rest = route.pattern;
  while (true) {
    const std::size_t open = rest.find('{');
    if (open == std::string_view::npos) break;
    const std::size_t close = rest.find('}', open);
    const std::string name{rest.substr(open + 1, close - open - 1)};
    rest.remove_prefix(close + 1);
    const auto schema = route.doc.path_schemas.find(name);
    out.push_back(
        {.name = name,
         .in = "path",
         .schema = schema == route.doc.path_schemas.end() ? R"({"type":"string"})" : schema->second,
         .required = true});
  }
  out.insert(out.end(), route.doc.parameters.begin(), route.doc.parameters.end());
  return out;
}

void put_response(std::string& out, const ResponseDoc& doc) {
  put_key(out, std::to_string(doc.status));
  out += R"({"description":)";
  append_json_string(out, doc.description.empty() ? "Done." : std::string_view{doc.description});
  if (!doc.headers.empty()) {
    out += R"(,"headers":{)";
    for (std::size_t i = 0; i < doc.headers.size(); ++i) {
      if (i > 0) out += ',';
      put_key(out, doc.headers[i]);
      out += R"({"schema":{"type":"string"}})";
    }
    out += '}';
  }
  if (!doc.content.empty()) {
    out += ',';
    put_content(out, doc.content);
  }
  out += '}';
}

/// Problems of a route, by status: "400": "malformed, token_invalid".
std::map<int, std::string> problems_of(const RouteDoc& doc) {
  std::map<int, std::vector<std::string>> codes;
  const auto add = [&](std::string_view code) {
    auto& list = codes[status_of(code)];
    if (std::ranges::find(list, code) == list.end()) list.emplace_back(code);
  };
  for (const std::string& code : doc.problems) add(code);
  for (const std::string_view code : general_problems) add(code);
  std::map<int, std::string> out;
  for (const auto& [status, list] : codes) {
    for (const std::string& code : list) out[status] += (out[status].empty() ? "" : ", ") + code;
  }
  return out;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return text;
}

/// "GET /accounts/{id}" -> "get_accounts_id".
std::string operation_id(const Route& route) {
  std::string out = lower(route.method);
  for (const char c : route.pattern) {
    if (c == '/') {
      out += '_';
    } else if (c != '{' && c != '}') {
      out += c == '.' || c == '-' ? '_' : c;
    }
  }
  return out;
}

void put_operation(std::string& out, const Route& route) {
  put_key(out, lower(route.method));
  out += R"({"operationId":)";
  append_json_string(out, operation_id(route));
  out += R"(,"summary":)";
  append_json_string(out, route.doc.summary);
  if (!route.doc.tag.empty()) {
    out += R"(,"tags":[)";
    append_json_string(out, route.doc.tag);
    out += ']';
  }
  out += R"(,"parameters":[)";
  const auto parameters = parameters_of(route);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (i > 0) out += ',';
    put_parameter(out, parameters[i]);
  }
  out += ']';
  if (!route.doc.request.empty()) {
    out += route.doc.request_required ? R"(,"requestBody":{"required":true,)"
                                      : R"(,"requestBody":{"required":false,)";
    put_content(out, route.doc.request);
    out += '}';
  }
  out += R"(,"responses":{)";
  bool first = true;
  for (const ResponseDoc& each : route.doc.responses) {
    if (!first) out += ',';
    first = false;
    put_response(out, each);
  }
  for (const auto& [status, codes] : problems_of(route.doc)) {
    const bool taken = std::ranges::any_of(
        route.doc.responses, [&](const ResponseDoc& each) { return each.status == status; });
    if (taken) continue;  // A route that answers this status in a form of its own says so.
    if (!first) out += ',';
    first = false;
    put_response(out, {.status = status,
                       .description = "A problem: " + codes + ".",
                       .content = {{"application/problem+json", schema_ref("Problem")}}});
  }
  out += "}}";
}

}  // namespace

std::string schema_ref(std::string_view name) {
  return R"({"$ref":"#/components/schemas/)" + std::string{name} + R"("})";
}

std::string OpenApi::document(const Router& router) const {
  std::map<std::string, std::vector<const Route*>> paths;
  for (const Route* const route : router.routes()) {
    if (!route->doc.summary.empty()) paths[route->pattern].push_back(route);
  }
  std::string out = R"({"openapi":"3.1.0","info":{"title":)";
  append_json_string(out, title_);
  out += R"(,"version":)";
  append_json_string(out, version_);
  out += R"(},"paths":{)";
  bool first = true;
  for (const auto& [pattern, routes] : paths) {
    if (!first) out += ',';
    first = false;
    put_key(out, pattern);
    out += '{';
    for (std::size_t i = 0; i < routes.size(); ++i) {
      if (i > 0) out += ',';
      put_operation(out, *routes[i]);
    }
    out += '}';
  }
  out += R"(},"components":{"schemas":{"Problem":)";
  out += problem_schema;
  for (const auto& [name, schema] : schemas_) {
    out += ',';
    put_key(out, name);
    out += schema;
  }
  out += "}}}";
  return out;
}

}  // namespace stele::serve
