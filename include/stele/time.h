// Module: base
// Points in time: microseconds since 1970-01-01T00:00:00Z, without leap seconds.

#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "stele/error.h"

namespace stele {

/// Microseconds since the Unix epoch, UTC.
enum class Timestamp : std::int64_t {};

constexpr std::int64_t micros(Timestamp t) noexcept { return static_cast<std::int64_t>(t); }
constexpr Timestamp operator+(Timestamp t, std::chrono::microseconds d) noexcept {
  return Timestamp{micros(t) + d.count()};
}
constexpr Timestamp operator-(Timestamp t, std::chrono::microseconds d) noexcept {
  return Timestamp{micros(t) - d.count()};
}
constexpr std::chrono::microseconds operator-(Timestamp a, Timestamp b) noexcept {
  return std::chrono::microseconds{micros(a) - micros(b)};
}

/// RFC 3339 in UTC with six decimals: "2026-01-31T12:00:00.000000Z".
[[nodiscard]] std::string to_rfc3339(Timestamp t);

/// Reads RFC 3339 with any offset and up to nine decimals (cut to six), or a date ("2026-01-31":
/// midnight UTC). Years 0001 to 9999. Errors: `invalid`.
[[nodiscard]] Result<Timestamp> parse_time(std::string_view text);

/// Where time comes from. Engines take one through their constructor and never ask the system.
/// `now` may be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Timestamp now() const noexcept = 0;
};

/// The machine's clock. Lives as long as the program.
[[nodiscard]] const Clock& system_clock() noexcept;

}  // namespace stele
