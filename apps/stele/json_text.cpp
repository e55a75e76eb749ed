#include "json_text.h"

namespace stele::program {

void write_value(JsonWriter& writer, const JsonValue& value) {
  switch (value.kind()) {
    case JsonKind::null:
      return writer.null();
    case JsonKind::boolean:
      return writer.boolean(value.boolean());
    case JsonKind::number:
      return writer.raw(value.text());
    case JsonKind::string:
      return writer.string(value.text());
    case JsonKind::array:
    case JsonKind::object:
      break;
  }
  const bool object = value.kind() == JsonKind::object;
  object ? writer.begin_object() : writer.begin_array();
  JsonValue child = value.first();
  for (std::size_t i = 0; i < value.size(); ++i, child = child.next()) {
    if (object) writer.exact_key(child.key());
    write_value(writer, child);
  }
  object ? writer.end_object() : writer.end_array();
}

std::string json_of(const JsonValue& value) {
  std::string out;
  JsonWriter writer{out};
  write_value(writer, value);
  return out;
}

std::string text_of(const JsonValue& value) {
  if (value.kind() == JsonKind::null) return {};
  if (value.kind() == JsonKind::string) return std::string{value.text()};
  return json_of(value);
}

std::string member_text(const JsonValue& object, std::string_view name) {
  if (!object.found() || object.kind() != JsonKind::object) return {};
  const JsonValue member = object.member(name);
  return member.found() ? text_of(member) : std::string{};
}

std::string describe_event(const JsonValue& event) {
  std::string line = member_text(event, "position") + "  " + member_text(event, "recordedAt") +
                     "  " + member_text(event, "stream") + "@" + member_text(event, "version") +
                     "  " + member_text(event, "type");
  const JsonValue data = event.member("data");
  const JsonValue bytes = event.member("dataBase64");
  if (data.found()) line += "  " + json_of(data);
  if (bytes.found()) line += "  base64:" + std::string{bytes.text()};
  return line;
}

}  // namespace stele::program
