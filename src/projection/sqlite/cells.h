// Cells and checkpoints to and from SQLite: shared by the sink that writes read models and the
// reader in query/.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "drivers/sqlite/sqlite.h"
#include "stele/event_store.h"
#include "stele/row.h"

namespace stele::projection {

/// A table's or column's name, quoted for SQL. Names were checked: they hold no quote.
[[nodiscard]] inline std::string sql_name(std::string_view name) {
  return "\"" + std::string{name} + "\"";
}

/// A text of `cell` must live until the statement is reset.
void bind_cell(sqlite::Statement& statement, int parameter, const Cell& cell);

/// The cell lives until the statement's next step or reset.
[[nodiscard]] Cell cell_of(const sqlite::Statement& statement, int column);

/// As it is kept in `stele_meta`: 48 bytes.
[[nodiscard]] std::string checkpoint_bytes(const Checkpoint& checkpoint);

/// Up to where the read model in `database` holds the log; none if it is new. Errors: `corrupt`,
/// and SQLite's.
[[nodiscard]] Result<std::optional<Checkpoint>> stored_checkpoint(sqlite::Database& database);

}  // namespace stele::projection
