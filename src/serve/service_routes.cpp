#include "serve/service_routes.h"

#include "stele/json.h"

namespace stele::serve {
namespace {

constexpr const char* health_schema =
    R"({"type":"object","required":["status","checks"],"additionalProperties":false,"properties":{)"
    R"("status":{"enum":["ok","failed"]},"checks":{"type":"array","items":{"type":"object",)"
    R"("required":["name","status","detail"],"additionalProperties":false,"properties":{)"
    R"("name":{"type":"string"},"status":{"enum":["ok","failed"]},"detail":{"type":"string"}}}}}})";

Response ready_answer(const std::vector<HealthCheck>& checks) {
  bool all_good = true;
  std::string list = "[";
  for (const HealthCheck& each : checks) {
    const HealthCheck::Outcome outcome = each.check();
    all_good = all_good && outcome.good;
    list += list.size() > 1 ? ",{\"name\":" : "{\"name\":";
    append_json_string(list, each.name);
    list += outcome.good ? R"(,"status":"ok","detail":)" : R"(,"status":"failed","detail":)";
    append_json_string(list, outcome.detail);
    list += '}';
  }
  const std::string status = all_good ? "ok" : "failed";
  return Response::json(all_good ? 200 : 503,
                        R"({"status":")" + status + R"(","checks":)" + list + "]}");
}

}  // namespace

void add_service_routes(Router& router, OpenApi& openapi, observe::Metrics& metrics,
                        std::vector<HealthCheck> checks) {
  openapi.schema("Health", health_schema);
  const std::vector<ContentDoc> health = {{"application/json", schema_ref("Health")}};
  router.add("GET /health/live",
             [](Request&, Responder responder) {
               responder.send(Response::json(200, R"({"status":"ok","checks":[]})"));
             },
             {.summary = "Whether the process serves at all.",
              .tag = "service",
              .responses = {{.status = 200, .description = "It does.", .content = health}}});
  router.add("GET /health/ready",
             blocking([checks = std::move(checks)](Request&) { return ready_answer(checks); }),
             {.summary = "Whether every part that a request needs is there.",
              .tag = "service",
              .responses = {{.status = 200, .description = "Ready.", .content = health},
                            {.status = 503, .description = "Not ready.", .content = health}}});
  router.add("GET /metrics", blocking([&metrics](Request&) {
               return Response{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                               .body = metrics.text()};
             }),
             {.summary = "Metrics as Prometheus reads them.",
              .tag = "service",
              .responses = {{.status = 200,
                             .description = "Text exposition.",
                             .content = {{"text/plain", R"({"type":"string"})"}}}}});
  router.add("GET /openapi.json", blocking([&openapi, &router](Request&) {
               return Response::json(200, openapi.document(router));
             }),
             {.summary = "This description.",
              .tag = "service",
              .responses = {{.status = 200,
                             .description = "OpenAPI 3.1.",
                             .content = {{"application/json", R"({"type":"object"})"}}}}});
}

}  // namespace stele::serve
