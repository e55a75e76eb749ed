// Module: store
// Makes a log again from what an export told of another: the same bytes, ids, append ids,
// positions, versions and times, and the same answers to repeated requests. It is the log's own
// write path that judges and writes it, under a clock that shows the recorded time; so nothing can
// be restored that could not have been appended.
//
// The restored log has the id of the one that was exported, for it holds the same events under the
// same ids, and an epoch of its own: the milliseconds since 1970 at which the restore began. So it
// lies above every epoch the log can have had, and no two restores share one. Checkpoints and
// tokens of before say "diverged" instead of going on: what they saw may be missing here.
//
// Whole or clearly unfinished: `restore.unfinished` lies among the segments, synced, before the
// first one is written, and goes only after every byte was read back and verified. While it lies
// there no program opens the folder as a log. A restore that is started again begins anew.

#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "log/disk.h"
#include "log/log.h"
#include "log/verify.h"
#include "stele/append.h"

namespace stele::store {

/// One append to restore. Views must stay valid until `add` returns.
struct RestoredAppend {
  AppendId id;
  Digest digest{};
  Position first{};  ///< The next one after the append before.
  Timestamp recorded_at{};
  /// In the order of the request, with `expected` as it must have been, and with the ids of all
  /// events.
  std::span<const StreamAppend> streams;
  std::span<const StreamState> after;  ///< Where the streams stood after it, in the same order.
};

/// Not thread-safe.
class Restore {
 public:
  struct Setup {
    log::Disk& disk;  ///< Must outlive the restore, as `random` and `clock`.
    RandomSource& random;
    const Clock& clock;
    std::string data;  ///< The folder. It may hold an empty log, or an unfinished restore.
    LogId log_id;
    log::Options options = {};
  };

  /// Errors: `invalid` (there is a log with events, or the folder is not ours), `held` (also by
  /// another restore), `read_only` (the disk is full), and those of opening a log.
  [[nodiscard]] static Result<std::unique_ptr<Restore>> begin(const Setup& setup);
  ~Restore();  ///< Without `finish`: leaves what is clearly unfinished.
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

  /// Errors: `invalid` (it does not follow what was added before, or is over a limit),
  /// `read_only`, `unavailable`. After an error nothing more can be added. It may be one of an
  /// append that was added before: see `added`.
  [[nodiscard]] Result<void> add(const RestoredAppend& append);

  /// Writes what is left, verifies every byte, and makes it a log. Errors: as `add`, and
  /// `corrupt`.
  [[nodiscard]] Result<log::VerifyReport> finish(const log::VerifyProgress& progress = {});

  [[nodiscard]] Position added() const noexcept { return end_; }  ///< The last position.
  [[nodiscard]] Epoch epoch() const noexcept { return epoch_; }

 private:
  class RecordedClock;
  struct Awaited;

  explicit Restore(const Setup& setup);
  [[nodiscard]] Result<void> prepare();
  [[nodiscard]] Result<void> set_marker();
  [[nodiscard]] Result<void> check_empty();
  [[nodiscard]] Result<void> clear_folder();
  [[nodiscard]] Result<void> settle();
  [[nodiscard]] Result<void> check_answers();

  const Setup setup_;
  const std::string segments_;  // The folder that they lie in.
  const Epoch epoch_;
  std::unique_ptr<RecordedClock> clock_;
  std::unique_ptr<log::DiskLock> marker_;  // Held until finished: one restore at a time.
  CompletionQueue answers_;  // Outlives the log, which answers what is staged when it closes.
  std::unique_ptr<log::Log> log_;
  std::vector<Awaited> awaited_;  // Staged, not settled: in order.
  std::size_t staged_size_ = 0;   // Bytes of these.
  Position end_{};
};

/// True if a restore into `data` was begun and not finished. Errors: those of `Disk::list`.
[[nodiscard]] Result<bool> has_unfinished_restore(const log::Disk& disk, const std::string& data);

}  // namespace stele::store
