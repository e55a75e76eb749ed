// Measures appends to the embedded log beside what the disk itself can do.
//
// Blocking writers in a closed loop (each has one append on its way), or with `inflight` N each
// writer keeps N appends on their way through a completion queue. Every append goes to a stream of
// its writer (or slot), carries one tag an event, and expects the exact version and tip. Before and
// after, a bare 4 KiB write + fdatasync into a preallocated file of the same folder is timed: the
// two figures are of the same minute, so their ratio means something on any disk. The second time
// waits until the log has sealed what is full: how long that took is told, because it is work that
// the appends have left behind.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "stele/error.h"

namespace stele::bench {

inline constexpr std::size_t writers_max = 1'024;
inline constexpr std::size_t inflight_max = 65'536;  ///< Appends on their way, of one writer.

struct BenchAppendOptions {
  std::size_t writers = 1;   ///< 1 to `writers_max`.
  std::size_t batch = 1;     ///< Events in one append, 1 to `limits::append_events_max`.
  double seconds = 10;       ///< Time for the log; the disk takes a quarter more.
  std::size_t inflight = 0;  ///< 0 = blocking calls; otherwise appends on their way per writer.
  std::size_t size = 256;    ///< Bytes of an event's data.
  std::string data;          ///< Folder; empty = a new one, removed afterwards.
};

struct BenchAppendReport {
  double events_per_second = 0;
  double appends_per_second = 0;
  double p50_us = 0;  ///< From the call to its durable answer.
  double p99_us = 0;
  double fdatasync_per_second = 0;  ///< The bare disk's, in the same run.
  double cpu_us_per_append = 0;     ///< Of the whole process, writers included.
  std::uint64_t syncs = 0;          ///< The log's own.
  double peak_resident_mib = 0;     ///< Of the whole process.
  double settle_seconds = 0;        ///< After the last append, until nothing full was unsealed.
};

/// Errors: `invalid` (an option out of its range), and those of opening and appending.
[[nodiscard]] Result<BenchAppendReport> bench_append(const BenchAppendOptions& options);

}  // namespace stele::bench
