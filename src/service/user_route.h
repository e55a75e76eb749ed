// Runs a handler of a service's own: what `Service::route` adds.

#pragma once

#include <optional>
#include <string_view>

#include "serve/http.h"
#include "stele/route.h"
#include "stele/service.h"

namespace stele::service {

[[nodiscard]] serve::Response answer_route(serve::Request& request, const RouteHandler& handler);

/// What `Service::wait_for` answers: a refusal, or none when the read model is as new as asked.
[[nodiscard]] std::optional<RouteAnswer> wait_for_token(Service& service,
                                                        std::string_view projection,
                                                        serve::Request& request);

}  // namespace stele::service
