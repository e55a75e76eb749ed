// A bar on a terminal: how far, how fast, how long still.

#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace stele::program {

inline constexpr std::chrono::milliseconds progress_interval{100};  ///< Between two pictures.

/// The line itself: "[#####.....]  50 %  1,000 commands  500/s  2 s left". `seconds` since the
/// start.
[[nodiscard]] std::string progress_line(std::uint64_t done, std::uint64_t total,
                                        std::uint64_t commands, double seconds);

/// Draws on standard error if that is a terminal; nothing otherwise. Not thread-safe.
class Progress {
 public:
  using Clock = std::chrono::steady_clock;
  explicit Progress(std::uint64_t total);
  ~Progress();  ///< Removes the bar.
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(std::uint64_t done, std::uint64_t commands);
  [[nodiscard]] double seconds() const;

 private:
  std::uint64_t total_;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_{};
};

/// 1234567 -> "1,234,567".
[[nodiscard]] std::string with_commas(std::uint64_t number);

}  // namespace stele::program
