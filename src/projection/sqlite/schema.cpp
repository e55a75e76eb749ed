#include "projection/sqlite/schema.h"

#include "projection/sqlite/cells.h"
#include "projection/sqlite/full_text.h"

namespace stele::projection {
namespace {

std::string_view sql_type(ColumnType type) {
  switch (type) {
    case ColumnType::real:
      return "REAL";
    case ColumnType::text:
      return "TEXT";
    case ColumnType::boolean:
    case ColumnType::integer:
    case ColumnType::timestamp:
    case ColumnType::money:
      break;
  }
  return "INTEGER";
}

// What is compared to find a changed row: names and types in order, and nothing that a new version
// of SQLite or of this file would write differently.
std::string columns_text(const ProjectionSpec& spec) {
  std::string text;
  for (const Column& column : spec.columns) {
    text += column.name + " " + std::string{sql_type(column.type)};
    text += column.nullable ? " null\n" : "\n";
  }
  return text;
}

}  // namespace

std::string schema_text(const ProjectionSpec& spec) {
  if (spec.kind == ProjectionKind::custom) return "custom\n" + spec.tables;
  std::string text = columns_text(spec);
  for (const auto& index : spec.indexes) {
    text += "index";
    for (const std::string& column : index) text += " " + column;
    text += "\n";
  }
  return text + full_text_schema(spec);
}

std::string create_sql(const ProjectionSpec& spec) {
  if (spec.kind == ProjectionKind::custom) return spec.tables;
  std::string sql = "CREATE TABLE " + sql_name(spec.name);
  sql += has_full_text(spec) ? "(row_id INTEGER PRIMARY KEY, row_key TEXT NOT NULL UNIQUE"
                             : "(row_key TEXT PRIMARY KEY NOT NULL";
  sql += ", row_version INTEGER NOT NULL, row_position INTEGER NOT NULL";
  for (const Column& column : spec.columns) {
    sql += ", " + sql_name(column.name) + " ";
    sql += sql_type(column.type);
    if (!column.nullable) sql += " NOT NULL";
  }
  sql += has_full_text(spec) ? ");" : ") WITHOUT ROWID;";
  for (std::size_t i = 0; i < spec.indexes.size(); ++i) {
    sql += "CREATE INDEX " + sql_name(spec.name + "_" + std::to_string(i + 1)) + " ON " +
           sql_name(spec.name) + "(";
    for (std::size_t c = 0; c < spec.indexes[i].size(); ++c) {
      sql += (c == 0 ? "" : ", ") + sql_name(spec.indexes[i][c]);
    }
    sql += ");";
  }
  return sql + full_text_sql(spec);
}

std::string load_sql(const ProjectionSpec& spec) {
  std::string sql = "SELECT row_version, row_position";
  for (const Column& column : spec.columns) sql += ", " + sql_name(column.name);
  return sql + " FROM " + sql_name(spec.name) + " WHERE row_key=?";
}

// An older write never replaces a newer one.
std::string put_sql(const ProjectionSpec& spec) {
  std::string columns = "row_key, row_version, row_position";
  std::string places = "?,?,?";
  std::string sets = "row_version=excluded.row_version, row_position=excluded.row_position";
  for (const Column& column : spec.columns) {
    columns += ", " + sql_name(column.name);
    places += ",?";
    sets += ", " + sql_name(column.name) + "=excluded." + sql_name(column.name);
  }
  return "INSERT INTO " + sql_name(spec.name) + "(" + columns + ") VALUES(" + places +
         ") ON CONFLICT(row_key) DO UPDATE SET " + sets +
         " WHERE excluded.row_position>=row_position";
}

bool same_columns(std::string_view stored_schema, const ProjectionSpec& spec) {
  if (spec.kind == ProjectionKind::custom) return stored_schema == schema_text(spec);
  const std::string columns = columns_text(spec);
  if (!stored_schema.starts_with(columns)) return false;
  const std::string_view rest = stored_schema.substr(columns.size());
  // "name TYPE" is one more column, "index name" and "words name" are none: names are lower case.
  const std::size_t space = rest.find(' ');
  const bool one_more = space != std::string_view::npos && space + 1 < rest.size() &&
                        rest[space + 1] >= 'A' && rest[space + 1] <= 'Z';
  return !one_more && rest.ends_with(full_text_schema(spec));
}

std::string stele_tables_sql() {
  return "CREATE TABLE IF NOT EXISTS stele_meta(key TEXT PRIMARY KEY NOT NULL, value NOT NULL) "
         "WITHOUT ROWID;"
         "CREATE TABLE IF NOT EXISTS stele_parked(key TEXT PRIMARY KEY NOT NULL, "
         "from_version INTEGER NOT NULL, from_position INTEGER NOT NULL, error TEXT NOT NULL, "
         "attempts INTEGER NOT NULL) WITHOUT ROWID;";
}

Result<void> drop_tables(sqlite::Database& database) {
  // Virtual tables take their shadow tables with them, so they go first.
  constexpr std::string_view next =
      "SELECT type||' \"'||replace(name,'\"','\"\"')||'\"' FROM sqlite_master "
      "WHERE type IN ('table','view') AND substr(name,1,7)<>'sqlite_' "
      "AND name NOT IN ('stele_meta','stele_parked') "
      "ORDER BY type='view' DESC, sql LIKE 'CREATE VIRTUAL%' DESC LIMIT 1";
  while (true) {
    const auto found = database.query_text(next);
    if (!found) return std::unexpected{found.error()};
    if (!*found) return {};
    auto dropped = database.execute("DROP " + **found);
    if (!dropped) return dropped;
  }
}

}  // namespace stele::projection
