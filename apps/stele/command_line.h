// Reads the command line. The only file that knows CLI11.

#pragma once

#include <variant>

#include "options.h"

namespace stele::program {

/// What was asked for, or the code to end with: help was printed (0), or the usage was wrong (2)
/// and the reason printed.
[[nodiscard]] std::variant<CommandLine, int> parse_command_line(int argc, char** argv);

}  // namespace stele::program
