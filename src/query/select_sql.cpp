#include "query/select_sql.h"

#include <algorithm>
#include <array>
#include <optional>

#include "projection/sqlite/cells.h"
#include "projection/sqlite/full_text.h"
#include "stele/json.h"

namespace stele::query {
namespace {

using projection::sql_name;

constexpr int first_column = 3;  // After row_key, row_version, row_position.

const std::array<Column, 3>& kept_columns() {
  static const std::array<Column, 3> columns{{{"row_key", ColumnType::text, false},
                                              {"row_version", ColumnType::integer, false},
                                              {"row_position", ColumnType::integer, false}}};
  return columns;
}

struct Place {
  const Column* column;
  int result;  // Its place in the result of a select.
};

Result<Place> column_of(const ProjectionSpec& spec, std::string_view name) {
  for (std::size_t i = 0; i < kept_columns().size(); ++i) {
    if (kept_columns()[i].name == name) return Place{&kept_columns()[i], static_cast<int>(i)};
  }
  const auto found = std::ranges::find(spec.columns, name, &Column::name);
  if (found == spec.columns.end()) {
    return fail(Errc::invalid,
                "Read model \"" + spec.name + "\" has no column \"" + std::string{name} + "\".");
  }
  return Place{&*found, first_column + static_cast<int>(found - spec.columns.begin())};
}

bool fits(ColumnType type, Cell::Kind kind) {
  if (type == ColumnType::text) return kind == Cell::Kind::text;
  if (type == ColumnType::real) return kind == Cell::Kind::real || kind == Cell::Kind::integer;
  return kind == Cell::Kind::integer;
}

std::string_view sql_operator(Compare compare) {
  switch (compare) {
    case Compare::equal:
      return "=";
    case Compare::not_equal:
      return "<>";
    case Compare::less:
      return "<";
    case Compare::less_equal:
      return "<=";
    case Compare::greater:
      return ">";
    case Compare::greater_equal:
    case Compare::one_of:  // Is no operator; see one_of_sql.
      break;
  }
  return ">=";
}

std::unexpected<Error> too_many(std::string_view what, std::size_t found, std::size_t limit) {
  return fail(Errc::invalid, "A query has " + std::to_string(found) + " " + std::string{what} +
                                 "; at most " + std::to_string(limit) + " are allowed.");
}

std::unexpected<Error> wrong_type(const ProjectionSpec& spec, const Where& where) {
  return fail(Errc::invalid, "Column \"" + where.column + "\" of read model \"" + spec.name +
                                 "\" is compared with a value of another type.");
}

// One parameter however many values there are, so that the statement stays prepared: a JSON array.
Result<std::string> one_of_sql(const ProjectionSpec& spec, const Column& column, const Where& where,
                               SqlQuery& query) {
  if (where.values.size() > where_values_max) {
    return too_many("values in one condition", where.values.size(), where_values_max);
  }
  std::string json;
  JsonWriter writer{json};
  writer.begin_array();
  for (const Value& value : where.values) {
    const Cell cell = value.cell();
    if (!fits(column.type, cell.kind()) || cell.kind() == Cell::Kind::real) {
      return wrong_type(spec, where);
    }
    if (cell.kind() == Cell::Kind::text) {
      writer.string(cell.text());
    } else {
      writer.raw(std::to_string(cell.integer()));
    }
  }
  writer.end_array();
  if (writer.failed()) return wrong_type(spec, where);
  query.parameters.emplace_back(std::move(json));
  return sql_name(where.column) + " IN (SELECT value FROM json_each(?))";
}

Result<std::string> condition_sql(const ProjectionSpec& spec, const Where& where, SqlQuery& query) {
  const auto place = column_of(spec, where.column);
  if (!place) return std::unexpected{place.error()};
  const std::string name = sql_name(where.column);
  if (where.compare == Compare::one_of) return one_of_sql(spec, *place->column, where, query);
  const Cell cell = where.value.cell();
  if (cell.is_null() && where.compare == Compare::equal) return name + " IS NULL";
  if (cell.is_null() && where.compare == Compare::not_equal) return name + " IS NOT NULL";
  if (!fits(place->column->type, cell.kind())) return wrong_type(spec, where);
  query.parameters.push_back(where.value);
  return name + std::string{sql_operator(where.compare)} + "?";
}

Result<std::string> where_sql(const ProjectionSpec& spec, const std::vector<Where>& conditions,
                              SqlQuery& query) {
  if (conditions.size() > select_conditions_max) {
    return too_many("conditions", conditions.size(), select_conditions_max);
  }
  std::string sql;
  for (const Where& where : conditions) {
    auto condition = condition_sql(spec, where, query);
    if (!condition) return condition;
    sql += (sql.empty() ? " WHERE " : " AND ") + *condition;
  }
  return sql;
}

// Adds the condition that rows hold the words of `select.search`.
Result<void> add_search(const ProjectionSpec& spec, const Select& select, std::string& where,
                        SqlQuery& query) {
  std::optional<std::string> within;
  for (const Where& each : select.where) {
    if (each.column != spec.full_text_within || each.compare != Compare::equal) continue;
    if (each.value.cell().kind() == Cell::Kind::text) within = each.value.cell().text();
  }
  auto match = projection::match_text(spec, select.search, within);
  if (!match) return std::unexpected{std::move(match.error())};
  where += where.empty() ? " WHERE " : " AND ";
  where += projection::search_condition(spec);
  query.parameters.emplace_back(std::move(*match));
  return {};
}

// The columns that order the rows, the key last, so that no two rows are equal in it.
Result<std::vector<std::string>> order_of(const ProjectionSpec& spec, const Select& select,
                                          SqlQuery& query) {
  if (select.order_by.size() > order_columns_max) {
    return too_many("columns of order", select.order_by.size(), order_columns_max);
  }
  std::vector<std::string> columns;
  for (const std::string& name : select.order_by) {
    if (name == "row_key") break;  // What comes after the key orders nothing.
    const auto place = column_of(spec, name);
    if (!place) return std::unexpected{place.error()};
    if (place->column->nullable) {
      return fail(Errc::invalid, "Read model \"" + spec.name + "\" cannot be ordered by \"" + name +
                                     "\": it may be NULL.");
    }
    columns.push_back(sql_name(name));
    query.order.push_back(place->result);
  }
  columns.emplace_back("row_key");
  query.order.push_back(0);
  return columns;
}

std::string joined(const std::vector<std::string>& parts, std::string_view between,
                   std::string_view after = {}) {
  std::string text;
  for (const std::string& part : parts) {
    if (!text.empty()) text += between;
    text += part;
    text += after;
  }
  return text;
}

std::string head_sql(const ProjectionSpec& spec) {
  std::string sql = "SELECT row_key, row_version, row_position";
  for (const Column& column : spec.columns) sql += ", " + sql_name(column.name);
  return sql + " FROM " + sql_name(spec.name);
}

}  // namespace

Result<SqlQuery> select_sql(const ProjectionSpec& spec, const Select& select,
                            const std::vector<Value>& place) {
  if (select.limit < 1 || select.limit > select_limit_max) {
    return fail(Errc::invalid, "A page of " + std::to_string(select.limit) +
                                   " rows was asked for; 1 to " + std::to_string(select_limit_max) +
                                   " are allowed.");
  }
  SqlQuery query;
  auto where = where_sql(spec, select.where, query);
  if (!where) return std::unexpected{std::move(where.error())};
  if (!select.search.empty()) {
    if (auto added = add_search(spec, select, *where, query); !added) {
      return std::unexpected{std::move(added.error())};
    }
  }
  const auto order = order_of(spec, select, query);
  if (!order) return std::unexpected{order.error()};
  query.sql = head_sql(spec) + *where;
  if (!place.empty()) {
    if (place.size() != order->size()) {
      return fail(Errc::invalid, "The cursor does not fit the query. Start again without it.");
    }
    query.sql += where->empty() ? " WHERE " : " AND ";
    query.sql += "(" + joined(*order, ", ") + ")" + (select.descending ? "<" : ">") + "(";
    query.sql += joined(std::vector<std::string>(order->size(), "?"), ", ") + ")";
    query.parameters.insert(query.parameters.end(), place.begin(), place.end());
  }
  query.sql += " ORDER BY " + joined(*order, ", ", select.descending ? " DESC" : "");
  query.sql += " LIMIT ?";
  query.parameters.emplace_back(select.limit + 1);
  return query;
}

Result<SqlQuery> total_sql(const ProjectionSpec& spec, const Totals& totals) {
  if (totals.sums.size() > sums_max) return too_many("sums", totals.sums.size(), sums_max);
  if (totals.group_by.size() > order_columns_max) {
    return too_many("columns to group by", totals.group_by.size(), order_columns_max);
  }
  SqlQuery query;
  std::vector<std::string> groups;
  for (const std::string& name : totals.group_by) {
    const auto place = column_of(spec, name);
    if (!place) return std::unexpected{place.error()};
    groups.push_back(sql_name(name));
  }
  std::vector<std::string> columns = groups;
  columns.emplace_back("count(*)");
  for (const std::string& name : totals.sums) {
    const auto place = column_of(spec, name);
    if (!place) return std::unexpected{place.error()};
    if (!fits(place->column->type, Cell::Kind::integer) ||
        place->column->type == ColumnType::real) {
      return fail(Errc::invalid, "Column \"" + name + "\" of read model \"" + spec.name +
                                     "\" does not hold whole numbers, so it has no exact sum.");
    }
    columns.push_back("ifnull(sum(" + sql_name(name) + "),0)");
  }
  auto where = where_sql(spec, totals.where, query);
  if (!where) return std::unexpected{std::move(where.error())};
  query.sql = "SELECT " + joined(columns, ", ") + " FROM " + sql_name(spec.name) + *where;
  if (!groups.empty()) {
    const std::string by = joined(groups, ", ");
    query.sql += " GROUP BY " + by + " ORDER BY " + by;
    query.sql += " LIMIT " + std::to_string(groups_max + 1);
  }
  return query;
}

std::string find_sql(const ProjectionSpec& spec) { return head_sql(spec) + " WHERE row_key=?"; }

}  // namespace stele::query
