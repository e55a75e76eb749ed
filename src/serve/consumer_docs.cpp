#include "serve/consumer_docs.h"

namespace stele::serve {
namespace {

constexpr const char* names =
    R"({"type":"array","maxItems":64,"items":{"type":"string","minLength":1}})";

constexpr const char* start_schema =
    R"({"oneOf":[{"enum":["beginning","end"]},{"type":"integer","minimum":0}],)"
    R"("description":"Or a position: behind that event."})";

constexpr const char* consumer_schema =
    R"({"type":"object","required":["name","filter","start","position","logEnd","lagEvents",)"
    R"("state","reader","createdAt","acknowledgedAt","lastError"],"additionalProperties":false,)"
    R"("properties":{"name":{"type":"string"},)"
    R"("filter":{"$ref":"#/components/schemas/ConsumerFilter"},)"
    R"("start":{"$ref":"#/components/schemas/ConsumerStart"},)"
    R"("position":{"type":"integer","minimum":0,"description":"All up to here was acknowledged, )"
    R"(or does not match the filter."},"logEnd":{"type":"integer","minimum":0},)"
    R"("lagEvents":{"type":"integer","minimum":0},)"
    R"("state":{"enum":["idle","reading","diverged","corrupt"]},)"
    R"("reader":{"oneOf":[{"type":"null"},{"$ref":"#/components/schemas/ConsumerLease"}]},)"
    R"("createdAt":{"type":"string","format":"date-time"},)"
    R"("acknowledgedAt":{"type":["string","null"],"format":"date-time"},)"
    R"("lastError":{"type":["string","null"]}}})";

constexpr const char* lease_schema =
    R"({"type":"object","required":["name","since","until"],"additionalProperties":false,)"
    R"("properties":{"name":{"type":"string"},"since":{"type":"string","format":"date-time"},)"
    R"("until":{"type":"string","format":"date-time"}}})";

constexpr const char* definition_schema =
    R"({"type":"object","additionalProperties":false,"properties":{)"
    R"("filter":{"$ref":"#/components/schemas/ConsumerFilter"},)"
    R"("start":{"$ref":"#/components/schemas/ConsumerStart"}}})";

constexpr const char* list_schema =
    R"({"type":"object","required":["items","next"],"additionalProperties":false,"properties":{)"
    R"("items":{"type":"array","items":{"$ref":"#/components/schemas/Consumer"}},)"
    R"("next":{"type":["string","null"]}}})";

constexpr const char* events_schema =
    R"({"type":"object","required":["events","cursor","position"],"additionalProperties":false,)"
    R"("properties":{"events":{"type":"array","items":{"$ref":"#/components/schemas/Event"}},)"
    R"("cursor":{"type":"string","maxLength":64,"description":"Acknowledges these events and all )"
    R"(before them."},"position":{"type":"integer","minimum":0,"description":"How far it )"
    R"(looked."}}})";

constexpr const char* position_schema =
    R"({"type":"object","required":["position"],"additionalProperties":false,)"
    R"("properties":{"position":{"type":"integer","minimum":0}}})";

std::map<std::string, std::string> name_schema() {
  return {{"name", R"({"type":"string","pattern":"^[A-Za-z0-9._~-]{1,64}$"})"}};
}

std::string filter_schema() {
  const std::string list = names;
  return R"({"type":"object","additionalProperties":false,"properties":{"categories":)" + list +
         R"(,"types":)" + list + R"(,"tags":)" + list +
         R"(},"description":"One of the categories, one of the types, all of the tags."})";
}

RouteDoc doc_of(std::string summary, ResponseDoc response, std::vector<std::string> problems) {
  return {.summary = std::move(summary),
          .tag = "consumers",
          .responses = {std::move(response)},
          .problems = std::move(problems),
          .path_schemas = name_schema()};
}

ResponseDoc json_of(int status, std::string description, std::string_view schema) {
  return {.status = status,
          .description = std::move(description),
          .content = {{"application/json", schema_ref(schema)}}};
}

}  // namespace

