// Consumers as JSON, and the text of a consumer's cursor.
//
// A cursor is URL-safe base64 without padding of 37 bytes, numbers little-endian:
//
//    0  1  format, 1
//    1 16  id of the consumer
//   17  8  reading
//   25  8  position
//   33  4  CRC32C of the bytes before
//
// The checksum is no secret: it finds mistakes, not forgers. A forged cursor acknowledges what its
// own sender could acknowledge by reading.

#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "consumer/consumers.h"
#include "serve/problem.h"

namespace stele::serve {

[[nodiscard]] std::string encode_cursor(const consumer::Cursor& cursor);
/// None for anything that `encode_cursor` did not make.
[[nodiscard]] std::optional<consumer::Cursor> decode_cursor(std::string_view text);

/// Appends `{name, filter, start, position, logEnd, lagEvents, state, reader, createdAt,
/// acknowledgedAt, lastError}`.
void append_consumer_json(std::string& out, const consumer::Status& status);

/// `{filter?: {categories?, types?, tags?}, start?}`. Refusals: `malformed` with the pointer.
[[nodiscard]] std::expected<consumer::Definition, Problem> read_definition(std::string_view body);
/// `{cursor}`.
[[nodiscard]] std::expected<consumer::Cursor, Problem> read_ack(std::string_view body);
/// `{to}`: "beginning", "end" or a position.
[[nodiscard]] std::expected<consumer::Start, Problem> read_seek(std::string_view body);

/// How a refusal is told. With `Retry-After` when another reader's lease will end.
[[nodiscard]] Response answer_of(const consumer::Refusal& refusal, Timestamp now);

}  // namespace stele::serve
