// A checked query as SQL text with its parameters.

#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "stele/projection.h"
#include "stele/read_model.h"

namespace stele::query {

inline constexpr std::size_t order_columns_max = 4;
inline constexpr std::size_t sums_max = 8;
inline constexpr std::size_t groups_max = 10'000;  ///< Rows of one answer of totals.

struct SqlQuery {
  std::string sql;
  std::vector<Value> parameters;
  /// For a select: which of the row's columns order it, as places in the result. The key is 0.
  std::vector<int> order;
};

/// `SELECT row_key, row_version, row_position, <columns>`, one row more than `select.limit`, after
/// `place` (values of the order, then the key) unless that is empty. Errors: `invalid`.
[[nodiscard]] Result<SqlQuery> select_sql(const ProjectionSpec& spec, const Select& select,
                                          const std::vector<Value>& place);

/// `SELECT <group>, count, <sums>`. Errors: `invalid`.
[[nodiscard]] Result<SqlQuery> total_sql(const ProjectionSpec& spec, const Totals& totals);

/// One row by its key, its only parameter; the same columns as `select_sql`.
[[nodiscard]] std::string find_sql(const ProjectionSpec& spec);

}  // namespace stele::query
