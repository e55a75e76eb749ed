// The generations of read models in SQLite, in one folder:
//
//   <folder>/<name>-g<number>.sqlite    the rows of one generation: see sqlite_sink.h
//   <folder>/<name>.generations         which of them is for what: the catalogue
//
// The catalogue is one JSON object, written beside itself, synced, and renamed into place, so it is
// the old one or the new one after any crash; writers take a lock on the folder for as long. A
// reader that finds the same file as before (by its inode and time) knows that nothing changed.

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

#include "projection/generations.h"

namespace stele::projection {

[[nodiscard]] std::filesystem::path catalogue_file(const std::filesystem::path& folder,
                                                   std::string_view name);

/// Tells one version of a file from the next without reading it.
struct FileMark {
  std::uint64_t inode = 0;   ///< 0: there is no such file.
  std::int64_t changed = 0;  ///< Nanoseconds since 1970.
  friend bool operator==(const FileMark&, const FileMark&) = default;
};
[[nodiscard]] FileMark mark_of(const std::filesystem::path& file) noexcept;

/// As `GenerationStore::load`.
[[nodiscard]] Result<Catalogue> read_catalogue(const std::filesystem::path& folder,
                                               std::string_view name);

/// In `folder`, which is made when something is stored.
[[nodiscard]] std::shared_ptr<GenerationStore> make_sqlite_generations(
    std::filesystem::path folder);

}  // namespace stele::projection
