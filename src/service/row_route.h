// Answers one row of a read model over HTTP: what `Service::query` adds.

#pragma once

#include <memory>
#include <string>

#include "serve/http.h"
#include "stele/json.h"
#include "stele/read_model.h"
#include "stele/service.h"

namespace stele::service {

struct RowRoute {
  std::shared_ptr<RowReader> reader;
  std::string projection;
  std::string category;  ///< The row's stream is this, "-" and the route's `{id}`.
  Result<void> (*body)(JsonWriter&, const StoredRow&) = nullptr;
};

/// 200 `{...the row, version, position}`; 404 `{category}_unknown`; 503 `not_yet`. Blocks.
[[nodiscard]] serve::Response answer_row(Service& service, serve::Request& request,
                                         const RowRoute& route);

}  // namespace stele::service
