#include "service/platform_routes.h"

namespace stele::service {

void add_platform_routes(serve::Router& router, const PlatformParts& parts) {
  router.add("GET /health/live", [](serve::Request&, serve::Responder responder) {
    responder.send(serve::Response::json(200, R"({"status":"ok"})"));
  });
  router.add("GET /metrics", serve::blocking([metrics = parts.metrics](serve::Request&) {
               return serve::Response::text(metrics->text());
             }));
  router.add("GET /openapi.json",
             serve::blocking([&router, openapi = parts.openapi](serve::Request&) {
               return serve::Response::json(200, openapi->document(router));
             }));
}

}  // namespace stele::service
