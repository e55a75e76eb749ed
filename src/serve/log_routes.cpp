#include "serve/log_routes.h"

#include "serve/log_appends.h"
#include "serve/log_export.h"
#include "serve/log_reads.h"

namespace stele::serve {
namespace {

constexpr const char* event_schema =
    R"({"type":"object","required":["position","stream","version","id","appendId","type","tags",)"
    R"("contentType","schemaVersion","metadata","recordedAt"],"properties":{)"
    R"("position":{"type":"integer","minimum":1},"stream":{"type":"string"},)"
    R"("version":{"type":"integer","minimum":1},"id":{"type":"string","format":"uuid"},)"
    R"("appendId":{"type":"string","format":"uuid"},"type":{"type":"string"},)"
    R"("tags":{"type":"array","items":{"type":"string"}},"data":{},)"
    R"("dataBase64":{"type":"string","contentEncoding":"base64"},"contentType":{"type":"string"},)"
    R"("schemaVersion":{"type":"integer","minimum":1},"metadata":{"type":"object"},)"
    R"("recordedAt":{"type":"string","format":"date-time"}},)"
    R"("oneOf":[{"required":["data"]},{"required":["dataBase64"]}],"additionalProperties":false})";

constexpr const char* cloud_event_schema =
    R"({"type":"object","required":["specversion","id","source","type","subject","time",)"
    R"("datacontenttype"],"properties":{"specversion":{"const":"1.0"},)"
    R"("id":{"type":"string","minLength":1},"source":{"type":"string","format":"uri-reference"},)"
    R"("type":{"type":"string","minLength":1},"subject":{"type":"string","minLength":1},)"
    R"("time":{"type":"string","format":"date-time"},"datacontenttype":{"type":"string"},)"
    R"("data":{},"data_base64":{"type":"string","contentEncoding":"base64"}},)"
    R"("oneOf":[{"required":["data"]},{"required":["data_base64"]}],)"
    R"("additionalProperties":{"type":"string"}})";

constexpr const char* append_schema =
    R"({"type":"object","required":["streams"],"additionalProperties":false,"properties":{)"
    R"("id":{"type":"string","format":"uuid"},"streams":{"type":"array",)"
    R"("minItems":1,"maxItems":64,"items":{"type":"object","required":["stream"],)"
    R"("additionalProperties":false,"properties":{)"
    R"("stream":{"type":"string","minLength":3,"maxLength":255},"expected":{"oneOf":[)"
    R"({"enum":["any","none","some"]},{"type":"object","required":["version"],)"
    R"("additionalProperties":false,"properties":{"version":{"type":"integer","minimum":0},)"
    R"("tip":{"type":"string","pattern":"^[0-9a-fA-F]{16}$"}}}]},"events":{"type":"array",)"
    R"("items":{"$ref":"#/components/schemas/NewEvent"}}}}},"condition":{"type":"object",)"
    R"("required":["failIf"],"additionalProperties":false,"properties":{"failIf":{"type":"array",)"
    R"("items":{"type":"object","additionalProperties":false,"properties":{"types":)"
    R"({"type":"array","items":{"type":"string"}},)"
    R"("tags":{"type":"array","items":{"type":"string"}}}}},)"
    R"("after":{"type":"integer","minimum":0}}}}})";

constexpr const char* new_event_schema =
    R"({"type":"object","required":["type"],"additionalProperties":false,"properties":{)"
    R"("type":{"type":"string","maxLength":128},"tags":{"type":"array","maxItems":16,)"
    R"("items":{"type":"string","maxLength":128}},"data":{},)"
    R"("dataBase64":{"type":"string","contentEncoding":"base64"},"contentType":{"type":"string"},)"
    R"("schemaVersion":{"type":"integer","minimum":1,"maximum":65535},)"
    R"("metadata":{"type":"object"}},"oneOf":[{"required":["data"]},{"required":["dataBase64"]}]})";

constexpr const char* appended_schema =
    R"({"type":"object","required":["id","firstPosition","position","streams","replayed","token"],)"
    R"("additionalProperties":false,"properties":{"id":{"type":"string","format":"uuid"},)"
    R"("firstPosition":{"type":"integer","minimum":0},"position":{"type":"integer","minimum":0},)"
    R"("streams":{"type":"array","items":{"type":"object","required":["stream","version","tip"],)"
    R"("additionalProperties":false,"properties":{"stream":{"type":"string"},)"
    R"("version":{"type":"integer","minimum":0},)"
    R"("tip":{"type":"string","pattern":"^[0-9a-f]{16}$"}}}},"replayed":{"type":"boolean"},)"
    R"("token":{"type":"string","maxLength":128}}})";

constexpr const char* events_page_schema =
    R"({"type":"object","required":["events","position","logEnd","token"],)"
    R"("additionalProperties":false,"properties":{"events":{"type":"array",)"
    R"("items":{"$ref":"#/components/schemas/Event"}},"position":{"type":"integer","minimum":0},)"
    R"("logEnd":{"type":"integer","minimum":0},"token":{"type":"string","maxLength":128}}})";

constexpr const char* stream_page_schema =
    R"({"type":"object","required":["stream","version","tip","events"],)"
    R"("additionalProperties":false,"properties":{"stream":{"type":"string"},)"
    R"("version":{"type":"integer","minimum":0},)"
    R"("tip":{"type":"string","pattern":"^[0-9a-f]{16}$"},"events":{"type":"array",)"
    R"("items":{"$ref":"#/components/schemas/Event"}}}})";

constexpr const char* limit_schema =
    R"({"type":"integer","minimum":1,"maximum":10000,"default":100})";
constexpr const char* after_schema = R"({"type":"integer","minimum":0,"default":0})";
constexpr const char* names_schema = R"({"type":"array","items":{"type":"string"}})";

RouteDoc append_doc() {
  return {.summary = "Append events to one or more streams, whole or not at all.",
          .tag = "log",
          .parameters = {{.name = "Idempotency-Key",
                          .in = "header",
                          .schema = R"({"type":"string","minLength":1,"maxLength":255})",
                          .description = "Instead of an id in the body."},
                         {.name = "Stele-Timeout",
                          .in = "header",
                          .schema = R"({"type":"number","minimum":0,"maximum":60,"default":10})",
                          .description = "Seconds."}},
          .request = {{"application/json", schema_ref("Append")},
                      {"application/x-ndjson", R"({"type":"string"})"}},
          .responses = {{.status = 200,
                         .description = "Appended, durable. NDJSON: an answer a line, in order; a "
                                        "refused line is its problem.",
                         .content = {{"application/json", schema_ref("Appended")},
                                     {"application/x-ndjson", R"({"type":"string"})"}},
                         .headers = {"Stele-Token", "Idempotent-Replayed"}}},
          .problems = {"version_conflict", "condition_failed", "too_large", "media_type",
                       "not_acceptable", "id_reused", "read_only", "corrupt"}};
}

RouteDoc events_doc() {
  return {
      .summary = "Read events of all streams in the order of their positions.",
      .tag = "log",
      .parameters = {{.name = "after", .schema = after_schema},
                     {.name = "limit", .schema = limit_schema},
                     {.name = "category", .schema = names_schema},
                     {.name = "type", .schema = names_schema},
                     {.name = "tag", .schema = names_schema},
                     {.name = "wait",
                      .schema = R"({"type":"integer","minimum":0,"maximum":30})",
                      .description = "Seconds to wait for the first event."},
                     {.name = "Last-Event-ID",
                      .in = "header",
                      .schema = R"({"type":"integer","minimum":0})",
                      .description = "Of a live feed: goes before after."}},
      .responses = {{.status = 200,
                     .description = "A page; NDJSON: an event a line, to the limit or the "
                                    "log's end; a live feed that does not end; a batch of "
                                    "CloudEvents 1.0, with the page's numbers in headers.",
                     .content = {{"application/json", schema_ref("EventsPage")},
                                 {"application/x-ndjson", R"({"type":"string"})"},
                                 {"text/event-stream", R"({"type":"string"})"},
                                 {"application/cloudevents-batch+json",
                                  R"({"type":"array","items":)" + schema_ref("CloudEvent") + "}"}},
                     .headers = {"Stele-Position", "Stele-Log-End", "Stele-Token"}}},
      .problems = {"not_acceptable", "corrupt"}};
}

RouteDoc export_doc() {
  return {.summary = "Export the log: every byte of every event, for a restore.",
          .tag = "log",
          .parameters = {{.name = "after", .schema = after_schema}},
          .responses = {{.status = 200,
                         .description = "An event a line, from after to the log's end as it was "
                                        "when the answer began.",
                         .content = {{"application/x-ndjson", R"({"type":"string"})"}}}},
          .problems = {"not_acceptable", "corrupt"}};
}

RouteDoc data_doc() {
  return {.summary = "Read the exact bytes of one event's data.",
          .tag = "log",
          .responses = {{.status = 200,
                         .description = "The bytes, with the content type they were stored with.",
                         .content = {{"*/*", "{}"}}}},
          .problems = {"route_unknown", "not_acceptable", "corrupt"},
          .path_schemas = {{"position", R"({"type":"integer","minimum":1})"}}};
}

RouteDoc stream_doc() {
  return {.summary = "Read the events of one stream.",
          .tag = "log",
          .parameters = {{.name = "after",
                          .schema = after_schema,
                          .description = "A version; backward: events below it, 0 is the end."},
                         {.name = "limit", .schema = limit_schema},
                         {.name = "direction",
                          .schema = R"({"enum":["forward","backward"],"default":"forward"})"}},
          .responses = {{.status = 200,
                         .description = "Never written: version 0 and no events.",
                         .content = {{"application/json", schema_ref("StreamPage")}}}},
          .problems = {"not_acceptable", "corrupt"}};
}

}  // namespace

LogRoutes::LogRoutes(EventStore& store, LogRoutesOptions options, observe::Logger& logger)
    : options_{options},
      appends_{std::make_unique<Appends>(store, options_, logger)},
      reads_{std::make_unique<Reads>(store, options_, logger)},
      store_{store} {}

LogRoutes::~LogRoutes() = default;

void LogRoutes::add_to(Router& router, OpenApi& openapi) {
  openapi.schema("Event", event_schema);
  openapi.schema("CloudEvent", cloud_event_schema);
  openapi.schema("NewEvent", new_event_schema);
  openapi.schema("Append", append_schema);
  openapi.schema("Appended", appended_schema);
  openapi.schema("EventsPage", events_page_schema);
  openapi.schema("StreamPage", stream_page_schema);
  router.add(
      "POST /v1/append",
      [this](Request& request, Responder responder) {
        appends_->handle(request, std::move(responder));
      },
      append_doc());
  router.add("GET /v1/events", blocking_async([this](Request& request, Responder responder) {
               reads_->events(request, std::move(responder));
             }),
             events_doc());
  router.add("GET /v1/export", blocking_async([this](Request& request, Responder responder) {
               answer_export(store_, request, std::move(responder));
             }),
             export_doc());
  router.add("GET /v1/events/{position}/data",
             blocking([this](Request& request) { return reads_->data(request); }), data_doc());
  router.add("GET /v1/streams/{stream}",
             blocking([this](Request& request) { return reads_->stream(request); }), stream_doc());
}

}  // namespace stele::serve
