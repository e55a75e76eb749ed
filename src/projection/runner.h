// One projection of an engine: its thread, its state, its loop (drawn in engine.h).

#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "projection/engine.h"
#include "projection/rate.h"
#include "projection/shared_reader.h"

namespace stele::projection {

/// What all runners of an engine use.
struct Engine::Shared {
  Shared(EventStore& events, const Clock& time, observe::Logger& log, EngineOptions given)
      : store{events},
        clock{time},
        logger{log},
        options{given},
        reader{store, options.upcasters, options.batch_events_max, options.batch_bytes_max} {}

  EventStore& store;
  const Clock& clock;
  observe::Logger& logger;
  EngineOptions options;
  SharedReader reader;
};

class Engine::Runner {
 public:
  Runner(Shared& shared, std::unique_ptr<Projection> projection, std::unique_ptr<Sink> sink);
  ~Runner() { stop(); }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  void start();
  void ask_to_stop();  ///< Does not wait: the store must be woken, then `stop` waits.
  void stop();
  void pause();
  void resume();

  [[nodiscard]] const ProjectionSpec& spec() const { return projection_->spec(); }
  [[nodiscard]] Status status() const;
  [[nodiscard]] Result<Position> wait_until(Position position,
                                            std::chrono::microseconds timeout) const;

 private:
  enum class Wish : std::uint8_t { run, pause, stop };

  void work();
  Result<void> open();
  Result<void> step();
  Result<void> apply(const SharedPage& page);
  Result<Checkpoint> checkpoint_at(Position to, const SharedPage& page) const;
  std::optional<Error> select(const SharedPage& page);
  void advance(const SharedPage& page, Position to, std::size_t applied);

  bool wait_for_run();
  void all_is_well();  ///< Call with the mutex held.
  void failed(const Error& error);
  void back_off();
  [[nodiscard]] std::optional<Error> why_not_waiting() const;

  Shared& shared_;
  const std::unique_ptr<Projection> projection_;

  // Used by the thread only.
  const std::unique_ptr<Sink> sink_;
  bool open_ = false;
  Position at_{};
  std::vector<const EventView*> chosen_;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;  // Wish, state or position.
  Wish wish_ = Wish::stop;                   // Guarded, as all below.
  bool retry_now_ = false;
  State state_ = State::paused;
  Position position_{};
  Position rebuild_to_{};
  unsigned attempts_ = 0;
  Error error_;  // Of the last attempt; of use when attempts_ > 0.
  Rate rate_;
  // Nothing that was recorded before is missing from the rows: the time of the last event that was
  // applied, or of the next one after a start, or of being seen at the log's end.
  Timestamp shown_{};

  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace stele::projection
