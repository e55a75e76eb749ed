// SQL for custom projections and for those who read what they wrote, on one connection.

#pragma once

#include <vector>

#include "drivers/sqlite/sqlite.h"
#include "stele/custom_projection.h"

namespace stele::projection {

/// `database` must outlive it. Statements that begin or end transactions are refused: those are the
/// sink's.
class DatabaseClient final : public SqlClient {
 public:
  explicit DatabaseClient(sqlite::Database& database) : database_{database} {}

  [[nodiscard]] Result<std::uint64_t> execute(std::string_view sql,
                                              std::span<const Cell> parameters) override;
  [[nodiscard]] Result<void> query(std::string_view sql, std::span<const Cell> parameters,
                                   const OnCells& on_row) override;

 private:
  Result<sqlite::Statement> ready(std::string_view sql, std::span<const Cell> parameters);

  sqlite::Database& database_;
};

}  // namespace stele::projection
