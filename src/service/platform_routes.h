// The routes that every service has beside its domain's: the log's, health, metrics, the API's
// description.

#pragma once

#include "observe/logger.h"
#include "observe/metrics.h"
#include "projection/engine.h"
#include "serve/openapi.h"
#include "serve/router.h"
#include "stele/event_store.h"

namespace stele::service {

/// All must outlive the router.
struct PlatformParts {
  EventStore* store = nullptr;
  projection::Engine* engine = nullptr;
  observe::Metrics* metrics = nullptr;
  serve::OpenApi* openapi = nullptr;
  observe::Logger* logger = nullptr;
  bool log_routes = true;
};

void add_platform_routes(serve::Router& router, const PlatformParts& parts);

}  // namespace stele::service
