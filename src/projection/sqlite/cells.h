// Cells and checkpoints to and from SQLite: shared by the sink that writes read models and the
// reader in query/.

#pragma once

#include <cstdint>
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

/// What `stele_meta` says of a generation.
struct StoredState {
  std::optional<Checkpoint> checkpoint;
  std::uint64_t commits = 0;  ///< Counts them: two writers never both hold the newest.
  Position shown_from{};      ///< Readers are shown nothing before the checkpoint is here.
  std::uint64_t parked = 0;   ///< Keys.
};

/// A checkpoint as it is kept: 56 bytes, the last 8 of them `commits`.
[[nodiscard]] std::string checkpoint_bytes(const Checkpoint& checkpoint, std::uint64_t commits);

/// Without a checkpoint if the generation is new. Errors: `corrupt`, and SQLite's.
[[nodiscard]] Result<StoredState> stored_state(sqlite::Database& database);

}  // namespace stele::projection
