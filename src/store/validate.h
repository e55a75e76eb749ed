// What a request must be before a store sees it. Every store judges the same way, because the
// public `append` calls these before any backend does; reads call theirs at their start.

#pragma once

#include <cstddef>
#include <string_view>

#include "stele/append.h"

namespace stele::store {

/// Room for numbers, ids, checksums and lengths that a store writes beside what it was given.
inline constexpr std::size_t event_fixed_size = 128;         // Bytes an event.
inline constexpr std::size_t append_stream_fixed_size = 64;  // Bytes a stream of an append.
inline constexpr std::size_t append_fixed_size = 256;        // Bytes an append.

/// What `event` counts against `limits::event_size_max`: all of its parts, the stream's name, and
/// the fixed size.
[[nodiscard]] std::size_t event_size(std::string_view stream, const NewEvent& event) noexcept;

/// What `request` counts against `limits::append_size_max`. The condition is not stored.
[[nodiscard]] std::size_t append_size(const AppendRequest& request) noexcept;

/// Errors: `invalid` (names, counts, duplicates), `too_large` (sizes). The message names the limit.
[[nodiscard]] Result<void> check_request(const AppendRequest& request);

/// Errors: `invalid`.
[[nodiscard]] Result<void> check_read_stream(std::string_view stream, std::size_t limit);
[[nodiscard]] Result<void> check_read_all(const Filter& filter, std::size_t limit);

}  // namespace stele::store
