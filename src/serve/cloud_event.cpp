#include "serve/cloud_event.h"

#include "serve/base64.h"
#include "serve/event_json.h"
#include "serve/json_cursor.h"
#include "stele/json.h"

namespace stele::serve {
namespace {

void put_text(std::string& out, std::string_view name, std::string_view text) {
  out += ",\"";
  out += name;
  out += "\":";
  append_json_string(out, text);
}

void put_number(std::string& out, std::string_view name, std::uint64_t number) {
  out += ",\"";
  out += name;
  out += "\":\"" + std::to_string(number) + '"';
}

/// `["a","b"]`, as the text that an attribute may hold.
void put_tags(std::string& out, const TagList& tags) {
  if (tags.empty()) return;
  std::string json;
  for (const std::string_view tag : tags) {
    json += json.empty() ? '[' : ',';
    append_json_string(json, tag);
  }
  put_text(out, "steletags", json + ']');
}

/// The metadata whole, and what of it is an extension of its own.
void put_metadata(std::string& out, std::string_view metadata) {
  const auto document = JsonDocument::parse(metadata);
  if (!document || document->root().kind() != JsonKind::object || document->root().size() == 0) {
    return;
  }
  std::string compact;
  append_minified(compact, metadata);
  put_text(out, "stelemetadata", compact);
  for (const std::string_view name : {"traceparent", "tracestate"}) {
    const JsonValue value = document->root().member(name);
    if (value.found() && value.kind() == JsonKind::string && !value.text().empty()) {
      put_text(out, name, value.text());
    }
  }
}

void put_data(std::string& out, const EventView& event) {
  if (is_json_type(event.content_type)) {
    JsonCursor in{event.data};
    std::string_view value;
    in.value(value);
    in.end();
    if (!in.failed()) {
      out += ",\"data\":";
      return append_minified(out, value);
    }
  }
  out += ",\"data_base64\":\"";
  append_base64(out, event.data);
  out += '"';
}

}  // namespace

void append_cloud_event(std::string& out, const EventView& event, const CloudEventsOf& of) {
  out += R"({"specversion":"1.0","id":")" + event.id.text();
  out += R"(","source":"/stele/)" + of.log.text() + '"';
  put_text(out, "type", event.type);
  put_text(out, "subject", event.stream);
  out += R"(,"time":")" + to_rfc3339(event.recorded_at) + '"';
  put_text(out, "datacontenttype", event.content_type);
  put_number(out, "steleposition", number(event.position));
  put_number(out, "steleversion", number(event.version));
  out += R"(,"steleappend":")" + event.append_id.text() + '"';
  put_number(out, "steleepoch", number(of.epoch));
  put_number(out, "steleschema", event.schema_version);
  put_tags(out, event.tags);
  if (!event.metadata.empty()) put_metadata(out, event.metadata);
  put_data(out, event);
  out += '}';
}

}  // namespace stele::serve
