// Reads the read models that projection/sqlite writes: a few read-only connections for each file,
// each answer in one read transaction, so that rows and position are of the same commit.

#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>

#include "stele/projection.h"
#include "stele/read_model.h"

namespace stele::query {

inline constexpr std::size_t read_connections_default = 4;  ///< For each read model.

/// Reads what `make_sqlite_generations(folder)` keeps for `spec`, always of its live generation. No
/// snapshot is of an older position than one before. Connects at first use, so the sink may be
/// opened later.
[[nodiscard]] std::shared_ptr<RowReader> make_sqlite_reader(
    const std::filesystem::path& folder, const ProjectionSpec& spec,
    std::size_t connections_max = read_connections_default);

}  // namespace stele::query
