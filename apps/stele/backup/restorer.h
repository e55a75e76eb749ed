// import --restore: makes a log again from the lines of `stele export`. One pass over the file;
// memory is one append, whatever the file's size.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "log/disk.h"
#include "stele/error.h"
#include "stele/ids.h"

namespace stele::program {

inline constexpr std::size_t export_line_size_max = 8 * 1'024 * 1'024;     ///< Bytes.
inline constexpr std::size_t export_append_size_max = 64 * 1'024 * 1'024;  ///< Its lines, bytes.

struct RestoreOptions {
  std::string input;   ///< The file; "-" is standard input.
  std::string data;    ///< The folder to make the log in.
  bool quiet = false;  ///< No bar.
};

struct RestoreSummary {
  LogId log_id;
  Epoch epoch{};
  Position log_end{};
  std::uint64_t events = 0;
  std::uint64_t appends = 0;
  std::uint64_t bytes = 0;  ///< Of the file.
  double seconds = 0;
  bool interrupted = false;
  bool not_empty = false;  ///< Refused: the folder holds a log with events.
  std::string refusal = {};
};

/// Errors: `invalid` (the file: names the line), `not_found`, `held`, `read_only`, `corrupt`,
/// `unavailable`. After an error, or an interrupt, the folder is clearly unfinished.
[[nodiscard]] Result<RestoreSummary> run_restore(const RestoreOptions& options);

}  // namespace stele::program
