// One command on its way through the processor.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "decide/state_cache.h"

namespace stele::decide {

struct PendingSnapshot {
  std::shared_ptr<void> state;  // A copy.
  const detail::DeciderTable* table = nullptr;
  std::string stream;
  StreamState at;
};

struct Job {
  enum class Stage : std::uint8_t {
    waiting,  // For a look-up, a state, its turn.
    sent,     // Its append or check is under way: a completion will come.
  };

  JobToken token = 0;
  CommandCall call;
  Answer answer;  // Empty once answered.
  Timestamp deadline{};
  AppendId id;
  Digest digest{};
  bool idempotent = false;  // The caller gave the id.
  Stage stage = Stage::waiting;
  std::size_t attempts = 0;

  // Its streams, no name twice, and which of them each state (and Emitted::on) means.
  std::vector<std::string> streams;
  std::vector<std::size_t> state_streams;
  std::vector<Slot*> slots;                // One a stream, pinned; none for a query.
  std::vector<std::uint64_t> generations;  // Of the slots when it was sent.
  bool resolved = false;

  Query query;         // Empty: over streams.
  LoadedState loaded;  // Of the query.

  // What its last decision brought.
  std::optional<Rejection> rejection;
  std::vector<CommandEvent> events;  // Positions are filled in by the completion.
  std::vector<std::size_t> event_streams;
  std::vector<StreamState> judged;  // What was staged when it was decided.
  std::vector<PendingSnapshot> snapshots;
};

}  // namespace stele::decide
