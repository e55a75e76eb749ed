// What /openapi.json says about `/v1/projections`.

#pragma once

#include <array>
#include <string_view>

#include "serve/openapi.h"

namespace stele::serve {

inline constexpr std::array<std::string_view, 8> projection_verbs = {
    "run", "pause", "resume", "reset", "rebuild", "promote", "rollback", "drop"};

void add_projection_schemas(OpenApi& openapi);
[[nodiscard]] RouteDoc projection_list_doc();
[[nodiscard]] RouteDoc projection_get_doc();
[[nodiscard]] RouteDoc projection_verb_doc();
[[nodiscard]] RouteDoc rebuild_many_doc();
[[nodiscard]] RouteDoc parked_list_doc();
[[nodiscard]] RouteDoc retry_doc();

}  // namespace stele::serve
