// Where the states of long streams are kept, so that loading one need not read all of its events.
// A snapshot is a hint: the loader checks it against the log, and one that is missing, old, torn or
// of another log is ignored and costs only time.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "stele/ids.h"

namespace stele::decide {

struct Snapshot {
  std::string category;  // Of the decider.
  int state_version = 0;
  std::string stream;
  LogId log;
  Epoch epoch{};
  Version version{};
  Tip tip{};
  std::string state;  // JSON.
};

/// Thread-safe.
class SnapshotStore {
 public:
  virtual ~SnapshotStore() = default;

  /// The newest snapshot of `stream` that this decider wrote at this state version; none if there
  /// is none that can be read.
  [[nodiscard]] virtual std::optional<Snapshot> find(std::string_view category, int state_version,
                                                     std::string_view stream) = 0;

  /// Replaces the snapshot of that stream. Failing is silent: the next one may succeed.
  virtual void put(const Snapshot& snapshot) = 0;
};

/// One file a stream under `folder` (made if missing); see snapshots.cpp for its form.
[[nodiscard]] std::unique_ptr<SnapshotStore> make_file_snapshots(std::string folder);

[[nodiscard]] std::unique_ptr<SnapshotStore> make_memory_snapshots();

}  // namespace stele::decide
