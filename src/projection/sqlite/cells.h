// Cells to and from SQLite: shared by the sink that writes read models and the reader in query/.

#pragma once

#include <string>
#include <string_view>

#include "drivers/sqlite/sqlite.h"
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

}  // namespace stele::projection
