#include "projection/sqlite/sqlite_sink.h"

#include <optional>
#include <system_error>
#include <utility>

#include "drivers/sqlite/sqlite.h"
#include "projection/sqlite/cells.h"
#include "projection/sqlite/full_text.h"

namespace stele::projection {
namespace {

constexpr int page_cache_kib = 8 * 1'024;
constexpr int busy_timeout_ms = 2'000;  // The engine retries what takes longer.

constexpr const char* put_meta = "INSERT OR REPLACE INTO stele_meta(key, value) VALUES(?,?)";

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
std::string schema_text(const ProjectionSpec& spec) {
  std::string text;
  for (const Column& column : spec.columns) {
    text += column.name + " " + std::string{sql_type(column.type)};
    text += column.nullable ? " null\n" : "\n";
  }
  for (const auto& index : spec.indexes) {
    text += "index";
    for (const std::string& column : index) text += " " + column;
    text += "\n";
  }
  return text + full_text_schema(spec);
}

std::string create_sql(const ProjectionSpec& spec) {
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

class SqliteSink final : public Sink {
 public:
  explicit SqliteSink(std::filesystem::path folder) : folder_{std::move(folder)} {}

  [[nodiscard]] Result<std::optional<Checkpoint>> open(const ProjectionSpec& spec) override {
    close();
    std::error_code failed;
    std::filesystem::create_directories(folder_, failed);
    const std::filesystem::path file = sqlite_file(folder_, spec);
    place_ = file.string();
    auto database = sqlite::Database::open(place_, {.synchronous = sqlite::Synchronous::normal,
                                                    .busy_timeout_ms = busy_timeout_ms,
                                                    .cache_kib = page_cache_kib,
                                                    .trusted_schema = has_full_text(spec)});
    if (!database) return std::unexpected{std::move(database.error())};
    database_ = std::move(*database);
    const auto made = make_tables(spec);
    if (!made) return std::unexpected{made.error()};
    auto checkpoint = stored_checkpoint(*database_);
    if (!checkpoint) return checkpoint;
    held_ = *checkpoint;
    const auto prepared = prepare(spec);
    if (!prepared) return std::unexpected{prepared.error()};
    return held_;
  }

  [[nodiscard]] Result<void> begin() override {
    if (!delete_) return fail(Errc::unavailable, "The read model at " + place_ + " is not open.");
    auto transaction = sqlite::Transaction::begin(*database_);
    if (!transaction) return std::unexpected{std::move(transaction.error())};
    const auto stored = stored_checkpoint(*database_);
    if (!stored) return std::unexpected{stored.error()};
    if (*stored != held_) {
      return fail(Errc::unavailable, "The read model at " + place_ +
                                         " was moved by another writer. Its checkpoint is read "
                                         "again; let only one process write it.");
    }
    transaction_.emplace(std::move(*transaction));
    return {};
  }

  [[nodiscard]] Result<void> load(std::span<const std::string_view> keys,
                                  const OnRow& on_row) override {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      load_->bind(0, keys[i]);
      const auto row = load_->step();
      if (!row) return std::unexpected{row.error()};
      Result<void> taken;
      if (*row) taken = give(i, on_row);
      load_->reset();
      if (!taken) return taken;
    }
    return {};
  }

  [[nodiscard]] Result<void> put(const RowWrite& row) override {
    if (row.erase) {
      delete_->bind(0, row.key);
      delete_->bind(1, static_cast<std::int64_t>(number(row.position)));
      return delete_->run();
    }
    put_->bind(0, row.key);
    put_->bind(1, static_cast<std::int64_t>(number(row.version)));
    put_->bind(2, static_cast<std::int64_t>(number(row.position)));
    int parameter = 3;
    for (const Cell& cell : row.cells) bind_cell(*put_, parameter++, cell);
    return put_->run();
  }

  [[nodiscard]] Result<void> commit(const Checkpoint& checkpoint) override {
    const std::string bytes = checkpoint_bytes(checkpoint);
    meta_->bind(0, std::string_view{"checkpoint"});
    meta_->bind_blob(1, bytes);
    Result<void> done = meta_->run();
    if (done) done = transaction_->commit();
    transaction_.reset();  // Rolls back what was not committed.
    if (done) held_ = checkpoint;
    return done;
  }

  void abandon() noexcept override {
    if (load_) load_->reset();  // A statement in the middle of its rows would hold the transaction.
    transaction_.reset();
  }

  [[nodiscard]] bool atomic() const noexcept override { return true; }
  [[nodiscard]] std::string place() const override { return place_; }

 private:
  void close() {
    transaction_.reset();
    meta_.reset();
    load_.reset();
    put_.reset();
    delete_.reset();
    database_.reset();
    held_.reset();
  }

  Result<void> make_tables(const ProjectionSpec& spec) {
    auto transaction = sqlite::Transaction::begin(*database_);
    if (!transaction) return std::unexpected{std::move(transaction.error())};
    auto done = database_->execute(
        "CREATE TABLE IF NOT EXISTS stele_meta(key TEXT PRIMARY KEY NOT NULL, value NOT NULL) "
        "WITHOUT ROWID");
    if (!done) return done;
    const std::string wanted = schema_text(spec);
    const auto stored = database_->query_text("SELECT value FROM stele_meta WHERE key='schema'");
    if (!stored) return std::unexpected{stored.error()};
    if (*stored && **stored != wanted) {
      return fail(Errc::invalid, "The read model at " + place_ +
                                     " has other columns or indexes than the program's. Raise the "
                                     "generation of projection \"" +
                                     spec.name + "\", so that it is built anew.");
    }
    if (*stored) return {};
    done = database_->execute(create_sql(spec));
    if (!done) return done;
    auto statement = database_->prepare(put_meta);
    if (!statement) return std::unexpected{std::move(statement.error())};
    statement->bind(0, std::string_view{"schema"});
    statement->bind(1, std::string_view{wanted});
    done = statement->run();
    if (!done) return done;
    return transaction->commit();
  }

  Result<void> prepare(const ProjectionSpec& spec) {
    if (!held_) {
      const auto rows =
          database_->query_int64("SELECT EXISTS(SELECT 1 FROM " + sql_name(spec.name) + ")");
      if (!rows) return std::unexpected{rows.error()};
      if (rows->value_or(0) != 0) {
        return fail(Errc::corrupt, "The read model at " + place_ +
                                       " holds rows but no checkpoint, so nobody knows what they "
                                       "show. Remove the file; it is built anew.");
      }
    }
    const std::pair<std::optional<sqlite::Statement>*, std::string> all[] = {
        {&meta_, put_meta},
        {&load_, load_sql(spec)},
        {&put_, put_sql(spec)},
        {&delete_, "DELETE FROM " + sql_name(spec.name) + " WHERE row_key=? AND row_position<=?"}};
    for (const auto& [statement, sql] : all) {
      auto prepared = database_->prepare(sql);
      if (!prepared) return std::unexpected{std::move(prepared.error())};
      statement->emplace(std::move(*prepared));
    }
    cells_.resize(spec.columns.size());
    return {};
  }

  Result<void> give(std::size_t key, const OnRow& on_row) {
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      cells_[i] = cell_of(*load_, static_cast<int>(i) + 2);
    }
    return on_row(key, {.version = Version{static_cast<std::uint64_t>(load_->int64(0))},
                        .position = Position{static_cast<std::uint64_t>(load_->int64(1))},
                        .cells = cells_});
  }

  std::filesystem::path folder_;
  std::string place_;
  std::unique_ptr<sqlite::Database> database_;  // Before its statements: they end first.
  std::optional<sqlite::Statement> meta_, load_, put_, delete_;
  std::optional<sqlite::Transaction> transaction_;
  std::optional<Checkpoint> held_;
  std::vector<Cell> cells_;
};

}  // namespace

std::filesystem::path sqlite_file(const std::filesystem::path& folder, const ProjectionSpec& spec) {
  return folder / (spec.name + "-g" + std::to_string(spec.generation) + ".sqlite");
}

std::unique_ptr<Sink> make_sqlite_sink(std::filesystem::path folder) {
  return std::make_unique<SqliteSink>(std::move(folder));
}

}  // namespace stele::projection
