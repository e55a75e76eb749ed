// Module: service
// What the system allows this process to use, and how that is shared out: a server takes
// connections only while the log can still open the files that it needs, and bodies only while
// there is memory to work on them.

#pragma once

#include <cstddef>

namespace stele::service {

/// Descriptors that stay free for files: segments and indexes to come, read models, lock files.
inline constexpr std::size_t descriptors_kept_max = 256;

/// Bytes of large bodies that a server holds at once, however much memory there is; and at least.
inline constexpr std::size_t buffered_size_max = std::size_t{512} * 1'024 * 1'024;
inline constexpr std::size_t buffered_size_min = std::size_t{16} * 1'024 * 1'024;

struct Descriptors {
  std::size_t limit = 0;  ///< How many this process may have open; 0: unknown.
  std::size_t open = 0;   ///< How many it has open.
};

/// Raises the soft limit to the hard one, as far as the system lets it, and says what is in force.
[[nodiscard]] Descriptors raise_descriptors();

/// How many connections may be open at once: at most `wanted`, and so many fewer that a quarter of
/// the descriptors that are left, or `descriptors_kept_max`, stay free. At least 1.
[[nodiscard]] std::size_t connections_allowed(std::size_t wanted, const Descriptors& descriptors);

/// The smallest of the limits on this process's memory: of its address space (ulimit -v) and of
/// its control group; bytes. 0: there is none.
[[nodiscard]] std::size_t memory_limit();

/// Bytes of large bodies that may be held at once, when memory is limited to `limit` (0: it is
/// not): an eighth of it, because a body is held several times on its way to the disk.
[[nodiscard]] std::size_t buffered_size_allowed(std::size_t limit);

/// From now on, an allocation that the system refuses ends the process with `exit_failed` and a
/// sentence, instead of an abort: what was answered is on the disk.
void end_when_out_of_memory();

}  // namespace stele::service
