// Runs projections side by side, each with its own thread, sink and checkpoint. Catching up and
// following the log are one loop:
//
//   open the sink, compare its checkpoint with the log
//   again: read a page after the checkpoint; apply it; commit rows and checkpoint; or, at the
//          log's end, wait for it to move
//
//   running or rebuilding --pause()--> paused --resume()--> running
//   any step fails --retry with back-off--> the same step; after `attempts_max` --> failed
//   checkpoint is not of this log --> diverged                    failed, diverged --resume()-->
//   running
//
// `rebuilding` is the way of a new sink to the place where the log ended when it started: its rows
// are incomplete until then. Appending never waits for a projection, and none waits for another.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "observe/logger.h"
#include "projection/sink.h"
#include "stele/event_store.h"
#include "stele/projection.h"
#include "stele/registry.h"
#include "stele/time.h"

namespace stele::projection {

inline constexpr std::size_t projections_max = 64;  ///< In one engine: each has a thread.

enum class State : std::uint8_t { running, paused, rebuilding, failed, diverged };
[[nodiscard]] std::string_view to_string(State state) noexcept;

/// How one projection stands.
struct Status {
  std::string name;
  int generation = 1;
  State state = State::running;
  Position position{};  ///< The sink holds the log up to here.
  Position log_end{};
  std::uint64_t lag_events = 0;  ///< Positions from here to the log's end.
  double lag_seconds = 0;        ///< How old what it shows may be; 0 at the log's end.
  double events_per_second = 0;  ///< Positions passed, over about the last five seconds of work.
  double percent = 100;          ///< Of the log.
  double seconds_left = 0;       ///< At that rate; 0 at the log's end, and when nothing moves.
  unsigned attempts = 0;         ///< Failed in a row; 0 when all is well.
  std::string last_error = {};   ///< Empty when all is well.
};

struct EngineOptions {
  std::size_t batch_events_max = 2'000;
  std::size_t batch_bytes_max = 8 * 1'024 * 1'024;
  unsigned attempts_max = 6;  ///< Of one batch; the back-offs add up to about 3 s.
  std::chrono::microseconds backoff_first = std::chrono::milliseconds{100};
  std::chrono::microseconds backoff_max = std::chrono::seconds{5};
  std::chrono::microseconds log_wait_max = std::chrono::milliseconds{250};
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
                                 std::unique_ptr<Sink> sink);
  void start();  ///< Does nothing if it was started. `start` and `stop`: from one thread.
  /// Ends the batches under way, whole, and the threads. A later `start` goes on.
  void stop();

  /// Pauses after the batch under way, or goes on (also from `failed` and `diverged`, by reading
  /// the sink's checkpoint again). Errors: `not_found`.
  [[nodiscard]] Result<void> pause(std::string_view name);
  [[nodiscard]] Result<void> resume(std::string_view name);

  [[nodiscard]] std::vector<Status> status() const;
  [[nodiscard]] Result<Status> status(std::string_view name) const;  ///< Errors: `not_found`.
  /// Of a projection that was added; lives as long as the engine. Null if there is none.
  [[nodiscard]] const ProjectionSpec* spec(std::string_view name) const;

  /// Waits until `name` holds the log up to `position`; returns where it stands. Errors:
  /// `timed_out`, `not_found`, `shutting_down`, and `unavailable` when it is paused, failed or
  /// diverged before that: waiting would not help.
  [[nodiscard]] Result<Position> wait_until(std::string_view name, Position position,
                                            std::chrono::microseconds timeout) const;

 private:
  class Runner;
  struct Shared;
  [[nodiscard]] Runner* find(std::string_view name) const;

  std::unique_ptr<Shared> shared_;  // Outlives the runners, which use it.
  std::vector<std::unique_ptr<Runner>> runners_;
  bool started_ = false;
};

}  // namespace stele::projection
