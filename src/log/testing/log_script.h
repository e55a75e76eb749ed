// A run of the log that touches everything it does, step by step and the same for the same seed:
// appends of several sizes over several streams, appends to several streams, pure checks,
// conflicts, conditions, replays, reused ids, groups of many, idle marks, rolls over small
// segments, sealing, a clean stop, and going on after opening again.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "log/log.h"
#include "log/testing/log_model.h"
#include "log/testing/simulated_disk.h"

namespace stele::log::testing {

/// A clock that goes on by a microsecond each time it is asked, and by more when told.
class StepClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const noexcept override {
    return Timestamp{now_us_.fetch_add(1, std::memory_order_relaxed)};
  }
  void advance(std::chrono::microseconds by) { now_us_ += by.count(); }

 private:
  mutable std::atomic<std::int64_t> now_us_{1'700'000'000'000'000};
};

inline constexpr std::uint64_t small_segment_size = 64 * 1'024;
inline constexpr const char* log_folder = "data";

/// A log that is open, and what it stands on. `seed` makes its ids: another one for each opening.
class OpenedLog {
 public:
  static Result<std::unique_ptr<OpenedLog>> open(SimulatedDisk& disk, std::uint64_t seed,
                                                 Options options = small_options());
  static Options small_options();

  [[nodiscard]] Log& log() { return *log_; }
  [[nodiscard]] StepClock& clock() { return clock_; }
  [[nodiscard]] bool fatal() const { return fatal_; }

 private:
  explicit OpenedLog(std::uint64_t seed) : random_{make_seeded_random(seed)} {}

  StepClock clock_;
  std::unique_ptr<RandomSource> random_;
  std::atomic<bool> fatal_{false};
  std::unique_ptr<Log> log_;  // Last: it uses the others.
};

/// Called with the log that is open now; null while none is.
using LogChanged = std::function<void(Log*)>;

/// Runs the script on `disk`, telling `model` everything. Errors of the log end it early; the log
/// stays open. Returns false if it did not come to its end; otherwise the log is closed.
class LogScript {
 public:
  LogScript(SimulatedDisk& disk, LogModel& model, std::uint64_t seed)
      : disk_{disk}, model_{model}, random_{make_seeded_random(seed)}, seed_{seed} {}

  bool run(const LogChanged& changed = [](Log*) {});
  /// A few appends and reads, as after a recovery.
  bool run_briefly();
  /// The log that a run which ended early has left open; null if there is none.
  [[nodiscard]] OpenedLog* opened() { return opened_.get(); }
  /// One small append that must be accepted or refused; false if it failed.
  bool append_one();
  void close();

 private:
  using Step = bool (LogScript::*)();
  bool open();
  bool small_appends();
  bool several_streams();
  bool refusals();
  bool replays();
  bool groups();
  bool idle();
  bool large_appends();
  bool seal();

  std::shared_ptr<Planned> plan(std::vector<PlannedStream> streams);
  std::vector<PlannedEvent> events(std::size_t count, std::size_t size);
  std::string data(std::size_t size);
  std::string stream();
  Expected at(const std::string& stream);
  bool ask(const std::shared_ptr<Planned>& planned);
  void learn(const Planned& planned, const AppendOutcome& outcome);

  SimulatedDisk& disk_;
  LogModel& model_;
  std::unique_ptr<RandomSource> random_;
  std::uint64_t seed_;
  LogChanged changed_ = [](Log*) {};
  std::unique_ptr<OpenedLog> opened_;
  std::map<std::string, StreamState> states_;
  std::vector<std::shared_ptr<Planned>> accepted_;
};

/// Of how many outcomes a run looks at one: all in a fast program, fewer in a slow one.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::uint64_t crash_thinning = 12;
#elif !defined(__OPTIMIZE__)
inline constexpr std::uint64_t crash_thinning = 4;
#else
inline constexpr std::uint64_t crash_thinning = 1;
#endif

/// How many times as many outcomes a long run looks at: STELE_CRASH_SCALE, or 1.
[[nodiscard]] std::uint64_t crash_scale();

/// Counts an outcome that the running test looked at, as its property "outcomes" (scripts/crash
/// adds them up). Called from the test's own thread.
void count_outcome();

/// Opens the log that a crash left on `disk` and holds it against `facts`. Then, for every third
/// seed, or each with a scale: asks again for some of what was accepted and doubtful, goes on for a
/// while, and holds it against everything once more. Each problem is a sentence. `facts` then holds
/// what this run added.
[[nodiscard]] std::vector<std::string> recover_and_compare(SimulatedDisk& disk, Facts& facts,
                                                           std::uint64_t seed);

}  // namespace stele::log::testing
