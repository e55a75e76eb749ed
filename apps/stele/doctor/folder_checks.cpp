#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "doctor/check.h"
#include "progress.h"

namespace stele::program::doctor {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t mebibyte = 1'024 * 1'024;
constexpr std::uint64_t free_space_low = 1'024 * mebibyte;  // Less is a warning.
constexpr std::uint64_t free_space_min = 160 * mebibyte;    // Two segments, and some.
constexpr std::size_t probe_syncs = 50;                     // Of 4 KiB each.
constexpr std::size_t probe_block = 4'096;                  // Bytes.
constexpr double sync_us_max = 20'000;                      // Slower is a warning.
constexpr double sync_us_min = 15;  // Faster, nothing can have been written.

/// Kinds of file systems that are no place for a log, by the number that statfs gives.
struct Foreign {
  std::uint64_t kind;
  std::string_view name;
  std::string_view why;
};
constexpr std::string_view in_memory = "forgets everything when the machine stops";
constexpr std::string_view over_network = "may answer a sync before the server has written";
constexpr std::string_view in_layers = "is thrown away with its container";
constexpr std::array foreign_kinds = {
    Foreign{0x01021994, "tmpfs", in_memory},     Foreign{0x858458f6, "ramfs", in_memory},
    Foreign{0x6969, "NFS", over_network},        Foreign{0xff534d42, "CIFS", over_network},
    Foreign{0xfe534d42, "SMB", over_network},    Foreign{0x65735546, "FUSE", over_network},
    Foreign{0x794c7630, "overlayfs", in_layers}, Foreign{0x73717368, "squashfs", "takes no writes"},
    Foreign{0x01021997, "9p", over_network},
};

/// The folder itself, or the nearest one above that is there: where it would be made.
fs::path existing(fs::path folder) {
  std::error_code ignored;
  folder = fs::absolute(folder, ignored);
  while (!fs::exists(folder, ignored) && folder.has_relative_path()) folder = folder.parent_path();
  return folder;
}

std::string user_name(::uid_t id) {
  const ::passwd* const user = ::getpwuid(id);
  return user != nullptr ? user->pw_name : std::to_string(id);
}

Check folder_itself(const std::string& data) {
  const std::string name = "data folder";
  std::error_code ignored;
  const fs::path there = existing(data);
  const bool is_there = fs::exists(data, ignored);
  if (!fs::is_directory(there, ignored)) {
    return failed(name, there.string() + " is not a folder.",
                  "Name a folder with --data, or move the file away.");
  }
  if (::access(there.c_str(), W_OK | X_OK) != 0) {
    const bool read_only = errno == EROFS;
    return failed(name, there.string() + " can't be written: " + system_reason() + ".",
                  read_only ? "Mount the disk for writing, or name another folder with --data."
                            : "Let the user " + user_name(::geteuid()) +
                                  " write there (chown, chmod), or name another folder.");
  }
  const std::string absolute = fs::absolute(data, ignored).string();
  if (!is_there) return well(name, absolute + " is not there yet; `stele serve` makes it.");
  return well(name, absolute + " is there and can be written.");
}

/// The first thing in the folder that somebody else owns.
Check owner(const std::string& data) {
  const std::string name = "owner";
  const ::uid_t me = ::geteuid();
  std::error_code failure;
  const auto foreign = [me](const fs::path& path, ::uid_t& id) {
    struct ::stat info{};
    if (::lstat(path.c_str(), &info) != 0) return false;
    id = info.st_uid;
    return id != me;
  };
  ::uid_t id = me;
  fs::path found = data;
  bool other = fs::exists(data, failure) && foreign(data, id);
  auto at = fs::recursive_directory_iterator{data, fs::directory_options::skip_permission_denied,
                                             failure};
  for (; !other && !failure && at != fs::recursive_directory_iterator{}; at.increment(failure)) {
    other = foreign(at->path(), id);
    found = at->path();
  }
  if (!other) return well(name, "All of it belongs to the user " + user_name(me) + ".");
  const std::string fix =
      "Run as " + user_name(id) + ", or: chown -R " + user_name(me) + " " + data;
  const std::string detail = found.string() + " belongs to the user " + user_name(id) +
                             ", and this is " + user_name(me) + ".";
  if (::access(found.c_str(), R_OK | W_OK) == 0) return warning(name, detail, fix);
  return failed(name, detail, fix);
}

Check lock(const std::string& data) {
  const long pid = holder_of(data);
  if (pid == 0) return well("lock", "No process holds the folder.");
  const std::string who = pid == 1 ? "A process" : "The process " + std::to_string(pid);
  return well("lock", who + " holds the folder; a second one is refused.");
}

Check free_space(const std::string& data) {
  const std::string name = "free space";
  std::error_code failure;
  const fs::space_info space = fs::space(existing(data), failure);
  if (failure) {
    return failed(name, "It can't be asked for: " + failure.message() + ".", "Look at the disk.");
  }
  const std::string detail = mebibytes(space.available) + " are free.";
  const std::string fix =
      "Make room, or move the folder to a larger disk; a full log is read-only until there is.";
  if (space.available < free_space_min) return failed(name, detail, fix);
  if (space.available < free_space_low) return warning(name, detail, fix);
  return well(name, detail);
}

Check file_system(const std::string& data) {
  const std::string name = "file system";
  struct ::statfs info{};
  if (::statfs(existing(data).c_str(), &info) != 0) {
    return warning(name, "Its kind can't be asked for: " + system_reason() + ".",
                   "Look at the disk.");
  }
  const auto kind = static_cast<std::uint64_t>(info.f_type) & 0xffffffffU;
  for (const Foreign& one : foreign_kinds) {
    if (one.kind != kind) continue;
    return warning(
        name, "The folder is on " + std::string{one.name} + ", which " + std::string{one.why} + ".",
        "Put the data on a local disk (ext4, xfs), such as a volume of the container.");
  }
  return well(name, "The folder is on a local disk.");
}

/// The microseconds of one durable 4 KiB write into a preallocated file, as the log does them.
double probe(int fd) {
  std::array<char, probe_block> block{};
  const auto write_at = [&](std::size_t i) {
    return ::pwrite(fd, block.data(), block.size(), static_cast<::off_t>(i * probe_block)) ==
           static_cast<::ssize_t>(probe_block);
  };
  bool sound = true;
  for (std::size_t i = 0; i < probe_syncs; ++i) sound = sound && write_at(i);
  if (!sound || ::fdatasync(fd) != 0) return -1;
  block.fill('x');
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < probe_syncs; ++i) {
    if (!write_at(i) || ::fdatasync(fd) != 0) return -1;
  }
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
  return took.count() / static_cast<double>(probe_syncs);
}

