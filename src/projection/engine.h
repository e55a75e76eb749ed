// Runs projections side by side. Each generation that is fed has its own thread, sink and
// checkpoint; each projection has one more thread, which carries out what it is told. Catching up
// and following the log are one loop:
//
//   open the sink, compare its checkpoint with the log
//   again: read a page after the checkpoint; apply it; commit rows and checkpoint; or, at the
//          log's end, wait for it to move
//
//   running or rebuilding --pause()--> paused --resume()--> running
//   an event fails --retry with back-off--> its key is parked, all others go on (OnError::park)
//   any other step fails --retry with back-off--> after `attempts_max` --> failed
//   checkpoint is not of this log --> diverged                    failed, diverged --resume()-->
//   running
//
// `rebuilding` is the way of a new or emptied generation to the place where the log ended when it
// started: its rows are incomplete until then. Appending never waits for a projection, and none
// waits for another; only generations that are being rebuilt keep together, so that the log is read
// once for all of them.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "observe/logger.h"
#include "projection/generations.h"
#include "projection/sink.h"
#include "stele/event_store.h"
#include "stele/projection.h"
#include "stele/registry.h"
#include "stele/time.h"

namespace stele::projection {

inline constexpr std::size_t projections_max = 64;     ///< In one engine.
inline constexpr std::size_t parked_list_max = 1'000;  ///< Keys in one answer of `parked`.
/// How long a verb waits for the batch under way before it answers `timed_out`.
inline constexpr std::chrono::microseconds verb_wait_max = std::chrono::seconds{10};
/// How long promoting stops the generation that is read.
inline constexpr std::chrono::microseconds promote_wait_max = std::chrono::seconds{5};
/// How far behind the live generation one may be to be promoted at all.
inline constexpr std::uint64_t promote_lag_max = 20'000;

enum class State : std::uint8_t { running, paused, rebuilding, failed, diverged };
[[nodiscard]] std::string_view to_string(State state) noexcept;

/// How one generation stands.
struct GenerationStatus {
  int generation = 1;
  Role role = Role::live;
  int code = 1;                  ///< Of the program that builds it; see `Generation`.
  State state = State::running;  ///< One that other code built is `paused`: it stands still.
  Position position{};           ///< The sink holds the log up to here.
  std::uint64_t lag_events = 0;  ///< Positions from here to the log's end.
  double lag_seconds = 0;        ///< How old what it shows may be; 0 at the log's end.
  double events_per_second = 0;  ///< Positions passed, over about the last five seconds of work.
  double percent = 100;          ///< Of the log.
  double seconds_left = 0;       ///< At that rate; 0 at the log's end, and when nothing moves.
  std::uint64_t parked = 0;      ///< Keys.
  unsigned attempts = 0;         ///< Failed in a row; 0 when all is well.
  std::string last_error = {};   ///< Empty when all is well.
};

/// How one projection stands: its live generation, and all of them apart. While one of newer code
/// is built and the live one stands still, the state is `rebuilding`.
struct Status : GenerationStatus {
  std::string name;
  Position log_end{};
  std::vector<GenerationStatus> generations = {};  ///< The live one first.
};

/// What happens when one event cannot be applied, after some attempts.
enum class OnError : std::uint8_t {
  park,   ///< Its key is parked; everything else goes on.
  pause,  ///< The projection stops before it, `failed`, and waits for a person.
};

/// What may be said of each projection apart.
struct ProjectionOptions {
  OnError on_error = OnError::park;
  std::size_t batch_events_max = 0;  ///< 0: the engine's.
};

struct RebuildOptions {
  /// Into a generation of its own, while the live one is read on; else in place: the rows are
  /// removed, and reads answer `unavailable` until it is back where it was.
  bool side_by_side = false;
  /// In place only, and not of a fold, whose rows need their whole history: events from here on are
  /// applied again, and the rows of those before stay. 0 or 1: all.
  Position from{};
};

struct EngineOptions {
  std::size_t batch_events_max = 2'000;
  std::size_t batch_bytes_max = 8 * 1'024 * 1'024;
  unsigned attempts_max = 6;       ///< Of one batch; the back-offs add up to about 3 s.
  unsigned park_attempts_max = 3;  ///< Of one event before its key is parked: about 0.3 s.
  std::chrono::microseconds backoff_first = std::chrono::milliseconds{100};
  std::chrono::microseconds backoff_max = std::chrono::seconds{5};
  std::chrono::microseconds log_wait_max = std::chrono::milliseconds{250};
  /// How long a generation at the log's end lets events gather before it commits the next batch: a
  /// commit for each small append costs more than the events. Who waits for a position ends it.
  std::chrono::microseconds gather_time = std::chrono::milliseconds{10};
  const Upcasters* upcasters = nullptr;  ///< Must outlive the engine.
};

/// Thread-safe after `start`.
class Engine {
 public:
  /// All three must outlive it.
  Engine(EventStore& store, const Clock& clock, observe::Logger& logger,
         EngineOptions options = {});
  ~Engine();  ///< Stops.
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Adds a projection and where its rows go. Before `start`. Errors: `invalid` (a name twice, or
  /// `check_spec`), `too_large` (more than `projections_max`).
  [[nodiscard]] Result<void> add(std::unique_ptr<Projection> projection,
                                 std::shared_ptr<GenerationStore> generations,
                                 ProjectionOptions options = {});
  void start();  ///< Does nothing if it was started. `start` and `stop`: from one thread.
  /// Ends the batches under way, whole, and the threads. A later `start` goes on.
  void stop();

  // What a person tells a projection. Each waits, at most `verb_wait_max`, for the batch under way
  // and until it is told to the generations; what takes longer goes on, and `status` shows it.
  // Errors of all: `not_found` (no such projection), `unavailable` (the engine does not run in this
  // process, or the sink is away), `timed_out` (it is still under way: see the status).

  /// Pauses after the batch under way; stays so over a restart.
  [[nodiscard]] Result<void> pause(std::string_view name);
  /// Goes on, also from `failed` and `diverged`, by reading the sink's checkpoint again.
  [[nodiscard]] Result<void> resume(std::string_view name);
  /// Empties the live generation and begins again; one that is paused stays paused, empty.
  [[nodiscard]] Result<void> reset(std::string_view name);
  /// Builds the rows of `names` (none: of every projection) anew, in one pass over the log. All are
  /// checked before the first begins. Errors: `invalid` (a `from` that does not fit, or a
  /// generation of it is being built already: promote or drop that one first).
  [[nodiscard]] Result<void> rebuild(std::span<const std::string> names,
                                     RebuildOptions options = {});
  /// Makes the generation that is being built the live one, and keeps the old. Holds the old at its
  /// position, at most `promote_wait_max`, until the new is there too. Errors: `not_found` (none is
  /// being built), `invalid` (it has failed, or is too far behind: the message says how far).
  [[nodiscard]] Result<void> promote(std::string_view name);
  /// Makes the kept generation live again, and keeps the one that was. Errors: as `promote`, and
  /// `invalid` if other code built it: start that program again instead.
  [[nodiscard]] Result<void> roll_back(std::string_view name);
  /// Removes a generation that is kept or being built. Errors: `not_found`, `invalid` (it is live,
  /// or about to take over from one of older code).
  [[nodiscard]] Result<void> drop(std::string_view name, int generation);
  /// Tells the events of a parked key again, from the one that failed, and lets it flow. Errors:
  /// `not_found` (it is not parked), and the event's own error: it stays parked at that event.
  [[nodiscard]] Result<void> retry(std::string_view name, std::string_view key);

  /// The parked keys of the live generation after key `after`, in order, at most `limit` (at most
  /// `parked_list_max`). Errors: `not_found`, `invalid` (the limit).
  [[nodiscard]] Result<std::vector<Parked>> parked(std::string_view name, std::string_view after,
                                                   std::size_t limit) const;

  [[nodiscard]] std::vector<Status> status() const;
  [[nodiscard]] Result<Status> status(std::string_view name) const;  ///< Errors: `not_found`.
  /// Of a projection that was added; lives as long as the engine. Null if there is none.
  [[nodiscard]] const ProjectionSpec* spec(std::string_view name) const;

  /// Waits until the live generation of `name` shows the log up to `position`; returns where it
  /// stands. Errors: `timed_out`, `not_found`, `shutting_down`, and `unavailable` when it is
  /// paused, failed or diverged before that: waiting would not help.
  [[nodiscard]] Result<Position> wait_until(std::string_view name, Position position,
                                            std::chrono::microseconds timeout) const;

 private:
  class Runner;
  struct Shared;
  class Lane;
  [[nodiscard]] Runner* find(std::string_view name) const;
  [[nodiscard]] Result<void> tell(std::string_view name,
                                  const std::function<Result<void>(Runner&)>& verb) const;

  std::unique_ptr<Shared> shared_;  // Outlives the runners, which use it.
  std::vector<std::unique_ptr<Runner>> runners_;
  bool started_ = false;
};

}  // namespace stele::projection
