// Module: serve
// What /openapi.json says: a document (OpenAPI 3.1) put together from descriptions that stand
// beside each route. Schemas are JSON text (JSON Schema 2020-12); a schema that several routes use
// is added once by name and referred to as `{"$ref":"#/components/schemas/Name"}` (`schema_ref`).

#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace stele::serve {

class Router;

struct ParameterDoc {
  std::string name;
  std::string in = "query";  ///< "query" or "header". Path parameters come from the pattern.
  std::string schema = R"({"type":"string"})";
  std::string description = {};
  bool required = false;
};

/// A media type and the schema of what it holds.
struct ContentDoc {
  std::string media_type = "application/json";
  std::string schema = "{}";
};

struct ResponseDoc {
  int status = 200;
  std::string description = {};
  std::vector<ContentDoc> content = {};
  std::vector<std::string> headers = {};  ///< Names of headers it may carry.
};

/// A route without a summary is left out of the document.
struct RouteDoc {
  std::string summary = {};
  std::string tag = {};  ///< Groups routes: "log", "bank".
  std::vector<ParameterDoc> parameters = {};
  std::vector<ContentDoc> request = {};  ///< Empty: no body.
  bool request_required = true;          ///< False: the body may be left out.
  std::vector<ResponseDoc> responses = {};
  std::vector<std::string> problems = {};  ///< Codes, such as "account_unknown": grouped by status.
  std::map<std::string, std::string> path_schemas = {};  ///< Of path parameters, by name.
};

/// `{"$ref":"#/components/schemas/NAME"}`.
[[nodiscard]] std::string schema_ref(std::string_view name);

/// Named schemas and the title; add to it while the routes are added.
class OpenApi {
 public:
  OpenApi(std::string title, std::string version)
      : title_{std::move(title)}, version_{std::move(version)} {}

  /// `schema` is JSON text. The same name again replaces.
  void schema(std::string name, std::string json) { schemas_[std::move(name)] = std::move(json); }

  /// The document over all routes of `router` that have a summary.
  [[nodiscard]] std::string document(const Router& router) const;

 private:
  std::string title_;
  std::string version_;
  std::map<std::string, std::string> schemas_;
};

}  // namespace stele::serve
