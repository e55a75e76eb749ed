// Answers a page of the rows of a read model over HTTP: what `Service::list` adds.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "serve/http.h"
#include "stele/read_model.h"
#include "stele/service.h"

namespace stele::service {

/// A column that a parameter of the query, or of the path, may ask to be equal to a value.
struct ListFilter {
  std::string param;  ///< As HTTP spells it: "lentTo".
  std::string column;
  ColumnType type = ColumnType::text;
};

struct RowListRoute {
  std::shared_ptr<RowReader> reader;
  std::string projection;
  std::vector<ListFilter> filters;
  std::vector<std::string> order_by;
  bool descending = false;
  bool adds_id = true;  ///< The row's key as `id`, unless the row has a member of that name.
  Result<void> (*body)(JsonWriter&, const StoredRow&) = nullptr;
};

/// Errors: `invalid` if there is no column that `options` names as a filter, or one of a type that
/// no parameter can be compared with: reals and money.
[[nodiscard]] Result<RowListRoute> make_list_route(const ProjectionSpec& spec,
                                                   std::shared_ptr<RowReader> reader,
                                                   const ListRoute& options, detail::RowBody body);

/// 200 `{items: [{id, ...the row, version, position}], next}`; 400 `malformed`; 503 `not_yet`.
/// Blocks.
[[nodiscard]] serve::Response answer_list(Service& service, serve::Request& request,
                                          const RowListRoute& route);

}  // namespace stele::service
