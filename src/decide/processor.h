// The command processor: judges commands and appends what they bring.
//
// One decision thread. It keeps the states of recently used streams and judges each command on the
// *staged* state: that after every append it has sent, durable or not. So a hot stream neither
// waits nor retries; its commands ride in one group of the log. What makes this safe is that every
// append names the version and the tip it was decided on, and that the processor makes the ids of
// its events itself: the tip of an append that is still under way is known, and a foreign event in
// between makes all that was decided after it conflict.
//
//   submit -> [look up an idempotent id] -> [load missing states] -> decide -> append_async
//          -> durable: answer | conflict: drop the states, load, decide again (bounded)
//
// A rejection is sent through the store as well, as a pure check of the states that it was made on,
// and is answered when that holds. After a conflict a stream is not pipelined until one of its
// appends is durable: against a foreign writer, one at a time gets through where many would fail
// together.
//
// Loading, look-ups and snapshots run on a few loader threads. Commands over a query are judged one
// at a time per decider: the next one loads only when the one before is answered.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "decide/snapshots.h"
#include "stele/decider.h"
#include "stele/event_store.h"
#include "stele/registry.h"

namespace stele::decide {

struct ProcessorLimits {
  std::size_t commands_max = 16'384;              // Submitted and not answered yet.
  std::size_t states_size_max = 256 * 1'048'576;  // Bytes of states kept in memory.
  std::size_t attempts_max = 10;                  // Decisions of one command, for conflicts.
  std::size_t snapshot_events = 1'000;            // Events of a stream between its snapshots.
  std::size_t load_events = 1'000;                // Events in one read while loading.
  std::size_t query_events_max = 100'000;         // Events that a query may fold.
  std::size_t loader_threads = 2;
  std::chrono::microseconds drain_timeout = std::chrono::seconds{10};
};

/// Counts since the start; read at any time from any thread.
struct ProcessorStats {
  std::uint64_t accepted = 0, rejected = 0, replayed = 0, failed = 0;
  std::uint64_t conflicts = 0;  // Decisions that were made again.
  std::uint64_t loads = 0, snapshots_used = 0, snapshots_written = 0, evictions = 0;
  std::uint64_t waiting = 0;  // Submitted and not answered.
  std::uint64_t states = 0, states_size = 0;
};

/// Gets the answer, once. Called on the decision thread (or inside `submit` when refused at once):
/// it must hand over and return, never block, never throw.
using Answer = std::move_only_function<void(CommandResult)>;

struct ProcessorParts {
  EventStore* store = nullptr;           // Must outlive the processor.
  const Clock* clock = nullptr;          // The same.
  const Upcasters* upcasters = nullptr;  // The same; may be null.
  SnapshotStore* snapshots = nullptr;    // The same; may be null.
  ProcessorLimits limits = {};
};

class CommandProcessor {
 public:
  explicit CommandProcessor(const ProcessorParts& parts);
  ~CommandProcessor();  // Stops.
  CommandProcessor(const CommandProcessor&) = delete;
  CommandProcessor& operator=(const CommandProcessor&) = delete;

  /// Takes the command; `answer` is called once. Thread-safe. `call.decider` and `call.command`
  /// must be set.
  void submit(CommandCall call, Answer answer);

  /// Submits and waits for the answer. Not on the decision thread.
  [[nodiscard]] CommandResult run(CommandCall call);

  /// Refuses new commands with `shutting_down`, answers those it has (for at most the drain
  /// time-out), and ends the threads. May be called again.
  void stop();

  [[nodiscard]] ProcessorStats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The deciders of a program, by category, for commands that come as text. Filled at start, then
/// only read: safe from several threads.
class Deciders {
 public:
  template <typename D>
  Result<void> add() {
    return add(detail::decider_table<D>);
  }
  /// Errors: `invalid` if another decider has the category, or the category is unusable.
  Result<void> add(const detail::DeciderTable& table);

  [[nodiscard]] const detail::DeciderTable* find(std::string_view category) const;

  /// Reads the command `command` (its type's name) of the decider of `category` from JSON.
  /// Errors: `malformed` also if there is no such decider or command.
  [[nodiscard]] std::expected<CommandCall, MappingError> parse(std::string_view category,
                                                               std::string_view command,
                                                               std::string key,
                                                               std::string_view json,
                                                               MappingOptions options) const;

 private:
  std::map<std::string_view, const detail::DeciderTable*> tables_;
};

/// Who sent an idempotent command, and under which key. `method` and `path` are part of what was
/// asked, not of who asked: the same key on another path is a reused key.
struct IdempotencyScope {
  std::string_view tenant, caller;
  std::string_view idempotency_key;
  std::string_view method, path;
};

/// Sets `call.options.id` and `.digest`: the same for the same scope, key and parsed body, however
/// the body was spelled. The id that the command is sent to counts only when there is no path, for
/// a server may have made it.
void make_idempotent(CommandCall& call, const IdempotencyScope& scope);

/// The digest of a command: decider, command, key and body.
[[nodiscard]] Digest digest_of(const CommandCall& call);

}  // namespace stele::decide
