#include "serve/event_json.h"

#include <array>
#include <charconv>

#include "serve/base64.h"
#include "serve/http.h"
#include "serve/json_cursor.h"
#include "stele/json.h"

namespace stele::serve {
namespace {

void put_number(std::string& out, std::uint64_t value) {
  std::array<char, 24> digits{};
  out.append(digits.data(), std::to_chars(digits.data(), digits.data() + 24, value).ptr);
}

/// As `Uuid::text`, without a string of its own: two stand in every event.
void put_uuid(std::string& out, const Uuid& id) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::array<char, 36> text;
  std::size_t at = 0;
  for (std::size_t i = 0; i < id.bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text[at++] = '-';
    text[at++] = digits[id.bytes[i] >> 4];
    text[at++] = digits[id.bytes[i] & 0xF];
  }
  out.append(text.data(), text.size());
}

/// Appends `json` if it is JSON that may be shown in this form; false, and nothing appended, if
/// not.
bool put_json(std::string& out, std::string_view json, DataForm form) {
  JsonCursor in{json};
  std::string_view value;
  in.value(value);
  const bool spaced = in.had_space() || value.size() != json.size();
  in.end();
  if (in.failed() || (spaced && form == DataForm::exact)) return false;
  if (spaced) {
    append_minified(out, value);
  } else {
    out += json;
  }
  return true;
}

void put_metadata(std::string& out, std::string_view metadata, DataForm form) {
  const std::size_t before = out.size();
  out += ",\"metadata\":";
  if (metadata.empty()) {
    out += "{}";
    return;
  }
  // What is shown as {} is empty: an exact {} needs another form.
  const bool ambiguous = form == DataForm::exact && metadata == "{}";
  if (!ambiguous && put_json(out, metadata, form)) return;
  if (form == DataForm::shown) {
    out += "{}";
    return;
  }
  out.resize(before);
  out += ",\"metadataBase64\":\"";
  append_base64(out, metadata);
  out += '"';
}

}  // namespace

bool is_json_type(std::string_view content_type) noexcept {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
  return same_token(type, "application/json") || same_token(type, "text/json") ||
         (type.size() > 5 && same_token(type.substr(type.size() - 5), "+json"));
}

void append_event_json(std::string& out, const EventView& event, DataForm form) {
  out += "{\"position\":";
  put_number(out, number(event.position));
  out += ",\"stream\":";
  append_json_string(out, event.stream);
  out += ",\"version\":";
  put_number(out, number(event.version));
  out += ",\"id\":\"";
  put_uuid(out, event.id);
  out += "\",\"appendId\":\"";
  put_uuid(out, event.append_id);
  out += "\",\"type\":";
  append_json_string(out, event.type);
  out += ",\"tags\":[";
  bool first = true;
  for (const std::string_view tag : event.tags) {
    if (!first) out += ',';
    first = false;
    append_json_string(out, tag);
  }
  out += ']';
  const std::size_t before_data = out.size();
  out += ",\"data\":";
  if (!is_json_type(event.content_type) || !put_json(out, event.data, form)) {
    out.resize(before_data);
    out += ",\"dataBase64\":\"";
    append_base64(out, event.data);
    out += '"';
  }
  out += ",\"contentType\":";
  append_json_string(out, event.content_type);
  out += ",\"schemaVersion\":";
  put_number(out, event.schema_version);
  put_metadata(out, event.metadata, form);
  if (form == DataForm::exact && !event.key_id.empty()) {
    out += ",\"keyId\":";
    append_json_string(out, event.key_id);
  }
  out += ",\"recordedAt\":\"";
  out += to_rfc3339(event.recorded_at);
  out += "\"}";
}

void append_appended_json(std::string& out, const Appended& appended,
                          const std::vector<std::string>& streams, std::string_view token) {
  out += "{\"id\":\"";
  put_uuid(out, appended.id);
  out += "\",\"firstPosition\":";
  put_number(out, number(appended.first));
  out += ",\"position\":";
  put_number(out, number(appended.last));
  out += ",\"streams\":[";
  for (std::size_t i = 0; i < appended.streams.size() && i < streams.size(); ++i) {
    out += i == 0 ? "{\"stream\":" : ",{\"stream\":";
    append_json_string(out, streams[i]);
    out += ",\"version\":";
    put_number(out, number(appended.streams[i].version));
    out += ",\"tip\":\"";
    out += to_hex(appended.streams[i].tip);
    out += "\"}";
  }
  out +=
      appended.replayed ? "],\"replayed\":true,\"token\":\"" : "],\"replayed\":false,\"token\":\"";
  out += token;
  out += "\"}";
}

}  // namespace stele::serve
