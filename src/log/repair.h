// Module: log
// Cuts a damaged log at its first damage, so that it opens again. Nothing is thrown away: the
// damaged segment and all after it are kept beside the log, in files that end in ".cut".
//
// What readers saw behind the cut is gone, so the log gets a new epoch: their checkpoints no longer
// match, and they say "diverged" instead of going on.
//
// The damaged segment is replaced, in one rename, by an open one that holds its good frames and
// carries the new epoch; only then are the later ones moved aside. A crash in between leaves a log
// that refuses to open, and that this repairs.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "log/disk.h"
#include "stele/ids.h"
#include "stele/time.h"

namespace stele::log {

struct RepairReport {
  bool repaired = false;  ///< False: there was nothing to repair, and nothing was changed.
  std::string damage;     ///< What was found, with file and offset.
  Position log_end{};     ///< The last position that is kept.
  Epoch epoch{};          ///< The new one.
  /// The last position that was known to be cut; 0 = unknown (the damage hides it).
  Position cut_to{};
  std::vector<std::string> kept = {};  ///< The files with the cut bytes.
};

/// Repairs the log in `folder`/log, which nobody may hold. Errors: `held`, `not_found` (no log
/// there), `corrupt` (not even the first segment's header is readable: restore a backup),
/// `unsupported`, `read_only` (the disk is full), `unavailable`.
[[nodiscard]] Result<RepairReport> repair(Disk& disk, const std::string& folder,
                                          const Clock& clock);

}  // namespace stele::log
