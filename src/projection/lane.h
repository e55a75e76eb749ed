// One generation of one projection as it is fed: its thread, its sink, its loop (drawn in
// engine.h).

#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "projection/engine.h"
#include "projection/rate.h"
#include "projection/shared_reader.h"

namespace stele::projection {

/// What all projections of an engine use.
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

/// What the generations of one projection share, so that one wait sees them all.
struct Board {
  std::mutex mutex;
  unsigned waiting = 0;             ///< Readers that wait for a position.
  std::condition_variable changed;  ///< A position, a state, which generation is live.
  std::condition_variable told;     ///< For the projection's own thread: an order, or caught up.
};

/// Functions marked (held) are called with the board's mutex held; the others without it.
class Engine::Lane {
 public:
  /// A piece of work for the lane's thread. It may be done in parts: true when it is done.
  struct Order {
    std::function<Result<bool>()> part;
    std::optional<Result<void>> answer = {};  ///< Guarded by the board's mutex.
  };

  /// `catching_up`: it is `rebuilding` until it is where the log ends when it is opened, also if it
  /// is not new.
  Lane(Shared& shared, Board& board, std::unique_ptr<Projection> projection,
       std::unique_ptr<Sink> sink, const Generation& generation, ProjectionOptions options,
       bool catching_up);
  ~Lane() { stop(); }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// Learns where a generation stands that is not fed. Before `start`.
  void look();
  /// A lane that is on hold does nothing but orders.
  void start(bool paused, bool on_hold);
  void ask_to_stop();  ///< (held) Does not wait: the store must be woken, then `stop` waits.
  void stop();

  void pause();                                    ///< (held)
  void resume();                                   ///< (held) Also from `failed` and `diverged`.
  void hold();                                     ///< (held)
  void let_go();                                   ///< (held)
  void hurry() { called_.notify_all(); }           ///< (held) A reader waits: gather no longer.
  void take(const std::shared_ptr<Order>& order);  ///< (held)

  [[nodiscard]] int number() const noexcept { return spec_.generation; }
  [[nodiscard]] int code() const noexcept { return code_; }
  [[nodiscard]] bool fed() const { return thread_.joinable(); }
  [[nodiscard]] bool idle() const { return idle_; }                  ///< (held) No batch under way.
  [[nodiscard]] Position position() const { return position_; }      ///< (held)
  [[nodiscard]] Position shown_from() const { return shown_from_; }  ///< (held)
  [[nodiscard]] bool caught_up() const;                              ///< (held)
  [[nodiscard]] bool stopped_by_error() const;                       ///< (held) Failed or diverged.
  [[nodiscard]] State state() const { return state_; }               ///< (held)
  [[nodiscard]] std::string last_error() const;                      ///< (held)
  [[nodiscard]] const std::map<std::string, Parked, std::less<>>& parked() const {  ///< (held)
    return parked_;
  }
  [[nodiscard]] GenerationStatus status(Position log_end, Timestamp now) const;  ///< (held)

  // Parts of orders: for the lane's thread.
  /// Learns from the sink where it is, if that is not known for certain.
  [[nodiscard]] Result<bool> locate();
  /// Removes the rows of events after `after`, to apply those events again.
  [[nodiscard]] Result<bool> clear(Position after);
  /// Applies more of what a parked key misses.
  [[nodiscard]] Result<bool> retry(const std::string& key);

 private:
  enum class Next : std::uint8_t { stop, order, step };
  struct EventFailure {
    const EventView* event = nullptr;
    Error error;
  };
  struct Selection {
    Position to{};                        // The sink holds the log up to here afterwards.
    std::optional<EventFailure> failure;  // What comes right after the selected events.
  };
  struct Missed;  // Events of one key.

  void work();
  Next wait_for_work();
  void carry_out();
  Result<void> open_sink();
  Result<void> open();
  Result<void> step();
  void gather();
  Result<void> apply(const SharedPage& page);
  Selection select(const SharedPage& page);
  Result<void> event_failed(const EventFailure& failure, const SharedPage& page);
  Result<bool> park(const EventFailure& failure, const SharedPage& page);
  Result<Missed> missed(const Parked& record) const;
  Result<void> project_missed(const Missed& missed, Parked& record, bool& rest);
  [[nodiscard]] bool keyed_by_stream() const;
  Result<Checkpoint> checkpoint_at(Position to, const SharedPage& page) const;
  void advance(const SharedPage& page, Position to, std::size_t applied);

  [[nodiscard]] bool may_step() const { return !paused_ && holds_ == 0; }
  void all_is_well();
  void failed(const Error& error);
  void back_off();
  void keep_parked(std::vector<Parked> parked);

  Shared& shared_;
  Board& board_;
  const std::unique_ptr<Projection> projection_;
  const ProjectionSpec spec_;  // The projection's, with this generation's number.
  const int code_;
  const ProjectionOptions options_;
  const bool catching_up_;

  // Used by the thread only (by `look` before it).
  const std::unique_ptr<Sink> sink_;
  bool sink_open_ = false;
  bool open_ = false;
  std::optional<Checkpoint> held_;  // The sink's.
  Position at_{};
  bool gathers_ = false;   // The last batch was small, and there was no more.
  std::size_t batch_max_;  // Fewer after a failure that names no event, to find which it is.
  std::vector<const EventView*> chosen_;

  std::condition_variable called_;  // With the board's mutex: an order, or another wish.
  bool stopping_ = true;            // Guarded by the board's mutex, as all below.
  bool paused_ = false;
  int holds_ = 0;
  bool idle_ = true;
  bool retry_now_ = false;
  bool order_yields_ = false;  // After a part of an order: one step comes first.
  std::deque<std::shared_ptr<Order>> orders_;
  State state_ = State::running;
  Position position_{};
  Position shown_from_{};
  Position rebuild_to_{};
  bool opened_ = false;  // Position and rebuild_to_ are known.
  unsigned attempts_ = 0;
  Error error_;  // Of the last attempt; of use when attempts_ > 0.
  Rate rate_;
  // Nothing that was recorded before is missing from the rows: the time of the last event that was
  // applied, or of the next one after a start, or of being seen at the log's end.
  Timestamp shown_{};
  std::map<std::string, Parked, std::less<>> parked_;  // Changed by the thread only.

  std::thread thread_;  // Last: it uses all of the above.
};

[[nodiscard]] std::string text_of(const Error& error);

}  // namespace stele::projection
