// Where the rows of one read model are kept: the interface that every database behind a projection
// implements, and that the suite in testing/sink_suite.h holds it to.
//
// A batch is begin, then any number of load and put, then commit or abandon. The checkpoint in the
// sink decides what has been applied; nothing else does. So a sink must keep one of two promises,
// and says which by `atomic`:
//   atomic      rows and checkpoint of a batch are stored together or not at all;
//   not atomic  the checkpoint is stored only after every row is acknowledged; a batch may be told
//               again after a crash, and `row_position` makes the second time harmless.
//
// One writer at a time: a commit whose sink has been moved by another since `open` or the last
// commit must be refused, or the other's rows would be overwritten with older ones.

#pragma once

#include <optional>
#include <string>

#include "stele/event_store.h"
#include "stele/projection.h"
#include "stele/row.h"

namespace stele::projection {

/// Used by one thread at a time.
class Sink : public RowStore {
 public:
  /// Connects, makes what is missing for this projection and generation, and says up to where it
  /// holds the log: none if it is new. May be called again: reconnects and reads anew.
  /// Errors: `unavailable` (retry), `invalid` (the stored columns are not the projection's),
  /// `corrupt` (rows without a checkpoint; a person must look, or rebuild).
  [[nodiscard]] virtual Result<std::optional<Checkpoint>> open(const ProjectionSpec& spec) = 0;

  /// Starts a batch. Errors: `unavailable`.
  [[nodiscard]] virtual Result<void> begin() = 0;
  /// Ends it: rows and checkpoint are stored. Errors: `unavailable`, also when another writer has
  /// moved the sink: then nothing of this batch is stored; `open` again and go on from there.
  [[nodiscard]] virtual Result<void> commit(const Checkpoint& checkpoint) = 0;
  /// Ends it: an atomic sink has forgotten all of it.
  virtual void abandon() noexcept = 0;

  [[nodiscard]] virtual bool atomic() const noexcept = 0;
  [[nodiscard]] virtual std::string place() const = 0;  ///< For people: a path or a URL.
};

}  // namespace stele::projection
