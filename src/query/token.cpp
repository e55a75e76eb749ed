#include "query/token.h"

#include "base/crc32c.h"
#include "query/base64url.h"
#include "query/bytes.h"
#include "stele/limits.h"

namespace stele::query {
namespace {

constexpr std::uint8_t format = 1;
constexpr std::size_t body_size = 33;
constexpr std::size_t whole_size = body_size + 4;

std::uint32_t checksum(std::string_view body, const LogId& log) {
  return crc32c(log.bytes.data(), log.bytes.size(), crc32c(body));
}

std::unexpected<Error> not_ours() {
  return fail(Errc::invalid,
              "The token is none that this log gave. Send one as an answer gave it, or none.");
}

}  // namespace

std::uint64_t hash_of_stream(std::string_view stream) noexcept { return hash_of(stream); }

std::string encode_token(const Token& token, const LogId& log) {
  std::string bytes(1, static_cast<char>(format));
  append_bytes(bytes, number(token.epoch), 8);
  append_bytes(bytes, number(token.position), 8);
  append_bytes(bytes, token.stream_hash, 8);
  append_bytes(bytes, number(token.version), 8);
  append_bytes(bytes, checksum(bytes, log), 4);
  return to_base64url(bytes);
}

Result<Token> decode_token(std::string_view text, const LogId& log, Epoch epoch) {
  if (text.size() > token_size_max) return not_ours();
  const auto bytes = from_base64url(text);
  if (!bytes || bytes->size() != whole_size) return not_ours();
  const std::string_view body = std::string_view{*bytes}.substr(0, body_size);
  if (static_cast<std::uint8_t>(body[0]) != format ||
      bytes_at(*bytes, body_size, 4) != checksum(body, log)) {
    return not_ours();
  }
  const Token token{.epoch = Epoch{bytes_at(body, 1, 8)},
                    .position = Position{bytes_at(body, 9, 8)},
                    .stream_hash = bytes_at(body, 17, 8),
                    .version = Version{bytes_at(body, 25, 8)}};
  if (token.epoch != epoch) {
    return fail(Errc::invalid, "The token is of epoch " + std::to_string(number(token.epoch)) +
                                   " and the log is now in epoch " + std::to_string(number(epoch)) +
                                   ": the log was restored or repaired, and may have lost the "
                                   "write. Read without the token to see what is there.");
  }
  if (number(token.position) > limits::number_max) return not_ours();
  return token;
}

}  // namespace stele::query
