// Builds states from the store: of one stream, or of a query. Blocking; run on a loader thread.

#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "decide/processor.h"

namespace stele::decide {

struct LoadedState {
  std::shared_ptr<void> state;
  StreamState at;              // Of the stream.
  Version snapshot_version{};  // Of the snapshot that it was built on; 0 if none.
  Position read_to{};          // Of a query: every match up to here is in the state.
};

/// Errors: `corrupt` (an event does not decode), and the store's.
[[nodiscard]] Result<LoadedState> load_stream(const ProcessorParts& parts,
                                              const detail::DeciderTable& table,
                                              const std::string& stream);

/// Errors: also `invalid` if more than `query_events_max` events match.
[[nodiscard]] Result<LoadedState> load_query(const ProcessorParts& parts,
                                             const detail::DeciderTable& table, const Query& query);

/// The answer to a command that was accepted as `appended`, from the events it wrote, which older
/// code may have written.
[[nodiscard]] Result<Accepted> load_accepted(const ProcessorParts& parts, Appended appended);

}  // namespace stele::decide
