// Read models in SQLite: one file for each projection and generation,
//
//   <folder>/<name>-g<generation>.sqlite
//
// with two tables. The rows, named as the projection, one column for each member of the row:
//
//   row_key TEXT PRIMARY KEY, row_version INTEGER, row_position INTEGER, ...   WITHOUT ROWID
//
// (with full text: see full_text.h)
//
// and `stele_meta(key, value)` with one entry `schema` (the columns' names and types, to find a
// program that changed them without raising the generation) and one `checkpoint` (48 bytes: log
// id, epoch, position, fingerprint; numbers little-endian). Rows and checkpoint are written in one
// transaction. The write-ahead log is not synced at each commit: after a power cut the file is an
// older whole state, with its checkpoint, and the log is read again from there.

#pragma once

#include <filesystem>
#include <memory>

#include "projection/sink.h"

namespace stele::projection {

/// Where the rows of `spec` are kept below `folder`.
[[nodiscard]] std::filesystem::path sqlite_file(const std::filesystem::path& folder,
                                                const ProjectionSpec& spec);

/// A sink below `folder`, which is made if missing, when the sink is opened.
[[nodiscard]] std::unique_ptr<Sink> make_sqlite_sink(std::filesystem::path folder);

}  // namespace stele::projection
