#include "query/cursor.h"

#include <bit>
#include <optional>

#include "base/crc32c.h"
#include "query/base64url.h"
#include "query/bytes.h"

namespace stele::query {
namespace {

constexpr char format = 1;
constexpr std::size_t head_size = 10;
constexpr std::size_t checksum_size = 4;

void append_value(std::string& out, const Value& value) {
  const Cell cell = value.cell();
  out += static_cast<char>(cell.kind());
  switch (cell.kind()) {
    case Cell::Kind::null:
      break;
    case Cell::Kind::integer:
      append_bytes(out, static_cast<std::uint64_t>(cell.integer()), 8);
      break;
    case Cell::Kind::real:
      append_bytes(out, std::bit_cast<std::uint64_t>(cell.real()), 8);
      break;
    case Cell::Kind::text:
      append_bytes(out, cell.text().size(), 4);
      out += cell.text();
      break;
  }
}

// Takes one value off the front of `bytes`; none if it is cut short.
std::optional<Value> take_value(std::string_view& bytes) {
  if (bytes.empty()) return std::nullopt;
  const auto kind = static_cast<Cell::Kind>(bytes.front());
  bytes.remove_prefix(1);
  if (kind == Cell::Kind::null) return Value{};
  const std::size_t head = kind == Cell::Kind::text ? 4 : 8;
  if (bytes.size() < head) return std::nullopt;
  const std::uint64_t number = bytes_at(bytes, 0, head);
  bytes.remove_prefix(head);
  if (kind == Cell::Kind::integer) return Value{static_cast<std::int64_t>(number)};
  if (kind == Cell::Kind::real) return Value{std::bit_cast<double>(number)};
  if (kind != Cell::Kind::text || bytes.size() < number) return std::nullopt;
  Value text{bytes.substr(0, number)};
  bytes.remove_prefix(number);
  return text;
}

std::unexpected<Error> not_a_cursor() {
  return fail(Errc::invalid,
              "The cursor is none. Send the `next` of the page before, as it was, or none to begin "
              "at the start.");
}

}  // namespace

std::uint64_t hash_of_query(std::string_view name, const Select& select) {
  std::string text{name};
  text += select.descending ? "\n>" : "\n<";
  for (const Where& where : select.where) {
    text += "\nw" + where.column + ' ' + static_cast<char>('0' + static_cast<int>(where.compare));
    append_value(text, where.value);
    for (const Value& value : where.values) append_value(text, value);
  }
  for (const std::string& column : select.order_by) text += "\no" + column;
  if (!select.search.empty()) {
    text += "\ns";
    append_value(text, Value{select.search});
  }
  return hash_of(text);
}

std::string encode_cursor(std::uint64_t query, const std::vector<Value>& place) {
  std::string bytes(1, format);
  append_bytes(bytes, query, 8);
  bytes += static_cast<char>(place.size());
  for (const Value& value : place) append_value(bytes, value);
  append_bytes(bytes, crc32c(bytes), checksum_size);
  return to_base64url(bytes);
}

Result<std::vector<Value>> decode_cursor(std::string_view text, std::uint64_t query) {
  if (text.size() > cursor_size_max) return not_a_cursor();
  const auto bytes = from_base64url(text);
  if (!bytes || bytes->size() < head_size + checksum_size) return not_a_cursor();
  std::string_view body = std::string_view{*bytes}.substr(0, bytes->size() - checksum_size);
  if (body[0] != format || bytes_at(*bytes, body.size(), checksum_size) != crc32c(body)) {
    return not_a_cursor();
  }
  if (bytes_at(body, 1, 8) != query) {
    return fail(Errc::invalid,
                "The cursor belongs to another query. Send it with the same filters and order as "
                "the page that gave it, or start again without it.");
  }
  std::vector<Value> place(static_cast<std::uint8_t>(body[9]));
  body.remove_prefix(head_size);
  for (Value& value : place) {
    auto taken = take_value(body);
    if (!taken) return not_a_cursor();
    value = std::move(*taken);
  }
  if (!body.empty()) return not_a_cursor();
  return place;
}

}  // namespace stele::query
