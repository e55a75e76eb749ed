#include "stele/ids.h"

#include <algorithm>

#include "stele/limits.h"

namespace stele {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";
constexpr std::size_t shown_size_max = 64;  // Of a bad value that an error message repeats.

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_control_byte(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

/// `text` as it may stand in a message: shortened, control and non-ASCII bytes replaced.
std::string shown(std::string_view text) {
  std::string out{text.substr(0, shown_size_max)};
  for (char& c : out) {
    if (is_control_byte(c) || static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  if (text.size() > shown_size_max) out += "...";
  return out;
}

/// The length of the well-formed sequence at the front of `text`, or 0 (RFC 3629, section 4).
std::size_t utf8_sequence_size(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i, unsigned low, unsigned high) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1, 0x80, 0xBF) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;   // No overlong form.
    const unsigned high = first == 0xED ? 0x9F : 0xBF;  // No surrogate.
    return continues(1, low, high) && continues(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF;  // To U+10FFFF.
    return continues(1, low, high) && continues(2, 0x80, 0xBF) && continues(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

}  // namespace

Result<Uuid> Uuid::parse(std::string_view text) {
  Uuid out;
  std::size_t nibble = 0;
  bool good = text.size() == 36;
  for (std::size_t i = 0; good && i < text.size(); ++i) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      good = text[i] == '-';
      continue;
    }
    const int value = hex_value(text[i]);
    good = value >= 0;
    if (!good) break;
    auto& byte = out.bytes[nibble / 2];
    byte = static_cast<std::uint8_t>((byte << 4) | value);
    ++nibble;
  }
  if (!good) {
    return fail(Errc::invalid, "\"" + shown(text) +
                                   "\" is not a UUID; write 32 hex digits with hyphens, such as "
                                   "\"0190c6a1-3f2e-7abc-8def-0123456789ab\".");
  }
  return out;
}

std::string Uuid::text() const {
  std::string out;
  out.reserve(36);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += hex_digits[bytes[i] >> 4];
    out += hex_digits[bytes[i] & 0xF];
  }
  return out;
}

Tip tip_of(const EventId& id) noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = 8; i < 16; ++i) value = (value << 8) | id.bytes[i];
  return Tip{value};
}

std::string to_hex(Tip tip) {
  std::string out(16, '0');
  std::uint64_t rest = number(tip);
  for (std::size_t i = 16; i-- > 0; rest >>= 4) out[i] = hex_digits[rest & 0xF];
  return out;
}

Result<Tip> parse_tip(std::string_view hex) {
  std::uint64_t value = 0;
  bool good = hex.size() == 16;
  for (std::size_t i = 0; good && i < hex.size(); ++i) {
    const int digit = hex_value(hex[i]);
    good = digit >= 0;
    value = (value << 4) | static_cast<std::uint64_t>(digit & 0xF);
  }
  if (!good) {
    return fail(Errc::invalid, "\"" + shown(hex) + "\" is not a tip; a tip is 16 hex digits.");
  }
  return Tip{value};
}

Result<void> check_name(std::string_view what, std::string_view name, std::size_t limit) {
  const auto refuse = [&](std::string_view why) {
    return fail(Errc::invalid,
                "The " + std::string{what} + " \"" + shown(name) + "\" " + std::string{why} + ".");
  };
  if (name.empty()) return refuse("is empty");
  if (name.size() > limit) {
    return refuse("has " + std::to_string(name.size()) + " bytes; at most " +
                  std::to_string(limit) + " are allowed");
  }
  if (std::ranges::any_of(name, is_control_byte)) return refuse("has a control character");
  if (!is_utf8(name)) return refuse("is not UTF-8");
  return {};
}

Result<void> check_stream_name(std::string_view name) {
  if (auto good = check_name("stream name", name, limits::stream_name_size_max); !good) return good;
  const std::size_t dash = name.find('-');
  if (dash == std::string_view::npos || dash == 0 || dash + 1 == name.size()) {
    return fail(Errc::invalid, "The stream name \"" + shown(name) +
                                   "\" must be a category and an id around a hyphen, such as "
                                   "\"account-42\".");
  }
  return {};
}

std::string_view category_of(std::string_view name) noexcept {
  return name.substr(0, name.find('-'));
}

std::string_view id_of(std::string_view name) noexcept {
  const std::size_t dash = name.find('-');
  return dash == std::string_view::npos ? std::string_view{} : name.substr(dash + 1);
}

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t size = utf8_sequence_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

}  // namespace stele
