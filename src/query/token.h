// Tokens for reading one's own writes: what a command's answer names, and a read waits for.
//
// Format: URL-safe base64 without padding of 37 bytes, numbers little-endian:
//
//    0  1  format, 1
//    1  8  epoch
//    9  8  position of the write's last event
//   17  8  hash of the stream's name
//   25  8  the stream's version after the write
//   33  4  CRC32C of the bytes before, continued over the log's id
//
// The checksum is no secret: it finds mistakes and tokens of another log, not forgers. A forged
// token makes its own sender wait, and nothing else.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "stele/append.h"
#include "stele/error.h"
#include "stele/ids.h"

namespace stele::query {

inline constexpr std::size_t token_size_max = 128;  ///< Characters.

struct Token {
  Epoch epoch{};
  Position position{};
  std::uint64_t stream_hash = 0;  ///< 0: of no one stream.
  Version version{};
  friend bool operator==(const Token&, const Token&) = default;
};

[[nodiscard]] std::uint64_t hash_of_stream(std::string_view stream) noexcept;

[[nodiscard]] std::string encode_token(const Token& token, const LogId& log);

/// Errors: `invalid` for anything that `encode_token` did not make for this log, or made before the
/// log may have lost what the token names (an older epoch). Answers call it `token_invalid`.
[[nodiscard]] Result<Token> decode_token(std::string_view text, const LogId& log, Epoch epoch);

}  // namespace stele::query
