// What the bank's reads over HTTP have in common.

#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serve/http.h"
#include "serve/openapi.h"
#include "serve/problem.h"
#include "stele/mapping.h"

namespace bank {

inline constexpr std::string_view date_schema =
    R"({"type":"string","description":"RFC 3339, or a date: midnight UTC"})";

template <typename T>
[[nodiscard]] stele::serve::Response json_response(const T& answer) {
  auto text = stele::to_json(answer, stele::Naming::camel_case);
  if (text) return stele::serve::Response::json(200, std::move(*text));
  return stele::serve::problem_of(
      stele::Error{.code = stele::Errc::internal, .message = text.error().message});
}

// `{items, next}`; `items` are the JSON of each item with commas between.
[[nodiscard]] stele::serve::Response list_response(std::string_view items, std::string_view next);

template <typename T>
[[nodiscard]] stele::serve::Response list_response(const std::vector<T>& items,
                                                   std::string_view next) {
  std::string text;
  text.reserve(items.size() * 512);
  for (const T& item : items) {
    if (!text.empty()) text += ',';
    if (const auto done = stele::append_json(text, item, stele::Naming::camel_case); !done) {
      return stele::serve::problem_of(
          stele::Error{.code = stele::Errc::internal, .message = done.error().message});
    }
  }
  return list_response(text, next);
}

// A query that offers JSON only: what `answer` gives, on a thread that may wait.
template <typename Answer>
[[nodiscard]] auto json_query(Answer answer) {
  return stele::serve::blocking(
      [answer = std::move(answer)](stele::serve::Request& request) -> stele::serve::Response {
        if (request.accepts({"application/json"})) return answer(request);
        return stele::serve::not_acceptable({"application/json"});
      });
}

// The document of a read with a token, whose answer is `schema`.
[[nodiscard]] stele::serve::RouteDoc document_query(
    std::string summary, std::string_view schema, std::vector<std::string> problems,
    std::vector<stele::serve::ParameterDoc> parameters);

// `parameters` after those of paging.
[[nodiscard]] std::vector<stele::serve::ParameterDoc> with_paging(
    std::vector<stele::serve::ParameterDoc> parameters);

// The schema of `{items, next}` with items of `item`.
[[nodiscard]] std::string list_schema(std::string_view item);

}  // namespace bank
