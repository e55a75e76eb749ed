// Cursors of paged queries: where the page before ended.
//
// Format: URL-safe base64 without padding of
//
//   1 byte   format, 1
//   8 bytes  hash of the query that it belongs to (read model, conditions, order; not the limit)
//   1 byte   number of values; then each: kind (1 byte), and 8 bytes little-endian or, for a text,
//            its length (4 bytes) and bytes
//   4 bytes  CRC32C of all before
//
// It holds the last row's place in the order, not a count of rows, so it stays right while rows
// come and go, over restarts and rebuilds.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "stele/error.h"
#include "stele/read_model.h"

namespace stele::query {

inline constexpr std::size_t cursor_size_max = 4'096;  ///< Characters.

/// Names a query of read model `name`, so that a cursor of another one is refused.
[[nodiscard]] std::uint64_t hash_of_query(std::string_view name, const Select& select);

[[nodiscard]] std::string encode_cursor(std::uint64_t query, const std::vector<Value>& place);

/// Errors: `invalid`: not a cursor, or one of another query.
[[nodiscard]] Result<std::vector<Value>> decode_cursor(std::string_view text, std::uint64_t query);

}  // namespace stele::query
