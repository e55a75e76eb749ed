// Measures reads of a log that was just written and reopened, beside the same events in SQLite.
//
// N events of 256 bytes with one tag, ten to a stream, the streams interleaved as they would be in
// life; no two have the same data. A scan reads every event in order of position and touches its
// bytes; a stream read fetches one whole stream by its name. Everything is warm: the figure is the
// best of three scans. Log and SQLite have the same memory for what they keep unpacked.
//
// The program that writes the log kills itself when all is durable, so the first opening is one
// after a kill. Then sealing is waited for, and the log is opened again.

#pragma once

#include <cstdint>
#include <string>

#include "stele/error.h"

namespace stele::bench {

/// `json`: an object of seven members, five of them different each time; `random`: bytes that
/// nothing compresses.
enum class ReadPayload : std::uint8_t { json, random };

struct BenchReadOptions {
  std::uint64_t events = 1'000'000;  ///< At least 1,000; rounded up to whole rounds of streams.
  std::string data;  ///< Folder; empty = a new one, removed afterwards. One that is named is
                     ///< kept, and what an earlier run wrote there is used again.
  std::uint64_t cache_mib = 512;  ///< Of the log's blocks, and of SQLite's pages.
  ReadPayload payload = ReadPayload::json;
  bool sqlite = true;  ///< False: the log alone.
};

struct BenchReadReport {
  double scan_events_per_second = 0;
  double stream_events_per_second = 0;
  double open_after_kill_ms = 0;  ///< From the call of open to the first answered read of a stream.
  double open_ms = 0;             ///< The same after a clean stop.
  double resident_open_mib = 0;   ///< Of the process, before anything else was read.
  double resident_read_mib = 0;   ///< After all scans and reads of streams.
  double stored_ratio = 0;        ///< Bytes of sealed segments and indexes for each byte of data.
  double unsealed_events = 0;
  double sqlite_scan_events_per_second = 0;
  double sqlite_stream_events_per_second = 0;
};

/// Errors: `invalid` (an option out of its range), and those of the log and of SQLite.
[[nodiscard]] Result<BenchReadReport> bench_read(const BenchReadOptions& options);

}  // namespace stele::bench
