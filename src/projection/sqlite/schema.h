// The tables of a generation in SQLite, as SQL. Which they are says sqlite_sink.h.

#pragma once

#include <string>
#include <string_view>

#include "drivers/sqlite/sqlite.h"
#include "stele/error.h"
#include "stele/projection.h"

namespace stele::projection {

/// What is compared to find a program that changed its columns or indexes.
[[nodiscard]] std::string schema_text(const ProjectionSpec& spec);
/// Whether rows stored under `stored_schema` can be read as `spec` says: the same columns, and the
/// words that it searches; indexes may differ.
[[nodiscard]] bool same_columns(std::string_view stored_schema, const ProjectionSpec& spec);

/// The tables that the sink keeps for itself; harmless if they are there.
[[nodiscard]] std::string stele_tables_sql();
/// The rows' table with its indexes and words; of a custom projection its own tables.
[[nodiscard]] std::string create_sql(const ProjectionSpec& spec);
/// Inside a transaction: removes all tables but the sink's own. Errors: SQLite's.
[[nodiscard]] Result<void> drop_tables(sqlite::Database& database);

[[nodiscard]] std::string load_sql(const ProjectionSpec& spec);
[[nodiscard]] std::string put_sql(const ProjectionSpec& spec);

}  // namespace stele::projection
