// Module: serve
// What operators ask of a server: /health/live, /health/ready, /metrics, /openapi.json.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "observe/metrics.h"
#include "serve/openapi.h"
#include "serve/router.h"

namespace stele::serve {

/// One condition of being ready.
struct HealthCheck {
  struct Outcome {
    bool good = true;
    std::string detail = {};  ///< A sentence; shown to whoever asks.
  };
  std::string name;
  std::function<Outcome()> check;  ///< Called from a worker; at most a second.
};

/// Adds the four routes. `metrics` and `openapi` must outlive the server, and `router` must stay
/// where it is: the document is made when it is asked for, over every route there is then.
void add_service_routes(Router& router, OpenApi& openapi, observe::Metrics& metrics,
                        std::vector<HealthCheck> checks);

}  // namespace stele::serve
