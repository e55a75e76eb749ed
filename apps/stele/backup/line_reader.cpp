#include "backup/line_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace stele::program {
namespace {

constexpr std::size_t read_size = 256 * 1'024;  // Bytes asked for at a time.

std::string reason() { return std::generic_category().message(errno); }

}  // namespace

Result<LineReader> LineReader::open(const std::string& path, std::size_t line_size_max) {
  const int fd = path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return fail(errno == ENOENT ? Errc::not_found : Errc::unavailable,
                "\"" + path + "\" can't be read: " + reason() + ".");
  }
  return LineReader{path == "-" ? "standard input" : path, fd, line_size_max};
}

LineReader::LineReader(std::string path, int fd, std::size_t line_size_max)
    : path_{std::move(path)}, fd_{fd}, line_size_max_{line_size_max} {
  struct ::stat info{};
  if (::fstat(fd_, &info) == 0 && S_ISREG(info.st_mode)) {
    size_ = static_cast<std::uint64_t>(info.st_size);
  }
}

LineReader::LineReader(LineReader&& other) noexcept
    : path_{std::move(other.path_)},
      fd_{std::exchange(other.fd_, -1)},
      line_size_max_{other.line_size_max_},
      buffer_{std::move(other.buffer_)},
      begin_{other.begin_},
      line_{other.line_},
      bytes_{other.bytes_},
      size_{other.size_} {}

LineReader::~LineReader() {
  if (fd_ > STDIN_FILENO) ::close(fd_);
}

std::string LineReader::place() const { return path_ + ", line " + std::to_string(line_); }

Result<bool> LineReader::next(std::string& line) {
  std::size_t look_from = begin_;
  for (;;) {
    const std::size_t end = buffer_.find('\n', look_from);
    if (end != std::string::npos) {
      ++line_;
      if (end - begin_ > line_size_max_) break;
      line.assign(buffer_, begin_, end - begin_);
      bytes_ += end + 1 - begin_;
      begin_ = end + 1;
      return true;
    }
    buffer_.erase(0, std::exchange(begin_, 0));
    look_from = buffer_.size();
    if (buffer_.size() > line_size_max_) {
      ++line_;
      break;
    }
    buffer_.resize(look_from + read_size);
    ::ssize_t got = -1;
    do {
      got = ::read(fd_, buffer_.data() + look_from, read_size);
    } while (got < 0 && errno == EINTR);
    buffer_.resize(look_from + static_cast<std::size_t>(got > 0 ? got : 0));
    if (got < 0) return fail(Errc::unavailable, path_ + " can't be read: " + reason() + ".");
    if (got > 0) continue;
    if (buffer_.empty()) return false;
    ++line_;
    return fail(Errc::invalid, place() + " has no end: the file was cut off.");
  }
  return fail(Errc::invalid,
              place() + " is longer than " + std::to_string(line_size_max_) + " bytes.");
}

}  // namespace stele::program
