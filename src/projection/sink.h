// Where the rows of one generation of a read model are kept: the interface that every database
// behind a projection implements, and that the suite in testing/sink_suite.h holds it to.
//
// A batch is begin, then any number of load, put, park, unpark, clear, then commit or abandon. The
// checkpoint in the sink decides what has been applied; nothing else does. So a sink must keep one
// of two promises, and says which by `atomic`:
//   atomic      what a batch did and its checkpoint are stored together or not at all;
//   not atomic  the checkpoint is stored only after every row and every record of a parked key is
//               acknowledged; a batch may be told again after a crash, and `row_position` makes
//               the second time harmless.
//
// One writer at a time: a commit whose sink has been moved by another since `open` or the last
// commit must be refused, or the other's rows would be overwritten with older ones.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stele/event_store.h"
#include "stele/projection.h"
#include "stele/row.h"

namespace stele::projection {

inline constexpr std::size_t parked_keys_max = 10'000;       ///< In one generation.
inline constexpr std::size_t parked_error_size_max = 1'024;  ///< Bytes kept of an error's text.

/// A key whose events are not applied since one of them failed. Its row stays as it was before that
/// event. No event is copied: all of them are in the log.
struct Parked {
  std::string key;           ///< Of a fold its row's key; of a map or a custom one the stream.
  Version from_version{};    ///< The event that failed, in its stream,
  Position from_position{};  ///< and in the log. It and all later ones of the key are missing.
  std::string error;
  unsigned attempts = 0;  ///< Times that this event failed.
  friend bool operator==(const Parked&, const Parked&) = default;
};

/// Used by one thread at a time.
class Sink : public RowStore {
 public:
  /// Connects, makes what is missing for this projection and generation, and says up to where it
  /// holds the log: none if it is new. May be called again: reconnects and reads anew.
  /// Errors: `unavailable` (retry), `invalid` (the stored columns are not the projection's),
  /// `corrupt` (rows without a checkpoint; a person must look, or rebuild).
  [[nodiscard]] virtual Result<std::optional<Checkpoint>> open(const ProjectionSpec& spec) = 0;

  /// The keys that are parked, in order; after `open`. Errors: `unavailable`, `corrupt`.
  [[nodiscard]] virtual Result<std::vector<Parked>> parked() = 0;

  /// Starts a batch. Errors: `unavailable`.
  [[nodiscard]] virtual Result<void> begin() = 0;
  /// Keeps the record of a parked key, in place of an older one. Errors: as `put`.
  [[nodiscard]] virtual Result<void> park(const Parked& parked) = 0;
  [[nodiscard]] virtual Result<void> unpark(std::string_view key) = 0;
  /// Removes the rows of events after `after`, and the records of keys parked after it; at 0
  /// everything. Until a commit reaches `shown_from`, readers are told `unavailable` instead of
  /// rows older than those that they were shown before. Errors: `unavailable`, `corrupt`.
  [[nodiscard]] virtual Result<void> clear(Position after, Position shown_from) = 0;
  /// Ends it: all of the batch and the checkpoint are stored. Errors: `unavailable`, also when
  /// another writer has moved the sink: then nothing of this batch is stored; `open` again and go
  /// on from there.
  [[nodiscard]] virtual Result<void> commit(const Checkpoint& checkpoint) = 0;
  /// Ends it: an atomic sink has forgotten all of it.
  virtual void abandon() noexcept = 0;

  /// Readers are shown nothing before the checkpoint is here (see `clear`); after `open`.
  [[nodiscard]] virtual Position shown_from() const noexcept = 0;
  [[nodiscard]] virtual bool atomic() const noexcept = 0;
  [[nodiscard]] virtual std::string place() const = 0;  ///< For people: a path or a URL.
};

}  // namespace stele::projection
