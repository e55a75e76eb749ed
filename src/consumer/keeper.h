// What is kept of a consumer, and where: the seam behind which the state lives in files (beside an
// embedded log) or in memory (beside a store in memory).

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "log/disk.h"
#include "stele/event_store.h"

namespace stele::consumer {

/// Where a consumer begins.
struct Start {
  enum class Kind : std::uint8_t {
    beginning,  ///< Before the first event.
    end,        ///< Behind the last event of the moment.
    position,   ///< Behind the event at `position`.
  };
  Kind kind = Kind::beginning;
  Position position{};  ///< Only of `position`.
  friend bool operator==(const Start&, const Start&) = default;
};

/// What a consumer was made as; it does not change.
struct Definition {
  Filter filter = {};  ///< Names in order, none twice, so that the same filter is always equal.
  Start start = {};
};

/// One consumer, as it outlives the process.
struct Kept {
  std::string name;
  Uuid id;  ///< Of this making: one of the same name that is made later has another.
  Definition definition;
  std::uint64_t reading = 1;   ///< Counts the seeks: a cursor belongs to one reading.
  Checkpoint checkpoint = {};  ///< All up to here was acknowledged, or does not match the filter.
  Timestamp created_at{};
  Timestamp acknowledged_at{};  ///< The Unix epoch: never.
};

/// A consumer as it was found. Damaged: an error that names the file; its name is still taken.
struct Found {
  std::string name;
  Result<Kept> kept;
};

/// Calls about one name come one at a time; about different names from several threads.
/// Errors of all: `unavailable`, `read_only` (the disk is full).
class Keeper {
 public:
  virtual ~Keeper() = default;

  /// Once, before the others.
  [[nodiscard]] virtual Result<std::vector<Found>> load() = 0;

  /// Durable on return, whole or not at all. The name must not be taken.
  [[nodiscard]] virtual Result<void> create(const Kept& kept) = 0;

  /// Durable on return: `reading`, `checkpoint`, `acknowledged_at`; the rest is as created. After
  /// an error the old or the new state is found by the next `load`, never a mixture.
  [[nodiscard]] virtual Result<void> save(const Kept& kept) = 0;

  /// Durable on return.
  [[nodiscard]] virtual Result<void> remove(std::string_view name) = 0;
};

/// A file for each consumer in `folder`, which is made with the first one. `disk` must outlive it.
/// One process at a time: the folder lies in the data folder, which is locked.
[[nodiscard]] std::unique_ptr<Keeper> make_file_keeper(log::Disk& disk, std::string folder);

/// Keeps nothing: what the engine holds is all there is.
[[nodiscard]] std::unique_ptr<Keeper> make_memory_keeper();

}  // namespace stele::consumer
