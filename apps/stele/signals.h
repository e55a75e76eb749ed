// Ctrl-C for verbs that take their time: they look at a flag and end in order, with exit code 130.

#pragma once

namespace stele::program {

/// From now on SIGINT and SIGTERM set the flag, and system calls that wait return early. A second
/// SIGINT ends the process at once.
void catch_interrupts();

[[nodiscard]] bool interrupted() noexcept;

}  // namespace stele::program
