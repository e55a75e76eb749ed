// Parsed JSON back to text.

#pragma once

#include <string>

#include "stele/json.h"

namespace stele::program {

/// Writes `value` as it is: order and numbers untouched, no white space.
void write_value(JsonWriter& writer, const JsonValue& value);

/// `value` as JSON.
[[nodiscard]] std::string json_of(const JsonValue& value);

/// A string's own bytes, nothing for null, JSON for the rest.
[[nodiscard]] std::string text_of(const JsonValue& value);

/// The member's text, or an empty one if there is none.
[[nodiscard]] std::string member_text(const JsonValue& object, std::string_view name);

/// An event as `/v1/events` shows it, on one line, for people.
[[nodiscard]] std::string describe_event(const JsonValue& event);

}  // namespace stele::program
