#include "serve/projection_docs.h"

namespace stele::serve {
namespace {

constexpr const char* progress =
    R"("state":{"enum":["running","paused","rebuilding","failed","diverged"]},)"
    R"("position":{"type":"integer","minimum":0},"lagEvents":{"type":"integer","minimum":0},)"
    R"("lagSeconds":{"type":"number","minimum":0},"eventsPerSecond":{"type":"number","minimum":0},)"
    R"("percent":{"type":"number","minimum":0,"maximum":100},)"
    R"("secondsLeft":{"type":"number","minimum":0},"parked":{"type":"integer","minimum":0},)"
    R"("lastError":{"type":["string","null"]})";

constexpr const char* progress_names =
    R"("state","position","lagEvents","lagSeconds","eventsPerSecond","percent","secondsLeft",)"
    R"("parked","lastError")";

constexpr const char* parked_schema =
    R"({"type":"object","required":["key","fromVersion","fromPosition","error","attempts"],)"
    R"("additionalProperties":false,"properties":{"key":{"type":"string"},)"
    R"("fromVersion":{"type":"integer","minimum":0},"fromPosition":{"type":"integer","minimum":0},)"
    R"("error":{"type":["string","null"]},"attempts":{"type":"integer","minimum":0}}})";

constexpr const char* mode_schema = R"({"enum":["in_place","side_by_side"],"default":"in_place"})";
constexpr const char* from_schema =
    R"({"type":"integer","minimum":0,"default":0,"description":"In place and not of a fold: )"
    R"(events from this position on are applied again, the rows of those before stay."})";

std::string list_of(std::string_view item) {
  return R"({"type":"object","required":["items","next"],"additionalProperties":false,)"
         R"("properties":{"items":{"type":"array","items":)" +
         schema_ref(item) + R"(},"next":{"type":["string","null"]}}})";
}

std::vector<ParameterDoc> page_parameters() {
  return {
      {.name = "limit", .schema = R"({"type":"integer","minimum":1,"maximum":1000,"default":50})"},
      {.name = "cursor", .description = "The next of the page before."}};
}

RouteDoc doc_of(std::string summary, int status, std::string description, std::string_view schema,
                std::vector<std::string> problems) {
  return {.summary = std::move(summary),
          .tag = "projections",
          .responses = {{.status = status,
                         .description = std::move(description),
                         .content = {{"application/json", schema_ref(schema)}}}},
          .problems = std::move(problems)};
}

}  // namespace

void add_projection_schemas(OpenApi& openapi) {
  const std::string names = progress_names;
  const std::string members = progress;
  openapi.schema(
      "ProjectionGeneration",
      R"({"type":"object","required":["generation","role","code",)" + names +
          R"(],"additionalProperties":false,"properties":{)"
          R"("generation":{"type":"integer"},"role":{"enum":["live","building","kept"]},)"
          R"("code":{"type":"integer"},)" +
          members + "}}");
  openapi.schema("Projection",
                 R"({"type":"object","required":["name","generation","logEnd","generations",)" +
                     names +
                     R"(],"additionalProperties":false,"properties":{"name":{"type":"string"},)"
                     R"("generation":{"type":"integer","description":"The one that is read."},)"
                     R"("logEnd":{"type":"integer","minimum":0},"generations":{"type":"array",)"
                     R"("items":{"$ref":"#/components/schemas/ProjectionGeneration"}},)" +
                     members + "}}");
  openapi.schema("ProjectionList", list_of("Projection"));
  openapi.schema("ParkedKey", parked_schema);
  openapi.schema("ParkedList", list_of("ParkedKey"));
}

RouteDoc projection_list_doc() {
  RouteDoc doc = doc_of("List the projections by name.", 200, "How they stand.", "ProjectionList",
                        {"not_acceptable"});
  doc.parameters = page_parameters();
  return doc;
}

RouteDoc projection_get_doc() {
  return doc_of("How a projection stands; live, for progress.", 200, "It.", "Projection",
                {"projection_unknown", "not_acceptable"});
}

RouteDoc projection_verb_doc() {
  RouteDoc doc =
      doc_of("Tell a projection: run and resume, pause, reset, rebuild, promote, rollback, drop.",
             202, "Told. How it stands now; what takes longer goes on.", "Projection",
             {"projection_unknown", "generation_unknown", "verb_refused", "route_unknown",
              "media_type", "not_acceptable"});
  doc.path_schemas = {{"verb", R"({"enum":["run","pause","resume","reset","rebuild","promote",)"
                               R"("rollback","drop"]})"}};
  doc.request = {{"application/json",
                  std::string{R"({"type":"object","additionalProperties":false,"properties":{)"
                              R"("mode":)"} +
                      mode_schema + R"(,"from":)" + from_schema +
                      R"(,"generation":{"type":"integer","description":"Of drop."}}})"}};
  doc.request_required = false;
  return doc;
}

RouteDoc rebuild_many_doc() {
  RouteDoc doc = doc_of("Rebuild several projections, or all, in one pass over the log.", 202,
                        "Told. How they stand now.", "ProjectionList",
                        {"projection_unknown", "verb_refused", "media_type", "not_acceptable"});
  doc.request = {{"application/json",
                  std::string{R"({"type":"object","additionalProperties":false,"properties":{)"
                              R"("mode":)"} +
                      mode_schema + R"(,"from":)" + from_schema +
                      R"(,"projections":{"type":"array","items":{"type":"string"},)"
                      R"("description":"None: all."}}})"}};
  doc.request_required = false;
  return doc;
}

RouteDoc parked_list_doc() {
  RouteDoc doc = doc_of("List the keys that wait for a person.", 200, "A page, by key.",
                        "ParkedList", {"projection_unknown", "not_acceptable"});
  doc.parameters = page_parameters();
  return doc;
}

RouteDoc retry_doc() {
  return doc_of("Tell the events of a parked key again, and let it flow.", 202,
                "It flows again. How the projection stands now.", "Projection",
                {"projection_unknown", "key_not_parked", "parked", "not_acceptable", "media_type"});
}

}  // namespace stele::serve
