// The bytes before an answer's body.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "serve/exchange.h"

namespace stele::serve {

struct AnswerShape {
  bool streamed = false;      ///< The body's size is not known.
  std::size_t body_size = 0;  ///< Otherwise.
  bool last = false;          ///< The connection closes after it.
};

/// Appends status line, headers and the empty line. `date` is the Date header's value.
void append_head(std::string& out, const Exchange& exchange, const AnswerShape& shape,
                 std::string_view date);

/// Whether a streamed answer goes out in chunks (HTTP/1.1) or ends with the connection.
[[nodiscard]] bool is_chunked(const Exchange& exchange) noexcept;

/// Appends one chunk of the chunked coding; nothing if `piece` is empty, which would end the body.
void append_chunk(std::string& out, std::string_view piece);

/// "Sat, 21 Nov 2026 13:00:00 GMT" of seconds since 1970.
[[nodiscard]] std::string http_date(std::int64_t seconds);

}  // namespace stele::serve
