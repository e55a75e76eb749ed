#include "bank/query_answers.h"

#include "stele/json.h"

namespace bank {

using stele::serve::ParameterDoc;
using stele::serve::Response;
using stele::serve::RouteDoc;

Response list_response(std::string_view items, std::string_view next) {
  std::string body;
  body.reserve(items.size() + next.size() + 32);
  body += R"({"items":[)";
  body += items;
  body += R"(],"next":)";
  if (next.empty()) {
    body += "null";
  } else {
    stele::append_json_string(body, next);
  }
  body += '}';
  return Response::json(200, std::move(body));
}

RouteDoc document_query(std::string summary, std::string_view schema,
                        std::vector<std::string> problems, std::vector<ParameterDoc> parameters) {
  RouteDoc doc;
  doc.summary = std::move(summary);
  doc.tag = "bank";
  doc.parameters = std::move(parameters);
  doc.parameters.push_back(
      {.name = "token", .description = "Wait for the write whose answer this token is from."});
  doc.parameters.push_back({.name = "Stele-Token", .in = "header"});
  doc.responses = {{.status = 200, .content = {{.schema = stele::serve::schema_ref(schema)}}}};
  problems.insert(problems.end(), {"malformed", "token_invalid", "not_acceptable", "not_yet"});
  doc.problems = std::move(problems);
  return doc;
}

std::vector<ParameterDoc> with_paging(std::vector<ParameterDoc> parameters) {
  const std::vector<ParameterDoc> paging{
      {.name = "limit", .schema = R"({"type":"integer","minimum":1,"maximum":1000,"default":50})"},
      {.name = "cursor", .description = "`next` of the page before."}};
  parameters.insert(parameters.begin(), paging.begin(), paging.end());
  return parameters;
}

std::string list_schema(std::string_view item) {
  return R"({"type":"object","properties":{"items":{"type":"array","items":)" +
         stele::serve::schema_ref(item) +
         R"(},"next":{"anyOf":[{"type":"string"},{"type":"null"}]}},)"
         R"("required":["items","next"],"additionalProperties":false})";
}

}  // namespace bank
