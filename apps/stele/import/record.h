// Reads the records of an input file one after another: blank-separated columns, CSV (RFC 4180) or
// a JSON object a line. Memory is one buffer and one record, whatever the file's size.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stele/append.h"
#include "stele/error.h"

namespace stele::program {

inline constexpr std::size_t record_size_max = 1'024 * 1'024;  ///< Bytes of one record.

enum class Format : std::uint8_t { columns, csv, ndjson };

struct InputShape {
  Format format = Format::columns;
  std::uint64_t skip_lines = 0;
  /// In the order of the file. Empty with CSV: the first line names them. With NDJSON: the members
  /// that are asked for; one that is missing or null is the empty text, an object or array its
  /// JSON.
  std::vector<std::string> columns = {};
};

struct Record {
  std::uint64_t line = 0;           ///< Where it starts; the file's first line is 1.
  std::vector<std::string> values;  ///< One for each column.
};

/// One pass over a file. Not thread-safe.
class RecordReader {
 public:
  /// Errors: `not_found`, `unavailable` (names the file), `invalid` (the header of a CSV file).
  [[nodiscard]] static Result<RecordReader> open(const std::string& path, InputShape shape);

  /// Fills in `record`; false at the end. Errors: `invalid` (names file and line), `unavailable`.
  [[nodiscard]] Result<bool> next(Record& record);

  [[nodiscard]] const std::vector<std::string>& columns() const { return shape_.columns; }
  [[nodiscard]] std::uint64_t bytes_read() const noexcept { return consumed_; }

 private:
  RecordReader(std::string path, InputShape shape, int fd);

  Result<bool> next_line(std::string& line);
  Result<bool> next_columns(Record& record);
  Result<bool> next_csv(std::vector<std::string>& values);
  Result<bool> next_ndjson(Record& record);
  std::unexpected<Error> bad_line(std::string_view complaint) const;

  struct Closer {
    void operator()(const int* fd) const;
  };
  std::string path_;
  InputShape shape_;
  std::unique_ptr<int, Closer> fd_;
  std::string buffer_;
  std::size_t begin_ = 0;  // Of what is unread in the buffer.
  bool at_end_ = false;
  std::uint64_t line_ = 0;        // Of the line read last.
  std::uint64_t first_line_ = 0;  // Of the record being read.
  std::uint64_t consumed_ = 0;    // Bytes of the lines read.
  std::string text_;              // The line being read.
};

/// A digest of the file's bytes, and how many there are. Errors: `not_found`, `unavailable`.
struct FileDigest {
  Digest digest{};
  std::uint64_t size = 0;
};
[[nodiscard]] Result<FileDigest> digest_file(const std::string& path);

}  // namespace stele::program
