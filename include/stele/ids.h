// Module: base
// The numbers and names that identify things. Distinct types, so that one is never passed for
// another.

#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "stele/error.h"

namespace stele {

/// How many events a stream holds. The first event has version 1; a stream nobody wrote to is at 0.
enum class Version : std::uint64_t {};

/// The place of an event in the order over all streams. The first has 1, without gaps; 0 lies
/// before them all.
enum class Position : std::uint64_t {};

/// Changes when a log may have lost a suffix (restore, repair). A new log starts at 1.
enum class Epoch : std::uint64_t {};

/// The last 8 bytes of the id of a stream's last event, big-endian; 0 for an empty stream. Version
/// and tip together name a state; a count alone does not.
enum class Tip : std::uint64_t {};

constexpr std::uint64_t number(Version v) noexcept { return static_cast<std::uint64_t>(v); }
constexpr std::uint64_t number(Position p) noexcept { return static_cast<std::uint64_t>(p); }
constexpr std::uint64_t number(Epoch e) noexcept { return static_cast<std::uint64_t>(e); }
constexpr std::uint64_t number(Tip t) noexcept { return static_cast<std::uint64_t>(t); }

/// 16 bytes, written as RFC 9562 does: "0190c6a1-3f2e-7abc-8def-0123456789ab".
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  /// Accepts 36 characters with hyphens, either case. Errors: `invalid`.
  [[nodiscard]] static Result<Uuid> parse(std::string_view text);
  [[nodiscard]] std::string text() const;  ///< Lower case.
  [[nodiscard]] bool is_nil() const noexcept { return *this == Uuid{}; }
  friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

using EventId = Uuid;   ///< UUIDv7, made by Stele, never given (RFC 9562, section 5.7).
using AppendId = Uuid;  ///< Identifies one append; given by the caller or made by Stele.
using LogId = Uuid;     ///< Identifies one log for as long as it lives.

[[nodiscard]] Tip tip_of(const EventId& id) noexcept;
[[nodiscard]] std::string to_hex(Tip tip);                  ///< 16 lower-case hex digits.
[[nodiscard]] Result<Tip> parse_tip(std::string_view hex);  ///< Errors: `invalid`.

/// A stream's name is "category-id": 1 to 255 bytes of UTF-8 without control bytes, split at the
/// first
/// "-", both parts not empty. Compared as bytes. Errors: `invalid`, with the name (shortened) in
/// it.
[[nodiscard]] Result<void> check_stream_name(std::string_view name);
/// The part before the first "-". `name` must be valid.
[[nodiscard]] std::string_view category_of(std::string_view name) noexcept;
/// The part after the first "-". `name` must be valid.
[[nodiscard]] std::string_view id_of(std::string_view name) noexcept;

/// An event type, a tag or a category: 1 to `limit` bytes of UTF-8 without control bytes. `what`
/// names the thing in the message. Errors: `invalid`.
[[nodiscard]] Result<void> check_name(std::string_view what, std::string_view name,
                                      std::size_t limit);

/// True if `text` is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms).
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

}  // namespace stele

template <>
struct std::hash<stele::Uuid> {
  std::size_t operator()(const stele::Uuid& id) const noexcept {
    std::uint64_t low = 0;
    for (std::size_t i = 8; i < 16; ++i) low = (low << 8) | id.bytes[i];
    return static_cast<std::size_t>(low * 0x9E3779B97F4A7C15ULL);
  }
};
