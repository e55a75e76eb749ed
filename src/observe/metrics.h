// Module: observe
// Counters, gauges and histograms, and their text as Prometheus reads it (exposition format 0.0.4).
//
// Names start with `stele_`, hold base units (seconds, bytes), and end with `_total` for counters:
// the registry asserts it, so that no wrong name leaves the house. Updating costs one relaxed
// atomic addition (a histogram: two) and takes no lock; making and reading take the
// registry's mutex.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stele::observe {

/// A sum that only grows.
class Counter {
 public:
  void add(std::uint64_t n = 1) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t value() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// A level that goes up and down.
class Gauge {
 public:
  void set(std::int64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
  void add(std::int64_t n) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t value() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// Counts values by upper bounds. Of a time: seconds.
class Histogram {
 public:
  explicit Histogram(std::span<const double> bounds);
  void observe(double value) noexcept;
  [[nodiscard]] std::uint64_t count() const noexcept;

 private:
  friend class Metrics;
  std::vector<double> bounds_;                      // Ascending; the last bucket has none.
  std::vector<std::atomic<std::uint64_t>> counts_;  // One more than bounds.
  std::atomic<double> sum_{0};
};

/// From 100 us to 10 s, for times of requests.
[[nodiscard]] std::span<const double> seconds_buckets() noexcept;

using Labels = std::vector<std::pair<std::string, std::string>>;

/// One value of a family.
struct Sample {
  Labels labels;
  double value = 0;
};

/// The registry. Thread-safe. What it hands out lives as long as it does; asking again for the
/// same name and labels gives the same object. A name has one kind and one help text: the first
/// given stays. Names are the program's own, not input: a wrong one is a bug and is asserted.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  Counter& counter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, const Labels& labels = {},
                       std::span<const double> bounds = seconds_buckets());

  /// A value that is asked for when the text is made: `read` is called from the thread that calls
  /// `text`, must be quick, and must stay valid as long as the registry.
  void gauge_from(std::string_view name, std::string_view help, std::function<double()> read,
                  const Labels& labels = {});
  void counter_from(std::string_view name, std::string_view help, std::function<double()> read,
                    const Labels& labels = {});

  /// A family whose members come and go: `read` gives all of them, as `gauge_from`'s gives one.
  void gauges_from(std::string_view name, std::string_view help,
                   std::function<std::vector<Sample>()> read);

  /// Everything, as text; families in the order of their names.
  [[nodiscard]] std::string text() const;

 private:
  struct Family;
  struct Series;
  Series& series(std::string_view name, std::string_view help, std::string_view kind,
                 const Labels& labels);

  mutable std::mutex mutex_;
  std::map<std::string, Family, std::less<>> families_;  // Guarded by mutex_.
};

}  // namespace stele::observe
