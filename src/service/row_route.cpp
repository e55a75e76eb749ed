#include "service/row_route.h"

#include <optional>
#include <utility>

#include "serve/query_params.h"
#include "service/fresh.h"

namespace stele::service {
namespace {

using serve::Problem;
using serve::Response;

struct RowAnswer {
  std::string json;
  Version version{};
};

Result<std::optional<RowAnswer>> read_answer(const RowRoute& route, std::string_view id,
                                             const serve::Request& request) {
  auto snapshot = route.reader->snapshot(time_left(request, token_wait_max));
  if (!snapshot) return std::unexpected{std::move(snapshot.error())};
  const auto parked = (*snapshot)->parked(id);
  if (!parked) return std::unexpected{parked.error()};
  if (*parked) return std::unexpected{query::parked_error(route.projection, id)};
  RowAnswer answer;
  const auto found = (*snapshot)->find(id, [&](std::string_view, const StoredRow& stored) {
    JsonWriter writer{answer.json, Naming::camel_case};
    writer.begin_object();
    if (auto written = route.body(writer, stored); !written) return written;
    writer.key("version");
    writer.unsigned_integer(number(stored.version));
    writer.key("position");
    writer.unsigned_integer(number(stored.position));
    writer.end_object();
    answer.version = stored.version;
    return Result<void>{};
  });
  if (!found) return std::unexpected{found.error()};
  if (!*found) return std::optional<RowAnswer>{};
  return std::optional{std::move(answer)};
}

}  // namespace

Response answer_row(Service& service, serve::Request& request, const RowRoute& route) {
  serve::QueryParams query{request};
  const auto token = token_of(service, request, query);
  if (auto wrong = query.finish()) return *wrong;
  if (!token) return token.error();

  const std::string_view id = request.param("id");
  const std::string stream = route.category + "-" + std::string{id};
  auto answer = read_answer(route, id, request);
  if (answer && *token && !(*answer && query::row_shows(**token, stream, (*answer)->version))) {
    if (auto late = wait_for(service, route.projection, *token, request)) return *late;
    answer = read_answer(route, id, request);
  }
  if (answer && !*answer) {
    const auto came = wait_for_newcomer(service, route.projection, stream, request);
    if (!came) return came.error();
    if (*came) answer = read_answer(route, id, request);
  }
  if (!answer) return problem_of_wait(route.projection, answer.error());
  if (!*answer) {
    return Problem{route.category + "_unknown", "There is no \"" + stream + "\".", 404};
  }
  return Response::json(200, std::move((*answer)->json));
}

}  // namespace stele::service
