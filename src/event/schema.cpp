#include "stele/schema.h"

#include "stele/limits.h"

namespace stele::detail {

std::string_view boolean_schema() noexcept { return R"({"type":"boolean"})"; }
std::string_view number_schema() noexcept { return R"({"type":"number"})"; }
std::string_view string_schema() noexcept { return R"({"type":"string"})"; }
std::string_view time_schema() noexcept { return R"({"type":"string","format":"date-time"})"; }
std::string_view uuid_schema() noexcept { return R"({"type":"string","format":"uuid"})"; }
std::string_view currency_schema() noexcept {
  return R"({"type":"string","pattern":"^[A-Z]{3}$"})";
}

std::string_view money_schema(SchemaOf use) noexcept {
  if (use == SchemaOf::writing) return R"({"type":"string","pattern":"^-?[0-9]+(\\.[0-9]+)?$"})";
  return R"({"type":["string","integer"],"pattern":"^-?[0-9]+(\\.[0-9]+)?$",)"
         R"("description":"A decimal as a string; an integer number is whole units."})";
}

std::string integer_schema(bool is_signed) {
  const std::string limit = std::to_string(limits::number_max);
  return R"({"type":"integer","minimum":)" + (is_signed ? "-" + limit : "0") + R"(,"maximum":)" +
         limit + "}";
}

std::string enum_schema(std::span<const std::string_view> names) {
  std::string out = R"({"type":"string","enum":[)";
  JsonWriter writer{out};
  for (const std::string_view name : names) writer.string(name);
  return out + "]}";
}

std::string nullable_schema(std::string_view schema) {
  return R"({"anyOf":[)" + std::string{schema} + R"(,{"type":"null"}]})";
}

std::string array_schema(std::string_view schema) {
  return R"({"type":"array","items":)" + std::string{schema} + "}";
}

std::string object_schema(std::span<const MemberSchema> members) {
  std::string out;
  JsonWriter writer{out};
  writer.begin_object();
  writer.key("type");
  writer.string("object");
  writer.key("properties");
  writer.begin_object();
  for (const MemberSchema& member : members) {
    writer.exact_key(member.name);
    writer.raw(member.schema);
  }
  writer.end_object();
  writer.key("required");
  writer.begin_array();
  for (const MemberSchema& member : members) {
    if (member.required) writer.string(member.name);
  }
  writer.end_array();
  writer.key("additionalProperties");
  writer.boolean(false);
  writer.end_object();
  return out;
}

}  // namespace stele::detail
