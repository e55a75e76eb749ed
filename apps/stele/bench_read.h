// Measures reads of a log that was just written and reopened, beside the same events in SQLite.
//
// N events of 256 bytes with one tag, ten to a stream, the streams interleaved as they would be in
// life. A scan reads every event in order of position and touches its bytes; a stream read fetches
// one whole stream by its name. Everything is warm: the figure is the best of three scans.

#pragma once

#include <cstdint>
#include <string>

#include "stele/error.h"

namespace stele::bench {

struct BenchReadOptions {
  std::uint64_t events = 1'000'000;  ///< At least 1,000; rounded up to whole rounds of streams.
  std::string data;                  ///< Folder; empty = a new one, removed afterwards.
};

struct BenchReadReport {
  double scan_events_per_second = 0;
  double stream_events_per_second = 0;
  double open_ms = 0;  ///< From the call of open to the first answered read of a stream.
  double sqlite_scan_events_per_second = 0;
  double sqlite_stream_events_per_second = 0;
};

/// Errors: `invalid` (an option out of its range), and those of the log and of SQLite.
[[nodiscard]] Result<BenchReadReport> bench_read(const BenchReadOptions& options);

}  // namespace stele::bench
