// Module: log
// Reads a whole log and checks all of it: every checksum, the chain of hashes over all frames,
// positions, versions, group numbers, times, and that each index finds what is there.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "log/disk.h"
#include "stele/ids.h"

namespace stele::log {

/// Something that is wrong, and where.
struct Damage {
  std::string path;
  std::uint64_t offset = 0;  ///< Of the first byte that is known to be wrong; 0 = the whole file.
  std::string what;          ///< A sentence.
};

struct VerifyReport {
  LogId log_id;
  Epoch epoch{};
  Position log_end{};  ///< As far as everything is good.
  std::size_t segments = 0;
  std::size_t sealed_segments = 0;
  std::uint64_t frames = 0;
  std::uint64_t bytes = 0;  ///< Of the segments' files.
  std::vector<Damage> damage = {};
  /// What is no damage: the remains of a write that was never answered, an index built again.
  std::vector<std::string> notes = {};

  [[nodiscard]] bool good() const { return damage.empty(); }
};

/// After each segment: how many are done, of how many.
using VerifyProgress = std::function<void(std::size_t done, std::size_t all)>;

/// Verifies the log in `folder`/log, which nobody may hold; changes nothing but an index that has
/// to be built again. Damage is a report, not an error. Errors: `held`, `not_found` (no log there),
/// `unsupported`, `unavailable`.
[[nodiscard]] Result<VerifyReport> verify(Disk& disk, const std::string& folder,
                                          const VerifyProgress& progress = {});

}  // namespace stele::log
