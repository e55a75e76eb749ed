// What /openapi.json says about `/v1/consumers`.

#pragma once

#include "serve/openapi.h"

namespace stele::serve {

void add_consumer_schemas(OpenApi& openapi);
[[nodiscard]] RouteDoc consumer_list_doc();
[[nodiscard]] RouteDoc consumer_get_doc();
[[nodiscard]] RouteDoc consumer_put_doc();
[[nodiscard]] RouteDoc consumer_delete_doc();
[[nodiscard]] RouteDoc consumer_events_doc();
[[nodiscard]] RouteDoc consumer_ack_doc();
[[nodiscard]] RouteDoc consumer_seek_doc();

}  // namespace stele::serve
