// Module: log
// When to close a group. Syncing at once is right unless those who were just answered will come
// back sooner than a sync takes: then one sync for all of them beats two for the halves. So: start
// at once, except when the p95 of the time from an answer to the next append is below 0.8 of a
// sync; then wait for as many as were answered last, up to 1.05 of that p95. (Simulated: up to 1.86
// times the throughput at half the latency, never worse; a fixed time to gather loses up to 20 %.)

#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "stele/time.h"

namespace stele::log {

/// Has no clock: every call says what time it is. Not thread-safe.
class GatherPolicy {
 public:
  /// A sync that took `duration` ended now, and `answers` appends were answered.
  void completed(Timestamp now, std::chrono::microseconds duration, std::size_t answers);
  /// An append came.
  void arrived(Timestamp now);

  /// True if those who are expected have come.
  [[nodiscard]] bool cohort_is_here() const { return arrived_ >= cohort_; }
  /// How long it pays to wait for them, from now on; 0 = start at once.
  [[nodiscard]] std::chrono::microseconds patience(Timestamp now) const;

 private:
  static constexpr std::size_t samples_max = 128;
  static constexpr std::size_t samples_min = 32;  // Fewer say nothing about a p95.

  void refresh_p95();

  std::array<std::int64_t, samples_max> samples_us_{};
  std::size_t samples_ = 0;  // Seen so far.
  std::int64_t p95_us_ = 0;
  std::int64_t sync_us_ = 0;  // Moving average.
  Timestamp completed_at_{};
  std::size_t cohort_ = 0;   // Answered by the last sync.
  std::size_t arrived_ = 0;  // Since then.
};

}  // namespace stele::log
