// How fast a projection moves, over about the last five seconds of work.

#pragma once

#include <chrono>
#include <cstdint>

#include "stele/time.h"

namespace stele::projection {

/// Two half-windows: the current one, and the one before it, so that the figure neither jumps at a
/// window's end nor remembers more than two windows.
class Rate {
 public:
  void add(Timestamp now, std::uint64_t count) {
    roll(now);
    current_.count += count;
  }

  [[nodiscard]] double per_second(Timestamp now) const {
    const auto begin = before_.count > 0 ? before_.begin : current_.begin;
    const double seconds = static_cast<double>((now - begin).count()) / 1e6;
    if (now - current_.begin > 2 * window) return 0;
    return static_cast<double>(before_.count + current_.count) /
           (seconds < 0.001 ? 0.001 : seconds);
  }

 private:
  static constexpr std::chrono::microseconds window = std::chrono::milliseconds{2'500};
  struct Window {
    Timestamp begin{};
    std::uint64_t count = 0;
  };

  void roll(Timestamp now) {
    if (now - current_.begin < window && now >= current_.begin) return;
    before_ = now - current_.begin < 2 * window ? current_ : Window{};
    current_ = {.begin = now};
  }

  Window before_;
  Window current_;
};

}  // namespace stele::projection
