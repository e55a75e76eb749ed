// JSON: three readers of the same text agree on what is JSON; what is written is read back the
// same; and described values survive the way out and back, in both namings.

#include <algorithm>
#include <string>
#include <vector>

#include "serve/json_cursor.h"
#include "stele/json.h"
#include "stele/mapping.h"
#include "target.h"

namespace stele::fuzz {

enum class Colour : std::uint8_t { red, green };
STELE_DESCRIBE_ENUM(Colour, red, green);

struct Inner {
  std::int32_t small = 0;
  std::vector<std::string> names;
};
STELE_DESCRIBE(Inner, small, names);

struct Everything {
  bool truth = false;
  std::uint64_t count = 0;
  std::int64_t signed_count = 0;
  double real = 0;
  std::string text;
  Money amount;
  std::optional<Money> fee;
  Timestamp at{};
  std::optional<Uuid> id;
  Version version{};
  Colour colour = Colour::red;
  Inner inner_part;
  std::vector<Inner> more;
};
STELE_DESCRIBE(Everything, truth, count, signed_count, real, text, amount, fee, at, id, version,
               colour, inner_part, more);

namespace {

void write(JsonWriter& writer, JsonValue value) {
  const auto children = [&](const auto& each) {
    JsonValue child = value.first();
    for (std::size_t left = value.size(); left > 0; --left, child = child.next()) each(child);
  };
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
      writer.begin_array();
      children([&](JsonValue child) { write(writer, child); });
      return writer.end_array();
    case JsonKind::object:
      writer.begin_object();
      children([&](JsonValue child) {
        writer.exact_key(child.key());
        write(writer, child);
      });
      return writer.end_object();
  }
}

std::string written(const JsonDocument& document) {
  std::string out;
  JsonWriter writer{out};
  write(writer, document.root());
  require(!writer.failed(), "what was read can be written");
  return out;
}

bool cursor_takes(std::string_view text) {
  serve::JsonCursor cursor{text};
  std::string_view value;
  cursor.value(value);
  cursor.end();
  require(cursor.failed() || text.find(value) != std::string_view::npos,
          "a value is a part of the text");
  return !cursor.failed();
}

// Whether some number may have more digits in its exponent than the cursor takes.
bool has_long_exponent(std::string_view text) {
  for (std::size_t at = text.find_first_of("eE"); at != std::string_view::npos;
       at = text.find_first_of("eE", at + 1)) {
    const std::size_t digits = text.find_first_not_of("+-", at + 1);
    if (digits == std::string_view::npos) return false;
    const std::size_t end = std::min(text.find_first_not_of("0123456789", digits), text.size());
    if (end - digits > serve::exponent_digits_max) return true;
  }
  return false;
}

void read_both_ways(std::string_view text) {
  const bool checked = check_json(text).has_value();
  const auto document = JsonDocument::parse(text);
  require(checked == document.has_value(), "checking and parsing agree on what is JSON");
  require(checked == cursor_takes(text) || has_long_exponent(text), "the cursor agrees with them");
  if (!document) return;
  const std::string once = written(*document);
  const auto again = JsonDocument::parse(once);
  require(again.has_value(), "what was written is JSON");
  require(written(*again) == once, "it is written the same again");
  std::string small;
  append_minified(small, text);
  require(check_json(small).has_value(), "without white space it is still JSON");
  const auto small_document = JsonDocument::parse(small);
  require(small_document && written(*small_document) == once, "and says the same");
}

void map_there_and_back(std::string_view text, MappingOptions options, Naming naming) {
  const auto value = from_json<Everything>(text, options);
  if (!value) {
    require(!value.error().message.empty(), "a refusal says why");
    return;
  }
  const auto out = to_json(*value, naming);
  require(out.has_value(), "what was read can be written");
  const auto again = from_json<Everything>(*out, {.naming = naming});
  require(again.has_value(), "what was written can be read");
  const auto out_again = to_json(*again, naming);
  require(out_again && *out_again == *out, "it says the same as before");
}

const Registered registered{"json", [](std::string_view input) {
                              const std::string text{input};  // Ends where the input ends.
                              read_both_ways(text);
                              map_there_and_back(text, {}, Naming::as_stored);
                              map_there_and_back(text, stored_mapping, Naming::as_stored);
                              map_there_and_back(text, http_mapping, Naming::camel_case);
                            }};

}  // namespace
}  // namespace stele::fuzz
