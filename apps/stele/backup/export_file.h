// Where an export is written to: standard output, or a file that gets its name when it is whole.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "stele/error.h"

namespace stele::program {

/// "backup.ndjson" is written as "backup.ndjson.partial".
inline constexpr std::string_view partial_suffix = ".partial";

class ExportFile {
 public:
  /// `path` none = standard output. With `resume`, a partial file is gone on with: what follows
  /// its last whole line is cut off, and `resumed_at` is that line's position. Errors:
  /// `unavailable` (names the file and the reason), `invalid` (it is no export).
  [[nodiscard]] static Result<ExportFile> open(const std::optional<std::string>& path, bool resume);
  ~ExportFile();
  ExportFile(ExportFile&& other) noexcept;
  ExportFile& operator=(ExportFile&&) = delete;

  [[nodiscard]] std::optional<std::uint64_t> resumed_at() const noexcept { return resumed_at_; }
  /// Errors: `unavailable`, `read_only` (the disk is full).
  [[nodiscard]] Result<void> write(std::string_view bytes);
  /// Syncs the file and gives it its name. Errors: `unavailable`.
  [[nodiscard]] Result<void> finish();

 private:
  ExportFile(std::string path, int fd) : path_{std::move(path)}, fd_{fd} {}
  [[nodiscard]] Result<void> find_end();
  [[nodiscard]] std::unexpected<Error> failed(std::string_view what) const;

  std::string path_;  // Empty: standard output.
  int fd_;
  std::optional<std::uint64_t> resumed_at_;
};

}  // namespace stele::program
