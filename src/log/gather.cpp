#include "log/gather.h"

#include <algorithm>

namespace stele::log {

void GatherPolicy::completed(Timestamp now, std::chrono::microseconds duration,
                             std::size_t answers) {
  const std::int64_t took = std::max<std::int64_t>(duration.count(), 1);
  sync_us_ = sync_us_ == 0 ? took : sync_us_ + (took - sync_us_) / 8;
  completed_at_ = now;
  // Those who came during the sync are in the next group already: they are not waited for, and
  // neither are those who have not come back since the sync before.
  cohort_ = answers;
  arrived_ = 0;
}

void GatherPolicy::arrived(Timestamp now) {
  ++arrived_;
  if (arrived_ > cohort_) return;
  samples_us_[samples_ % samples_max] = std::max<std::int64_t>((now - completed_at_).count(), 0);
  ++samples_;
  if (samples_ % samples_min == 0) refresh_p95();
}

void GatherPolicy::refresh_p95() {
  std::array<std::int64_t, samples_max> sorted = samples_us_;
  const std::size_t count = std::min(samples_, samples_max);
  const std::size_t nth = count * 95 / 100;
  const auto end = sorted.begin() + static_cast<std::ptrdiff_t>(count);
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(nth), end);
  p95_us_ = sorted[nth];
}

std::chrono::microseconds GatherPolicy::patience(Timestamp now) const {
  using std::chrono::microseconds;
  if (samples_ < samples_min || cohort_ < 2 || cohort_is_here()) return microseconds{0};
  if (p95_us_ * 10 >= sync_us_ * 8) return microseconds{0};
  const std::int64_t until = p95_us_ * 105 / 100 + 1;
  return microseconds{std::max<std::int64_t>(until - (now - completed_at_).count(), 0)};
}

}  // namespace stele::log
