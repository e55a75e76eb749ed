// Module: store
// The promise that every event store keeps: memory, embedded log, PostgreSQL, MySQL alike.
//
// An append is whole or not at all over all its streams. Its id is looked up before its conditions
// are judged, so that a retry never conflicts with itself. Every answer - accepted, conflict,
// replayed - waits until the state that it was judged on is durable. Positions have no gaps and
// their order is the order of commit. Catch-up and live are one loop: `read_all` to the log's end,
// then `wait`.
//
// Sources: H. T. Kung and J. T. Robinson, "On Optimistic Methods for Concurrency Control", 1981;
// S. Pellegrini, "Kill Aggregate!" (dynamic consistency boundaries), dcb.events.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "stele/append.h"
#include "stele/ids.h"

namespace stele {

/// Names a place in a log so that a mix-up is found: `fingerprint` is the id of the event at
/// `position` (nil at 0).
struct Checkpoint {
  LogId log;
  Epoch epoch{};
  Position position{};
  EventId fingerprint;
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

/// Safe to call from several threads at once.
class EventStore {
 public:
  virtual ~EventStore() = default;

  /// Appends and waits until the answer is durable. A conflict is a value, not an error.
  /// Errors: `invalid`, `too_large` (change the request), `id_reused`, `overloaded`, `read_only`,
  /// `shutting_down` (nothing was done), `outcome_unknown` (retry with the same id), `corrupt`.
  [[nodiscard]] Result<AppendOutcome> append(const AppendRequest& request);

  /// Takes the append and returns; the answer comes to `queue` with `token`, once. An error
  /// returned here means that nothing was taken and no completion comes.
  [[nodiscard]] Result<void> append_async(const AppendRequest& request, CompletionQueue& queue,
                                          std::uint64_t token);

  /// Reads at most `limit` (at most `read_events_max`) durable events of `stream`: forward, those
  /// with a version above `after`, oldest first; backward, those below `after` (0 = from the end),
  /// newest first. A stream nobody wrote to is empty, not an error. Errors: `invalid`, `corrupt`,
  /// `unavailable`.
  [[nodiscard]] virtual Result<StreamPage> read_stream(std::string_view stream, Version after,
                                                       std::size_t limit,
                                                       Direction direction) const = 0;

  /// Reads at most `limit` durable events after position `after` that match `filter`, and says how
  /// far it looked: it may return fewer, even none, before the log's end; go on from `looked_to`.
  /// Errors: `invalid`, `corrupt`, `unavailable`.
  [[nodiscard]] virtual Result<ReadPage> read_all(Position after, const Filter& filter,
                                                  std::size_t limit) const = 0;

  /// Waits until the log's end is past `after`, at most `timeout`; returns the log's end.
  [[nodiscard]] virtual Position wait(Position after, std::chrono::microseconds timeout) const = 0;

  /// Ends every `wait` that is under way. For stopping.
  virtual void wake() = 0;

  [[nodiscard]] virtual Position log_end() const = 0;  ///< The last durable position.

  /// The durable state of a stream. Errors: `invalid`, `corrupt`, `unavailable`.
  [[nodiscard]] virtual Result<StreamState> stream_tip(std::string_view stream) const = 0;

  /// The append that was accepted under `id`, durable, as first answered but with `replayed` set;
  /// none if there is none. Errors: `corrupt`, `unavailable`.
  [[nodiscard]] virtual Result<std::optional<Appended>> find_append(const AppendId& id) const = 0;

  [[nodiscard]] virtual LogId log_id() const = 0;
  [[nodiscard]] virtual Epoch epoch() const = 0;

  /// The checkpoint at `position`. Errors: `diverged` if `position` lies beyond the log's end.
  [[nodiscard]] Result<Checkpoint> checkpoint_at(Position position) const;

  /// Compares a checkpoint that was kept with this log. Errors: `diverged` (another log or epoch,
  /// beyond the end, or another event at that position), `corrupt`, `unavailable`.
  [[nodiscard]] Result<void> check(const Checkpoint& checkpoint) const;

 private:
  /// Called with a request that is within every limit; `digest` is set, `id` is set.
  virtual Result<AppendOutcome> append_checked(const AppendRequest& request) = 0;
  virtual Result<void> append_async_checked(const AppendRequest& request, CompletionQueue& queue,
                                            std::uint64_t token) = 0;
};

/// A store that keeps events in memory and forgets them when destroyed. For tests and samples.
/// `clock` must outlive it.
[[nodiscard]] std::unique_ptr<EventStore> make_memory_store(const Clock& clock = system_clock());

/// Opens, or makes, the embedded log in folder `data`, held by one process at a time. Opening takes
/// milliseconds at any size. Errors: `held`, `corrupt` (names file and offset: see `stele verify`),
/// `unsupported`, `unavailable` (names the path and the system's reason).
struct EmbeddedOptions {
  std::string data;        ///< The folder; made if missing.
  bool read_only = false;  ///< Refuses appends; still holds the folder.
};
[[nodiscard]] Result<std::unique_ptr<EventStore>> open_embedded_store(
    const EmbeddedOptions& options);

}  // namespace stele
