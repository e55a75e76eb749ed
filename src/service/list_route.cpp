#include "service/list_route.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "serve/problem.h"
#include "serve/query_params.h"
#include "service/fresh.h"
#include "stele/json.h"

namespace stele::service {
namespace {

using serve::QueryParams;
using serve::Response;

std::optional<Value> value_of(QueryParams& query, const ListFilter& filter) {
  switch (filter.type) {
    case ColumnType::boolean:
      if (const auto truth = query.truth(filter.param)) return Value{*truth};
      return std::nullopt;
    case ColumnType::timestamp:
      if (const auto time = query.time(filter.param)) return Value{*time};
      return std::nullopt;
    case ColumnType::integer: {
      const auto text = query.text(filter.param);
      if (!text) return std::nullopt;
      std::int64_t number = 0;
      const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
      if (error == std::errc{} && end == text->data() + text->size()) return Value{number};
      query.refuse(filter.param, "\"" + std::string{*text} + "\" is not a whole number.");
      return std::nullopt;
    }
    default:
      if (const auto text = query.text(filter.param)) return Value{*text};
      return std::nullopt;
  }
}

void write_item(std::string& body, std::string_view key, const StoredRow& stored,
                const RowListRoute& route, Result<void>& written) {
  JsonWriter writer{body, Naming::camel_case};
  writer.begin_object();
  if (route.adds_id) {
    writer.key("id");
    writer.string(key);
  }
  written = route.body(writer, stored);
  writer.key("version");
  writer.unsigned_integer(number(stored.version));
  writer.key("position");
  writer.unsigned_integer(number(stored.position));
  writer.end_object();
}

Result<std::string> page_of(const RowListRoute& route, const Select& what,
                            const serve::Request& request) {
  auto snapshot = route.reader->snapshot(time_left(request, token_wait_max));
  if (!snapshot) return std::unexpected{std::move(snapshot.error())};
  std::string body = R"({"items":[)";
  bool first = true;
  auto next = (*snapshot)->select(what, [&](std::string_view key, const StoredRow& stored) {
    if (!std::exchange(first, false)) body += ',';
    Result<void> written;
    write_item(body, key, stored, route, written);
    return written;
  });
  if (!next) return std::unexpected{std::move(next.error())};
  body += R"(],"next":)";
  if (next->empty()) {
    body += "null}";
  } else {
    body += '"' + *next + "\"}";
  }
  return body;
}

Result<std::vector<ListFilter>> list_filters(const ProjectionSpec& spec,
                                             const std::vector<std::string>& columns) {
  std::vector<ListFilter> filters;
  for (const std::string& name : columns) {
    const auto column = std::ranges::find(spec.columns, name, &Column::name);
    if (column == spec.columns.end()) {
      return fail(Errc::invalid, "A list of \"" + spec.name + "\" is to be narrowed by \"" + name +
                                     "\", but its rows have no such column.");
    }
    if (column->type == ColumnType::real || column->type == ColumnType::money) {
      return fail(Errc::invalid, "A list of \"" + spec.name + "\" can't be narrowed by \"" + name +
                                     "\": use a text, a whole number, a boolean or a time.");
    }
    filters.push_back({.param = to_camel_case(name), .column = name, .type = column->type});
  }
  return filters;
}

}  // namespace

Result<RowListRoute> make_list_route(const ProjectionSpec& spec, std::shared_ptr<RowReader> reader,
                                     const ListRoute& options, detail::RowBody body) {
  auto filters = list_filters(spec, options.filters);
  if (!filters) return std::unexpected{std::move(filters.error())};
  return RowListRoute{
      .reader = std::move(reader),
      .projection = spec.name,
      .filters = std::move(*filters),
      .order_by = options.order_by,
      .descending = options.descending,
      .adds_id = std::ranges::find(spec.columns, "id", &Column::name) == spec.columns.end(),
      .body = body};
}

Response answer_list(Service& service, serve::Request& request, const RowListRoute& route) {
  QueryParams query{request};
  Select what{.order_by = route.order_by, .descending = route.descending};
  what.limit = query.number("limit", select_limit_default, 1, select_limit_max);
  what.cursor = query.text("cursor").value_or("");
  for (const ListFilter& filter : route.filters) {
    if (auto value = value_of(query, filter)) {
      what.where.push_back({filter.column, Compare::equal, std::move(*value)});
    }
  }
  const auto token = token_of(service, request, query);
  if (auto wrong = query.finish()) return *wrong;
  if (!token) return token.error();
  if (*token) {
    if (auto late = wait_for(service, route.projection, *token, request)) return *late;
  }
  auto page = page_of(route, what, request);
  if (page) return Response::json(200, std::move(*page));
  if (page.error().code == Errc::invalid) return serve::malformed(page.error().message);
  return problem_of_wait(route.projection, page.error());
}

}  // namespace stele::service
