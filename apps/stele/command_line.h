// Reads the command line. The only file that knows CLI11.

#pragma once

#include <variant>

#include "command_shape.h"
#include "options.h"
#include "stele/error.h"

namespace stele::program {

/// The tree of verbs and options.
[[nodiscard]] CommandShape command_shape();

/// What was asked for, or the code to end with: help was printed (0), or the usage was wrong (2)
/// and the reason printed.
[[nodiscard]] std::variant<CommandLine, int> parse_command_line(int argc, char** argv);

/// `serve` and `doctor` read the STELE_* variables themselves; for every other verb too, one that
/// nobody knows is a mistake. Errors: `invalid`, naming the nearest.
[[nodiscard]] Result<void> check_environment(const CommandLine& line);

}  // namespace stele::program
