// One projection of an engine: its generations, and the thread that carries out what it is told.

#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "projection/generations.h"
#include "projection/lane.h"

namespace stele::projection {

class Engine::Runner {
 public:
  Runner(Shared& shared, std::unique_ptr<Projection> projection,
         std::shared_ptr<GenerationStore> generations, ProjectionOptions options);
  ~Runner() { stop(); }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  void start();
  void ask_to_stop();  ///< Does not wait: the store must be woken, then `stop` waits.
  void stop();

  // As the engine's. They post an order and wait for it.
  [[nodiscard]] Result<void> pause();
  [[nodiscard]] Result<void> resume();
  [[nodiscard]] Result<void> reset();
  [[nodiscard]] Result<void> promote();
  [[nodiscard]] Result<void> roll_back();
  [[nodiscard]] Result<void> drop(int generation);
  [[nodiscard]] Result<void> retry(std::string_view key);
  /// Whether `begin_rebuild` would be refused.
  [[nodiscard]] Result<void> may_rebuild(RebuildOptions options) const;
  /// Makes everything ready, on hold, so that several begin together with `release`.
  [[nodiscard]] Result<void> begin_rebuild(RebuildOptions options);
  void release();

  [[nodiscard]] const ProjectionSpec& spec() const { return projection_->spec(); }
  [[nodiscard]] Status status() const;
  [[nodiscard]] std::vector<Parked> parked(std::string_view after, std::size_t limit) const;
  [[nodiscard]] Result<Position> wait_until(Position position,
                                            std::chrono::microseconds timeout) const;

 private:
  struct Task {
    std::function<Result<void>()> run;
    std::optional<Result<void>> answer = {};  // Guarded by the board's mutex.
  };

  // The thread's own.
  void work();
  bool set_up();
  Result<void> arrange();
  [[nodiscard]] Catalogue arranged(Catalogue now) const;
  void remove_orphans();
  std::shared_ptr<Lane> make_lane(const Generation& generation, bool catching_up) const;
  std::shared_ptr<Task> next_task();
  void answer(Task& task, Result<void> answer);
  void end_lanes();
  [[nodiscard]] bool ready_to_take_over() const;  // (held)
  void take_over();
  Result<void> save(Catalogue next);
  Result<void> tell_lane(Lane& lane, std::function<Result<bool>()> part);
  Result<void> swap_live_with(Role role);
  [[nodiscard]] Result<void> may_swap(const Lane* live, const Lane* other, Role role) const;
  Result<void> locate(Lane& live, const Lane& other);
  Result<void> wait_for_swap(const Lane& live, const Lane& other);
  Result<void> store_swap(int live, int other);
  Result<void> clear_live(Position after, bool on_hold);
  Result<void> set_paused(bool paused);
  Result<void> begin_building();
  Result<void> drop_lane(int generation);

  [[nodiscard]] Result<void> ask(std::function<Result<void>()> run);
  [[nodiscard]] std::shared_ptr<Lane> lane(int generation) const;              // (held)
  [[nodiscard]] std::shared_ptr<Lane> lane(Role role) const;                   // (held)
  [[nodiscard]] std::optional<Error> why_not_waiting(const Lane* live) const;  // (held)
  [[nodiscard]] Error error(Errc code, std::string_view rest) const;

  Shared& shared_;
  const std::unique_ptr<Projection> projection_;
  const std::shared_ptr<GenerationStore> generations_;
  const ProjectionOptions options_;

  mutable Board board_;
  Catalogue catalogue_;  // Guarded by the board's mutex, as all below; changed by the thread only.
  std::vector<std::shared_ptr<Lane>> lanes_;
  std::vector<std::shared_ptr<Lane>> on_hold_;  // Until `release`.
  std::deque<std::shared_ptr<Task>> tasks_;
  bool stale_ = false;     // Another engine changed the catalogue.
  bool running_ = false;   // Between start and the request to stop.
  unsigned attempts_ = 0;  // To read the catalogue.
  Error error_;            // Of the last of them.

  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace stele::projection