void add_consumer_schemas(OpenApi& openapi) {
  openapi.schema("ConsumerFilter", filter_schema());
  openapi.schema("ConsumerStart", start_schema);
  openapi.schema("ConsumerLease", lease_schema);
  openapi.schema("ConsumerDefinition", definition_schema);
  openapi.schema("Consumer", consumer_schema);
  openapi.schema("ConsumerList", list_schema);
  openapi.schema("ConsumerEvents", events_schema);
  openapi.schema("ConsumerPosition", position_schema);
}

RouteDoc consumer_list_doc() {
  RouteDoc doc = doc_of("List the consumers by name.", json_of(200, "A page.", "ConsumerList"),
                        {"not_acceptable"});
  doc.path_schemas.clear();
  doc.parameters = {
      {.name = "limit", .schema = R"({"type":"integer","minimum":1,"maximum":1000,"default":50})"},
      {.name = "cursor", .description = "The next of the page before."}};
  return doc;
}

RouteDoc consumer_get_doc() {
  return doc_of("How a consumer stands.", json_of(200, "It.", "Consumer"),
                {"consumer_unknown", "not_acceptable", "corrupt"});
}

RouteDoc consumer_put_doc() {
  RouteDoc doc = doc_of("Make a consumer; the same definition again changes nothing.",
                        json_of(200, "It was there with this definition.", "Consumer"),
                        {"consumer_exists", "media_type", "read_only", "corrupt"});
  ResponseDoc made = json_of(201, "Made, durable.", "Consumer");
  made.headers = {"Location"};
  doc.responses.push_back(std::move(made));
  doc.request = {{"application/json", schema_ref("ConsumerDefinition")}};
  return doc;
}

RouteDoc consumer_delete_doc() {
  return doc_of("Remove a consumer; its cursors are worth nothing from then on.",
                {.status = 204, .description = "Removed, durable."},
                {"consumer_unknown", "not_acceptable", "read_only"});
}

RouteDoc consumer_events_doc() {
  RouteDoc doc = doc_of(
      "Read the events behind the last acknowledged one, and hold the consumer "
      "for 30 s.",
      json_of(200, "What was not acknowledged comes again.", "ConsumerEvents"),
      {"consumer_unknown", "consumer_busy", "diverged", "not_acceptable", "corrupt"});
  doc.parameters = {
      {.name = "limit",
       .schema = R"({"type":"integer","minimum":1,"maximum":10000,"default":100})"},
      {.name = "wait",
       .schema = R"({"type":"integer","minimum":0,"maximum":30,"default":0})",
       .description = "Seconds to wait for the first event."},
      {.name = "Stele-Reader",
       .in = "header",
       .schema = R"({"type":"string","minLength":1,"maxLength":128})",
       .description = "Who reads. Without it: this connection, for as long as it is open."}};
  return doc;
}

RouteDoc consumer_ack_doc() {
  RouteDoc doc = doc_of(
      "Acknowledge all events up to a cursor. Again: the same answer.",
      json_of(200, "How far the consumer is; durable.", "ConsumerPosition"),
      {"consumer_unknown", "cursor_foreign", "diverged", "media_type", "read_only", "corrupt"});
  doc.request = {{"application/json",
                  R"({"type":"object","required":["cursor"],"additionalProperties":false,)"
                  R"("properties":{"cursor":{"type":"string","maxLength":64}}})"}};
  return doc;
}

RouteDoc consumer_seek_doc() {
  RouteDoc doc =
      doc_of("Begin to read at another place; every cursor from before is worth nothing.",
             json_of(200, "Where it is now; durable.", "ConsumerPosition"),
             {"consumer_unknown", "media_type", "read_only", "corrupt"});
  doc.request = {{"application/json",
                  R"({"type":"object","required":["to"],"additionalProperties":false,)"
                  R"("properties":{"to":{"$ref":"#/components/schemas/ConsumerStart"}}})"}};
  return doc;
}

}  // namespace stele::serve
