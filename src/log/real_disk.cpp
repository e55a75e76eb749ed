// The disk seam over POSIX calls.

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "log/disk.h"

namespace stele::log {
namespace {

// A process that was killed lets its lock go a moment after it is gone for everybody else.
constexpr std::chrono::milliseconds lock_wait_max{500};
constexpr std::chrono::milliseconds lock_retry_interval{10};

constexpr std::size_t zero_chunk_size = 256 * 1'024;
alignas(4'096) constexpr std::array<std::byte, zero_chunk_size> zeros{};

std::unexpected<Error> system_error(std::string_view call, const std::string& path, int error) {
  const std::string reason = std::generic_category().message(error);
  if (error == ENOSPC || error == EDQUOT) {
    return fail(Errc::read_only, "The disk is full: " + std::string{call} + " of \"" + path +
                                     "\" failed (" + reason + "). Free some space.");
  }
  if (error == EMFILE || error == ENFILE) {
    return fail(Errc::overloaded,
                "This process has as many files open as it may (" + reason +
                    "); nothing was done. Raise the limit of open files (ulimit -n, LimitNOFILE).");
  }
  const Errc code = error == ENOENT ? Errc::not_found : Errc::unavailable;
  return fail(code,
              "The system refused " + std::string{call} + " of \"" + path + "\": " + reason + ".");
}

/// Why the lock file, the first file of a log that is opened, can't be: a folder that may only be
/// read is told as such.
std::unexpected<Error> lock_error(const std::string& path, int error) {
  if (error != EROFS && error != EACCES && error != EPERM) {
    return system_error("opening", path, error);
  }
  return fail(Errc::read_only, "\"" + path + "\" can't be written (" +
                                   std::generic_category().message(error) +
                                   "): the folder is read-only for this user. A log is opened by "
                                   "one who may write to it; mount it writable, or change owner "
                                   "or mode, or name another folder with --data.");
}

/// Closes in the destructor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_{fd} {}
  Descriptor(Descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

int open_retrying(const std::string& path, int flags) {
  constexpr mode_t mode = 0640;
  for (;;) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd >= 0 || errno != EINTR) return fd;
  }
}

class RealFile final : public File {
 public:
  RealFile(Descriptor fd, std::string path) : fd_{std::move(fd)}, path_{std::move(path)} {}

  Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t done =
          ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) return system_error("a write", path_, errno);
      bytes = bytes.subspan(static_cast<std::size_t>(done));
      offset += static_cast<std::uint64_t>(done);
    }
    return {};
  }

  Result<void> read_at(std::uint64_t offset, std::span<std::byte> bytes) const override {
    while (!bytes.empty()) {
      const ssize_t done =
          ::pread(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) return system_error("a read", path_, errno);
      if (done == 0) {
        return fail(Errc::corrupt, "\"" + path_ + "\" ends before byte " +
                                       std::to_string(offset + bytes.size()) + ".");
      }
      bytes = bytes.subspan(static_cast<std::size_t>(done));
      offset += static_cast<std::uint64_t>(done);
    }
    return {};
  }

  Result<void> sync() override {
    if (::fdatasync(fd_.get()) != 0) return system_error("a sync", path_, errno);
    return {};
  }

  Result<void> zero_fill(std::uint64_t offset, std::uint64_t size) override {
    while (size > 0) {
      const std::size_t chunk = std::min<std::uint64_t>(size, zeros.size());
      if (auto done = write_at(offset, std::span{zeros}.first(chunk)); !done) return done;
      offset += chunk;
      size -= chunk;
    }
    return {};
  }

  Result<void> truncate(std::uint64_t size) override {
    if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) {
      return system_error("a truncation", path_, errno);
    }
    return {};
  }

  Result<std::uint64_t> size() const override {
    struct stat status{};
    if (::fstat(fd_.get(), &status) != 0) return system_error("a look at the size", path_, errno);
    return static_cast<std::uint64_t>(status.st_size);
  }

 private:
  Descriptor fd_;
  std::string path_;
};

class RealLock final : public DiskLock {
 public:
  explicit RealLock(Descriptor fd) : fd_{std::move(fd)} {}

 private:
  Descriptor fd_;  // The system drops the lock with it.
};

std::string holder_of(int fd) {
  std::array<char, 32> text{};
  const ssize_t size = ::pread(fd, text.data(), text.size() - 1, 0);
  std::string_view seen{text.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
  seen = seen.substr(0, seen.find_first_not_of("0123456789"));
  return seen.empty() ? "unknown" : std::string{seen};
}

class RealDisk final : public Disk {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    int flags = O_RDONLY;
    if (mode == OpenMode::write) flags = O_RDWR;
    if (mode == OpenMode::create) flags = O_RDWR | O_CREAT | O_TRUNC;
    Descriptor fd{open_retrying(path, flags)};
    if (fd.get() < 0) return system_error("opening", path, errno);
    return std::make_unique<RealFile>(std::move(fd), path);
  }

  Result<std::vector<std::string>> list(const std::string& folder) const override {
    std::error_code error;
    std::vector<std::string> names;
    std::filesystem::directory_iterator entry{folder, error};
    for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
      names.push_back(entry->path().filename().string());
    }
    if (error) return system_error("listing", folder, error.value());
    std::ranges::sort(names);
    return names;
  }

  Result<void> make_folder(const std::string& folder) override {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return system_error("making the folder", folder, error.value());
    return {};
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return system_error("renaming", from, errno);
    return {};
  }

  Result<void> link(const std::string& from, const std::string& to) override {
    struct stat status{};
    if (::stat(from.c_str(), &status) != 0) return system_error("a look at", from, errno);
    if (status.st_nlink > 1) {
      return fail(Errc::unavailable, "\"" + from + "\" has another name already.");
    }
    if (::link(from.c_str(), to.c_str()) != 0) return system_error("a second name", from, errno);
    return {};
  }

  Result<void> remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return system_error("removing", path, errno);
    return {};
  }

  Result<void> sync_folder(const std::string& folder) override {
    const Descriptor fd{open_retrying(folder, O_RDONLY | O_DIRECTORY)};
    if (fd.get() < 0) return system_error("opening", folder, errno);
    if (::fsync(fd.get()) != 0) return system_error("a sync", folder, errno);
    return {};
  }

  Result<std::unique_ptr<DiskLock>> lock(const std::string& path) override {
    Descriptor fd{open_retrying(path, O_RDWR | O_CREAT)};
    if (fd.get() < 0) return lock_error(path, errno);
    const auto until = std::chrono::steady_clock::now() + lock_wait_max;
    while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return system_error("locking", path, errno);
      if (std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(lock_retry_interval);
        continue;
      }
      return fail(Errc::held, "\"" + path + "\" is held by process " + holder_of(fd.get()) +
                                  ": stop it first, or use its address.");
    }
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd.get(), 0) != 0) return system_error("writing", path, errno);
    // On a full disk the id may not fit: the lock holds all the same.
    if (::pwrite(fd.get(), pid.data(), pid.size(), 0) < 0 && errno != ENOSPC) {
      return system_error("writing", path, errno);
    }
    return std::make_unique<RealLock>(std::move(fd));
  }

  Result<std::uint64_t> free_bytes(const std::string& folder) const override {
    struct statvfs status{};
    if (::statvfs(folder.c_str(), &status) != 0) {
      return system_error("a look at the free space", folder, errno);
    }
    return std::uint64_t{status.f_bavail} * status.f_frsize;
  }
};

}  // namespace

std::unique_ptr<Disk> make_real_disk() { return std::make_unique<RealDisk>(); }

}  // namespace stele::log
