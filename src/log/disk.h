// Module: log
// The one way from the log to a disk. The engine makes no system call on files but through it, so
// that a simulated disk sees every step and can fail, tear, flip, forget and fill up.
//
// Three layers are behind these calls: the program, the cache (what the operating system holds,
// gone with the power, kept over a kill), and the platter (what survives everything).
//
//   call                     reaches                     on the platter after
//   write_at, zero_fill,     the cache, at once seen     a `sync` of this file that was called
//   truncate                 by every `read_at`          afterwards and returned without error
//   open(create), rename,    the cache, at once seen     a `sync_folder` of the folder, called
//   remove, link,            by `open` and `list`        afterwards and returned without error
//   make_folder
//
// Before that, after a loss of power, each 512-byte sector of an unsynced write may hold the old or
// the new bytes, independently of every other; a file's size may be the old or the new; a name may
// be missing, old or new (a rename is never half done: the target's old or new file, whole).
// `sync` makes durable the bytes and the size of a file whose *name* may still be unsynced.
//
// A `sync` that fails promises nothing, for ever: the cache may drop the bytes or mark them clean,
// and a later `sync` may succeed without having written them (so the log never tries again).
//
// Errors of every call: `unavailable` (the system refused or failed; names path, call and reason),
// `read_only` (the disk is full; nothing else is wrong), `not_found` (the file or folder does not
// exist; only where said). A call that failed may have done part of its work, unless said.
//
// Paths are as the system takes them; "/" separates. All calls may come from several threads, also
// on one `File`; writes to the same bytes at once are the caller's mistake.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "stele/error.h"

namespace stele::log {

/// An open file. The destructor closes it, and makes nothing durable.
class File {
 public:
  virtual ~File() = default;

  /// Writes all of `bytes` at `offset`; the file grows if they reach past its end.
  [[nodiscard]] virtual Result<void> write_at(std::uint64_t offset,
                                              std::span<const std::byte> bytes) = 0;

  /// Fills `bytes` from `offset`. A file that ends before is `corrupt`: callers know sizes.
  [[nodiscard]] virtual Result<void> read_at(std::uint64_t offset,
                                             std::span<std::byte> bytes) const = 0;

  /// fdatasync: see the table above.
  [[nodiscard]] virtual Result<void> sync() = 0;

  /// Writes zeros over [offset, offset + size); really written, so that a later `write_at` there
  /// needs no new space (it cannot meet a full disk) and a `sync` no new metadata.
  [[nodiscard]] virtual Result<void> zero_fill(std::uint64_t offset, std::uint64_t size) = 0;

  /// Cuts or extends (with zeros, not reserved) to `size`.
  [[nodiscard]] virtual Result<void> truncate(std::uint64_t size) = 0;

  [[nodiscard]] virtual Result<std::uint64_t> size() const = 0;
};

/// Held until destroyed.
class DiskLock {
 public:
  virtual ~DiskLock() = default;
};

enum class OpenMode : std::uint8_t {
  read,    ///< Must exist; `not_found` otherwise.
  write,   ///< Read and write; must exist; `not_found` otherwise.
  create,  ///< Read and write; made if missing, emptied if there.
};

class Disk {
 public:
  virtual ~Disk() = default;

  [[nodiscard]] virtual Result<std::unique_ptr<File>> open(const std::string& path,
                                                           OpenMode mode) = 0;

  /// The names (no paths) in `folder` in byte order. Errors also: `not_found`.
  [[nodiscard]] virtual Result<std::vector<std::string>> list(const std::string& folder) const = 0;

  /// Makes `folder` and the ones above it that are missing. No error if it is there.
  [[nodiscard]] virtual Result<void> make_folder(const std::string& folder) = 0;

  /// Gives the file `from` the name `to`, replacing a file of that name in one step. Both lie in
  /// one folder. Files that are open stay open and keep their bytes. Errors also: `not_found`.
  [[nodiscard]] virtual Result<void> rename(const std::string& from, const std::string& to) = 0;

  /// Gives the file `from`, which has no other name, a second one, `to`, which must be free: one
  /// file under two names. Both lie in one folder. Errors also: `not_found`.
  [[nodiscard]] virtual Result<void> link(const std::string& from, const std::string& to) = 0;

  /// Takes the name away. Those who have the file open read on. Errors also: `not_found`.
  [[nodiscard]] virtual Result<void> remove(const std::string& path) = 0;

  /// fsync of the folder: see the table above.
  [[nodiscard]] virtual Result<void> sync_folder(const std::string& folder) = 0;

  /// Takes the lock file `path` (made if missing; its text is the holder's process id) until the
  /// returned object or the process is gone. A real disk waits half a second for a holder that
  /// was just killed. Errors also: `held`, naming the holder's id.
  [[nodiscard]] virtual Result<std::unique_ptr<DiskLock>> lock(const std::string& path) = 0;

  /// What may still be written to the disk that `folder` is on, in bytes.
  [[nodiscard]] virtual Result<std::uint64_t> free_bytes(const std::string& folder) const = 0;
};

/// The machine's disk. `path`s are the system's.
[[nodiscard]] std::unique_ptr<Disk> make_real_disk();

}  // namespace stele::log
