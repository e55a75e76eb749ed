#include "stele/mapping.h"

#include <algorithm>
#include <charconv>

#include "stele/limits.h"

namespace stele {
namespace {

constexpr std::size_t shown_size_max = 60;  // Bytes of a value found that a message repeats.

// What was found, short enough for a message.
std::string shown(JsonValue value) {
  if (value.kind() == JsonKind::string) {
    const std::string_view text = value.text();
    if (text.size() <= shown_size_max) return "\"" + std::string{text} + "\"";
    return "a string of " + std::to_string(text.size()) + " bytes";
  }
  if (value.kind() == JsonKind::number) return std::string{value.text().substr(0, shown_size_max)};
  if (value.kind() == JsonKind::boolean) return value.boolean() ? "true" : "false";
  return std::string{to_string(value.kind())};
}

bool is_integer_text(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// Whether `key` is `name` as HTTP shows it.
bool equals_camel_case(std::string_view key, std::string_view name) {
  std::size_t at = 0;
  bool raise = false;
  for (const char c : name) {
    if (c == '_') {
      raise = true;
      continue;
    }
    const char expected = raise && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    raise = false;
    if (at == key.size() || key[at] != expected) return false;
    ++at;
  }
  return at == key.size();
}

std::string joined(std::span<const std::string_view> names, Naming naming) {
  std::string out;
  for (const std::string_view name : names) {
    if (!out.empty()) out += ", ";
    out += naming == Naming::camel_case ? to_camel_case(name) : std::string{name};
  }
  return out.empty() ? "none" : out;
}

}  // namespace

bool JsonReader::fail(MappingCode code, JsonValue value, std::string message) {
  error_ = {.code = code, .pointer = value.pointer(), .message = std::move(message)};
  return false;
}

bool JsonReader::fail_kind(JsonValue value, std::string_view expected) {
  return fail(MappingCode::malformed, value,
              "Expected " + std::string{expected} + ", found " + shown(value) + ".");
}

bool JsonReader::expect(JsonValue value, JsonKind kind) {
  return value.kind() == kind || fail_kind(value, to_string(kind));
}

bool JsonReader::read(JsonValue value, bool& out) {
  if (!expect(value, JsonKind::boolean)) return false;
  out = value.boolean();
  return true;
}

bool JsonReader::read(JsonValue value, double& out) {
  if (!expect(value, JsonKind::number)) return false;
  const std::string_view text = value.text();
  if (std::from_chars(text.data(), text.data() + text.size(), out).ec != std::errc{}) {
    return fail_kind(value, "a number that fits 64-bit floating point");
  }
  return true;
}

bool JsonReader::read(JsonValue value, std::string& out) {
  if (!expect(value, JsonKind::string)) return false;
  out = value.text();
  return true;
}

bool JsonReader::read(JsonValue value, Amount& out) {
  const bool text = value.kind() == JsonKind::string;
  if (!text && value.kind() != JsonKind::number) return fail_kind(value, "an amount as a string");
  if (!text && !is_integer_text(value.text())) {
    return fail_kind(value, "an amount as a decimal string (a number must be an integer)");
  }
  const auto amount = Amount::parse(value.text());
  if (!amount) {
    return fail(MappingCode::amount_invalid, value,
                "Expected a decimal such as \"12.30\", found " + shown(value) + ".");
  }
  out = *amount;
  return true;
}

bool JsonReader::read(JsonValue value, Money& out) {
  Amount amount;
  if (!read(value, amount)) return false;
  const auto money = amount.in(currency_);
  if (money && currency_.is_none() && !money->is_zero()) {
    return fail(MappingCode::malformed, value,
                "The amount " + shown(value) + " needs a member \"currency\" beside it.");
  }
  if (!money) {
    return fail(MappingCode::amount_invalid, value,
                "The amount " + shown(value) + " is too large, or has more than the " +
                    std::to_string(currency_.exponent()) + " decimals of " +
                    std::string{currency_.code()} + ".");
  }
  out = *money;
  return true;
}

bool JsonReader::read(JsonValue value, Currency& out) {
  out = {};
  if (value.kind() == JsonKind::null) return true;
  if (!expect(value, JsonKind::string)) return false;
  const auto currency = Currency::find(value.text());
  if (!currency) {
    return fail(
        MappingCode::currency_unknown, value,
        "Expected a currency code of ISO 4217 such as \"USD\", found " + shown(value) + ".");
  }
  out = *currency;
  return true;
}

bool JsonReader::read(JsonValue value, Timestamp& out) {
  if (!expect(value, JsonKind::string)) return false;
  const auto time = parse_time(value.text());
  if (!time) return fail_kind(value, "a time such as \"2026-01-31T12:00:00Z\"");
  out = *time;
  return true;
}

bool JsonReader::read(JsonValue value, Uuid& out) {
  if (!expect(value, JsonKind::string)) return false;
  const auto id = Uuid::parse(value.text());
  if (!id) return fail_kind(value, "a UUID");
  out = *id;
  return true;
}

bool JsonReader::read_signed(JsonValue value, std::int64_t min, std::int64_t max,
                             std::int64_t& out) {
  const auto limit = static_cast<std::int64_t>(limits::number_max);
  min = std::max(min, -limit);
  max = std::min(max, limit);
  const std::string_view text =
      value.kind() == JsonKind::number ? value.text() : std::string_view{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error == std::errc{} && end == text.data() + text.size() && out >= min && out <= max) {
    return true;
  }
  return fail_kind(value, "an integer from " + std::to_string(min) + " to " + std::to_string(max));
}

bool JsonReader::read_unsigned(JsonValue value, std::uint64_t max, std::uint64_t& out) {
  std::int64_t read = 0;
  const auto limit = static_cast<std::int64_t>(std::min(max, limits::number_max));
  if (!read_signed(value, 0, limit, read)) return false;
  out = static_cast<std::uint64_t>(read);
  return true;
}

bool JsonReader::match(JsonValue object, std::span<const std::string_view> names,
                       std::span<JsonValue> found) {
  if (!expect(object, JsonKind::object)) return false;
  const bool camel = options_.naming == Naming::camel_case;
  std::size_t guess = 0;  // Members mostly come in the order of the names.
  JsonValue member = object.first();
  for (std::size_t left = object.size(); left > 0; --left, member = member.next()) {
    const std::string_view key = member.key();
    std::size_t tried = 0;
    for (; tried < names.size(); ++tried, ++guess) {
      if (guess >= names.size()) guess = 0;
      if (camel ? equals_camel_case(key, names[guess]) : key == names[guess]) break;
    }
    if (tried < names.size()) {
      found[guess++] = member;
    } else if (!options_.ignore_unknown) {
      return fail(
          MappingCode::malformed, member,
          "The member is not known here; known are: " + joined(names, options_.naming) + ".");
    }
  }
  return true;
}

bool JsonReader::fail_enum(JsonValue value, std::span<const std::string_view> allowed) {
  return fail_kind(value, "one of " + joined(allowed, Naming::as_stored));
}

bool JsonReader::fail_missing(JsonValue object, std::string_view name) {
  const std::string shown_name =
      options_.naming == Naming::camel_case ? to_camel_case(name) : std::string{name};
  error_ = {.code = MappingCode::malformed,
            .pointer = object.pointer() + "/" + shown_name,
            .message = "The member \"" + shown_name + "\" is missing."};
  return false;
}

bool JsonReader::set_currency(JsonValue value) {
  currency_ = {};
  return !value.found() || read(value, currency_);
}

namespace detail {

std::expected<void, MappingError> write_json(std::string& out, const TypeTable& type,
                                             const void* object, Naming naming) {
  JsonWriter writer{out, naming};
  writer.begin_object();
  type.write(writer, object);
  writer.end_object();
  if (writer.failed()) return std::unexpected{writer.error()};
  return {};
}

std::optional<MappingError> read_json(const TypeTable& type, JsonValue value,
                                      MappingOptions options, void* object) {
  JsonReader reader{options};
  if (type.read(reader, value, object)) return std::nullopt;
  return reader.error();
}

std::optional<MappingError> read_json(const TypeTable& type, std::string_view text,
                                      MappingOptions options, void* object) {
  auto document = JsonDocument::parse(text);
  if (!document) return std::move(document.error());
  return read_json(type, document->root(), options, object);
}

}  // namespace detail
}  // namespace stele
