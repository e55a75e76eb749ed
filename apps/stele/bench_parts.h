// What both benchmarks use: a folder that goes away, a histogram, the events, the store.

#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "stele/event_store.h"

namespace stele::bench {

/// A folder to work in; removed at the end if it was made here.
class WorkFolder {
 public:
  /// `wanted`, made if missing; or, if empty, a new one under the current folder's disk. Errors:
  /// `unavailable`.
  [[nodiscard]] static Result<WorkFolder> make(const std::string& wanted);
  WorkFolder(WorkFolder&& other) noexcept;
  WorkFolder& operator=(WorkFolder&&) = delete;
  ~WorkFolder();
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  WorkFolder(std::string path, bool owned) : path_{std::move(path)}, owned_{owned} {}
  std::string path_;
  bool owned_ = false;
};

/// Counts of durations, in buckets 1.6 % apart: bounded memory for any number of calls.
class Histogram {
 public:
  void add(std::chrono::nanoseconds duration);
  void add(const Histogram& other);
  [[nodiscard]] double percentile_us(double percent) const;
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  static constexpr std::size_t parts = 64;  // Buckets of one power of two.
  static constexpr std::size_t powers = 42;
  std::array<std::uint64_t, parts * powers> counts_{};
  std::uint64_t count_ = 0;
};

/// Payload bytes that look like a JSON object and compress about as one does. `size` bytes.
[[nodiscard]] std::string payload(std::size_t size, std::uint64_t seed);

/// The embedded log, how often it has called fdatasync since it was opened, and how many of its
/// segments are not sealed.
struct OpenLog {
  std::unique_ptr<EventStore> store;
  std::function<std::uint64_t()> syncs;
  std::function<std::size_t()> unsealed;
};
/// Errors: those of `open_embedded_store`.
[[nodiscard]] Result<OpenLog> open_log(const std::string& folder);

using Steady = std::chrono::steady_clock;
[[nodiscard]] double seconds_since(Steady::time_point start);

}  // namespace stele::bench
