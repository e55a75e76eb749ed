// Module: log
// The embedded log: appends that are durable when they are answered, and reads of them.
//
//   submitters   encode, hash and checksum; prove what lies in sealed segments; then, under the
//                tail's lock, are judged against what is staged, get positions, and leave their
//                frame in the open group                                  (submission.h, tail.h)
//   sync role    one at a time: closes the group, writes it, syncs, publishes, answers. A lone
//                blocking appender takes the role itself; under load the sync thread has it
//   background   makes the next segment ahead, seals full ones             (housekeeping.cpp)
//
// The invariants, which code and tests refer to by number:
//   I1  What a reader sees, or an answer tells, was synced before.
//   I2  Group n is written only after group n - 1 was synced: its being there proves them all.
//   I3  A segment's file gets its name only after its header was synced.
//   I4  After a failed write or sync of a group nothing more is written, for ever.
//   I5  Staged state that will not be written (the disk is full) lies in segments without a file,
//       and is dropped with them, whole.

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "event/append_page.h"
#include "log/disk.h"
#include "stele/append.h"
#include "stele/time.h"

namespace stele::log {

/// What the log takes from the outside. All must outlive it.
struct Environment {
  const Clock& clock;
  RandomSource& random;  ///< Used under a lock of the log; nobody else may use it meanwhile.
  /// Called once after a write or sync failed, when every pending append has been answered
  /// `outcome_unknown`. If it returns, appends are refused and reads go on.
  std::function<void(const Error&)> on_fatal = {};
};

/// What a log that is made from an export keeps of the one it was made from (store/embedded/
/// restore.h), and the epoch that tells the two apart.
struct RestoredLog {
  LogId id;
  Epoch epoch{};
};

/// Lies among the segments while a restore is under way: only the restore may open such a log.
inline constexpr std::string_view restore_marker = "restore.unfinished";

struct Options {
  bool read_only = false;                              ///< Refuses appends.
  std::uint64_t segment_size = 32 * 1'024 * 1'024;     ///< Bytes of a segment's file.
  std::uint64_t group_size_max = 8 * 1'024 * 1'024;    ///< Bytes; one larger frame goes alone.
  std::uint64_t staged_size_max = 32 * 1'024 * 1'024;  ///< Bytes that wait for a sync.
  /// Files of segments that are not sealed. With so many the next one is not made before one is
  /// sealed, and appends wait for it: what is unsealed is read when the log is opened.
  std::size_t unsealed_segments_max = 6;
  /// How long they wait; then they are told `overloaded`.
  std::chrono::milliseconds sealing_wait_max{10'000};
  std::size_t block_cache_size = 32 * 1'024 * 1'024;  ///< Bytes of sealed blocks in memory.
  std::chrono::milliseconds idle_mark_after{100};     ///< Without appends.
  /// False: no threads and no timers. Blocking appends work by themselves; asynchronous ones,
  /// idle marks, spare segments and sealing take place in `tick`.
  bool background = true;
  /// Set by a restore: a new log gets this identity, and the marker does not keep it shut.
  std::optional<RestoredLog> restore = std::nullopt;
};

struct LogStats {
  std::uint64_t appends = 0;  ///< Accepted and durable, since the log was opened.
  std::uint64_t syncs = 0;    ///< Of groups, idle marks included.
  std::uint64_t bytes = 0;    ///< Of groups, with padding.
  std::uint64_t staged_bytes = 0;
  std::size_t unsealed_segments = 0;
  std::size_t sealed_segments = 0;
  bool disk_full = false;
  bool failed = false;
};

/// Thread-safe but for opening and destruction. The destructor writes what is staged and a mark
/// that proves it, and ends the threads; no call may be under way.
class Log {
 public:
  /// Opens the log in `folder`/log, or makes one, and holds `folder`/LOCK. Errors: `held`,
  /// `corrupt` (names file and offset), `unsupported`, `invalid` (not a log's folder),
  /// `read_only` (no space for a new log; an old one always opens), `unavailable` (also: a restore
  /// into the folder was not finished).
  [[nodiscard]] static Result<std::unique_ptr<Log>> open(Disk& disk, const std::string& folder,
                                                         const Environment& environment,
                                                         const Options& options);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // As in EventStore (stele/event_store.h). Requests are within every limit, with id and digest.

  [[nodiscard]] Result<AppendOutcome> append(const AppendRequest& request);
  /// May wait for reads of sealed segments, not for a sync. Errors also: `overloaded` (more than
  /// `Options::staged_size_max` bytes wait for the disk).
  [[nodiscard]] Result<void> append_async(const AppendRequest& request, CompletionQueue& queue,
                                          std::uint64_t token);
  [[nodiscard]] Result<StreamPage> read_stream(std::string_view stream, Version after,
                                               std::size_t limit, Direction direction) const;
  [[nodiscard]] Result<ReadPage> read_all(Position after, const Filter& filter,
                                          std::size_t limit) const;
  [[nodiscard]] Position wait(Position after, std::chrono::microseconds timeout) const;
  void wake();
  [[nodiscard]] Position log_end() const;
  [[nodiscard]] Result<StreamState> stream_tip(std::string_view stream) const;
  [[nodiscard]] Result<std::optional<Appended>> find_append(const AppendId& id) const;
  /// Whole appends, oldest first (append_scan.h).
  [[nodiscard]] Result<AppendPage> read_appends(Position after, std::size_t limit) const;
  [[nodiscard]] LogId log_id() const;
  [[nodiscard]] Epoch epoch() const;

  /// With `background` false: writes what is staged, or else an idle mark if one is due; makes the
  /// next segment if it is due; seals one segment if one is full. Errors: of the first step that
  /// failed.
  Result<void> tick();

  [[nodiscard]] LogStats stats() const;

 private:
  struct Parts;
  explicit Log(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace stele::log
