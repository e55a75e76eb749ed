#include "backup/export_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "backup/export_line.h"
#include "backup/restorer.h"

namespace stele::program {
namespace {

constexpr ::mode_t file_mode = 0600;  // An export holds all that was ever written.

}  // namespace

Result<ExportFile> ExportFile::open(const std::optional<std::string>& path, bool resume) {
  if (!path) return ExportFile{"", STDOUT_FILENO};
  const std::string partial = *path + std::string{partial_suffix};
  const int flags = O_RDWR | O_CREAT | O_CLOEXEC | (resume ? 0 : O_TRUNC);
  ExportFile file{*path, ::open(partial.c_str(), flags, file_mode)};
  if (file.fd_ < 0) return file.failed("can't be made");
  if (resume) {
    if (auto done = file.find_end(); !done) return std::unexpected{done.error()};
  }
  return file;
}

ExportFile::ExportFile(ExportFile&& other) noexcept
    : path_{std::move(other.path_)},
      fd_{std::exchange(other.fd_, -1)},
      resumed_at_{other.resumed_at_} {}

ExportFile::~ExportFile() {
  if (fd_ > STDOUT_FILENO) ::close(fd_);
}

std::unexpected<Error> ExportFile::failed(std::string_view what) const {
  const int code = errno;
  const std::string name =
      path_.empty() ? "Standard output" : "\"" + path_ + std::string{partial_suffix} + "\"";
  return fail(code == ENOSPC ? Errc::read_only : Errc::unavailable,
              name + " " + std::string{what} + ": " + std::generic_category().message(code) + ".");
}

/// The last whole line is looked for from the end, in a window that holds the longest one twice.
Result<void> ExportFile::find_end() {
  struct ::stat info{};
  if (::fstat(fd_, &info) != 0) return failed("can't be read");
  const auto size = static_cast<std::uint64_t>(info.st_size);
  const std::uint64_t window = std::min<std::uint64_t>(size, 2 * export_line_size_max);
  std::string text(window, '\0');
  const ::ssize_t got = ::pread(fd_, text.data(), text.size(), static_cast<::off_t>(size - window));
  if (got != static_cast<::ssize_t>(window)) return failed("can't be read");
  const std::size_t end = text.rfind('\n');
  std::uint64_t keep = 0;
  if (end != std::string::npos) {
    keep = size - window + end + 1;
    const std::size_t before = end == 0 ? std::string::npos : text.rfind('\n', end - 1);
    const std::size_t begin = before == std::string::npos ? 0 : before + 1;
    const auto line = ExportLine::parse(text.substr(begin, end - begin));
    if (!line) {
      return fail(Errc::invalid,
                  "\"" + path_ + std::string{partial_suffix} +
                      "\" can't be gone on with. Its last line: " + line.error().message);
    }
    resumed_at_ = number((*line)->position);
  }
  if (::ftruncate(fd_, static_cast<::off_t>(keep)) != 0 ||
      ::lseek(fd_, static_cast<::off_t>(keep), SEEK_SET) < 0) {
    return failed("can't be cut to its last whole line");
  }
  return {};
}

Result<void> ExportFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ::ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("can't be written");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> ExportFile::finish() {
  if (path_.empty()) return {};
  const std::string partial = path_ + std::string{partial_suffix};
  if (::fsync(fd_) != 0) return failed("can't be synced");
  if (std::rename(partial.c_str(), path_.c_str()) != 0) return failed("can't be given its name");
  const std::size_t slash = path_.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return {};  // The name is there; only a power cut could take it back.
  const bool synced = ::fsync(fd) == 0;
  ::close(fd);
  return synced ? Result<void>{} : failed("was written, but its folder can't be synced");
}

}  // namespace stele::program
