// Reads a file, or standard input, line by line, once. Memory is one line and one buffer.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "stele/error.h"

namespace stele::program {

class LineReader {
 public:
  /// `path` "-" is standard input. Lines over `line_size_max` bytes are refused. Errors:
  /// `not_found`, `unavailable` (name the file and the reason).
  [[nodiscard]] static Result<LineReader> open(const std::string& path, std::size_t line_size_max);
  ~LineReader();
  LineReader(LineReader&& other) noexcept;
  LineReader& operator=(LineReader&&) = delete;

  /// The next line without its end; false at the file's end. A last line without an end is cut
  /// off: `invalid`, as is one over the limit. Errors also: `unavailable`.
  [[nodiscard]] Result<bool> next(std::string& line);

  [[nodiscard]] std::uint64_t line() const noexcept { return line_; }    ///< Read last; from 1.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }  ///< Of lines read.
  /// Of the whole file; none if it is a pipe.
  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept { return size_; }
  /// "backup.ndjson, line 7": for messages.
  [[nodiscard]] std::string place() const;

 private:
  LineReader(std::string path, int fd, std::size_t line_size_max);

  std::string path_;
  int fd_;
  std::size_t line_size_max_;
  std::string buffer_;
  std::size_t begin_ = 0;  // Of what is unread in the buffer.
  std::uint64_t line_ = 0;
  std::uint64_t bytes_ = 0;
  std::optional<std::uint64_t> size_;
};

}  // namespace stele::program