Check sync(const std::string& data) {
  const std::string name = "fdatasync";
  std::string path = (existing(data) / ".stele-probe-XXXXXX").string();
  const int fd = ::mkstemp(path.data());
  if (fd < 0) {
    return failed(name, "A probe can't be made beside the data: " + system_reason() + ".",
                  "Make the folder writable; see \"data folder\".");
  }
  ::unlink(path.c_str());
  const double us = probe(fd);
  const std::string reason = system_reason();
  ::close(fd);
  if (us < 0) {
    return failed(name, "Writing durably fails: " + reason + ".", "Look at the disk and its log.");
  }
  const std::string detail =
      "A durable 4 KiB write takes " + with_commas(static_cast<std::uint64_t>(us)) + " us.";
  if (us > sync_us_max) {
    return warning(name, detail, "Appends are as slow as that; use a disk with a faster sync.");
  }
  if (us < sync_us_min) {
    return warning(name, detail + " No disk writes that fast.",
                   "What is synced may be lost with the power: use a disk that keeps its word, and "
                   "turn off caches that lie (libeatmydata, nobarrier, unsafe VM caches).");
  }
  return well(name, detail);
}

}  // namespace

std::string system_reason() { return std::generic_category().message(errno); }

std::string mebibytes(std::uint64_t bytes) { return with_commas(bytes / mebibyte) + " MiB"; }

long holder_of(const std::string& data) {
  const std::string path = data + "/LOCK";
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const bool is_free = ::flock(fd, LOCK_SH | LOCK_NB) == 0;
  ::close(fd);
  if (is_free) return 0;
  long pid = 1;
  std::ifstream{path} >> pid;
  return pid > 0 ? pid : 1;
}

void check_folder(const std::string& data, Checks& out) {
  out.push_back(folder_itself(data));
  out.push_back(owner(data));
  out.push_back(lock(data));
  out.push_back(free_space(data));
  out.push_back(file_system(data));
  out.push_back(sync(data));
}

}  // namespace stele::program::doctor
