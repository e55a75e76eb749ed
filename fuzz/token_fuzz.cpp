// Tokens, cursors of lists, and the texts of ids, times, amounts and base64: what is taken has
// one text, so what is written again is what was read.

#include <cstring>
#include <optional>
#include <string>

#include "base/crc32c.h"
#include "query/base64url.h"
#include "query/cursor.h"
#include "query/token.h"
#include "serve/base64.h"
#include "stele/ids.h"
#include "stele/money.h"
#include "stele/time.h"
#include "target.h"

namespace stele::fuzz {
namespace {

constexpr std::uint64_t query_hash = 0x1122'3344'5566'7788;

LogId log_id() {
  LogId id;
  for (std::size_t i = 0; i < id.bytes.size(); ++i) id.bytes[i] = static_cast<std::uint8_t>(i + 1);
  return id;
}

void read_token(std::string_view text) {
  for (const Epoch epoch : {Epoch{1}, Epoch{3}}) {
    const auto token = query::decode_token(text, log_id(), epoch);
    if (!token) continue;
    require(query::encode_token(*token, log_id()) == text, "a token has one text");
  }
}

void read_cursor(std::string_view text) {
  const auto place = query::decode_cursor(text, query_hash);
  if (place) require(query::encode_cursor(query_hash, *place) == text, "a cursor has one text");
}

// The input as the bytes behind the base64, with the checksum that they need.
std::string with_sum(std::string_view bytes, std::uint32_t sum) {
  std::string whole{bytes};
  whole.append(reinterpret_cast<const char*>(&sum), sizeof sum);
  return query::to_base64url(whole);
}

void read_mended(std::string_view input) {
  const LogId id = log_id();
  const std::uint32_t of_bytes = crc32c(input.data(), input.size());
  read_token(with_sum(input, crc32c(id.bytes.data(), id.bytes.size(), of_bytes)));
  std::string cursor{input};
  if (cursor.size() >= 9) std::memcpy(cursor.data() + 1, &query_hash, sizeof query_hash);
  read_cursor(with_sum(cursor, crc32c(cursor.data(), cursor.size())));
}

void read_values(std::string_view text) {
  if (const auto id = Uuid::parse(text)) {
    require(Uuid::parse(id->text()) == *id, "an id is read back");
  }
  if (const auto time = parse_time(text)) {
    require(parse_time(to_rfc3339(*time)) == *time, "a time is read back");
  }
  if (const auto amount = Amount::parse(text)) {
    require(amount->text() == text, "an amount keeps its text");
    for (const char* code : {"USD", "JPY", "KWD"}) {
      const auto money = amount->in(*Currency::find(code));
      require(!money || Amount::parse(money->text())->in(*Currency::find(code)) == *money,
              "money is read back");
    }
  }
  std::string bytes;
  if (serve::decode_base64(text, bytes)) {
    std::string again;
    serve::append_base64(again, bytes);
    require(again == text, "bytes have one text in base64");
  }
  if (const auto url = query::from_base64url(text)) {
    require(query::to_base64url(*url) == text, "bytes have one text in a URL");
  }
}

const Registered registered{"token", [](std::string_view input) {
                              read_token(input);
                              read_cursor(input);
                              read_mended(input);
                              read_values(input);
                            }};

}  // namespace
}  // namespace stele::fuzz
