// Base64 as JSON carries bytes (RFC 4648, section 4), with padding.

#pragma once

#include <string>
#include <string_view>

namespace stele::serve {

void append_base64(std::string& out, std::string_view bytes);

/// Strict: padded, no white space, unused bits zero. False otherwise.
[[nodiscard]] bool decode_base64(std::string_view text, std::string& out);

}  // namespace stele::serve
