// Module: serve
// `/v1/projections`: how the read models stand, and what a person tells them
// (projection/engine.h has the rules).

#pragma once

#include <functional>
#include <string_view>

#include "observe/logger.h"
#include "projection/engine.h"
#include "serve/fault_log.h"
#include "serve/openapi.h"
#include "serve/router.h"

namespace stele::serve {

/// Must outlive the server that serves its routes; `engine` and `logger` must outlive it.
class ProjectionRoutes {
 public:
  ProjectionRoutes(projection::Engine& engine, observe::Logger& logger);

  void add_to(Router& router, OpenApi& openapi);

 private:
  [[nodiscard]] Response list(Request& request);
  [[nodiscard]] Response get(Request& request);
  [[nodiscard]] Response rebuild_many(Request& request);
  [[nodiscard]] Response tell(Request& request);
  [[nodiscard]] Response parked(Request& request);
  [[nodiscard]] Response retry(Request& request);
  [[nodiscard]] Response told(std::string_view name, const Result<void>& outcome);
  [[nodiscard]] Response refused(const Error& error);

  projection::Engine& engine_;
  FaultLog faults_;
};

}  // namespace stele::serve
