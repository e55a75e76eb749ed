// Base64 with the URL-safe alphabet and without padding (RFC 4648, section 5).

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace stele::query {

[[nodiscard]] std::string to_base64url(std::string_view bytes);

/// None for anything that `to_base64url` does not write: other characters, padding, bits that are
/// left over and not zero. So each text stands for one value, and each value has one text.
[[nodiscard]] std::optional<std::string> from_base64url(std::string_view text);

}  // namespace stele::query
