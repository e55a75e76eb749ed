#include "projection/sqlite/sqlite_sink.h"

#include <optional>
#include <system_error>
#include <utility>

#include "drivers/sqlite/sqlite.h"
#include "projection/sqlite/cells.h"
#include "projection/sqlite/full_text.h"
#include "projection/sqlite/schema.h"
#include "projection/sqlite/sql_client.h"

namespace stele::projection {
namespace {

constexpr int page_cache_kib = 8 * 1'024;
constexpr int busy_timeout_ms = 2'000;  // The engine retries what takes longer.

constexpr const char* put_meta = "INSERT OR REPLACE INTO stele_meta(key, value) VALUES(?,?)";

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
    spec_ = spec;
    const auto made = make_tables();
    if (!made) return std::unexpected{made.error()};
    const auto stored = stored_state(*database_);
    if (!stored) return std::unexpected{stored.error()};
    held_ = *stored;
    const auto prepared = prepare();
    if (!prepared) return std::unexpected{prepared.error()};
    client_.emplace(*database_);
    return held_.checkpoint;
  }

  [[nodiscard]] Result<std::vector<Parked>> parked() override {
    auto statement = database_->cached(
        "SELECT key, from_version, from_position, error, attempts FROM stele_parked ORDER BY key");
    if (!statement) return std::unexpected{std::move(statement.error())};
    std::vector<Parked> all;
    while (true) {
      const auto row = statement->step();
      if (!row) return std::unexpected{row.error()};
      if (!*row) return all;
      all.push_back({.key = std::string{statement->text(0)},
                     .from_version = Version{static_cast<std::uint64_t>(statement->int64(1))},
                     .from_position = Position{static_cast<std::uint64_t>(statement->int64(2))},
                     .error = std::string{statement->text(3)},
                     .attempts = static_cast<unsigned>(statement->int64(4))});
    }
  }

  [[nodiscard]] Result<void> begin() override {
    if (!meta_) return fail(Errc::unavailable, "The read model at " + place_ + " is not open.");
    auto transaction = sqlite::Transaction::begin(*database_);
    if (!transaction) return std::unexpected{std::move(transaction.error())};
    const auto stored = stored_state(*database_);
    if (!stored) return std::unexpected{stored.error()};
    if (stored->checkpoint != held_.checkpoint || stored->commits != held_.commits) {
      return fail(Errc::unavailable, "The read model at " + place_ +
                                         " was moved by another writer. Its checkpoint is read "
                                         "again; let only one process write it.");
    }
    next_ = held_;
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

  [[nodiscard]] Result<void> park(const Parked& parked) override {
    auto statement = database_->cached(
        "INSERT OR REPLACE INTO stele_parked(key, from_version, from_position, error, attempts) "
        "VALUES(?,?,?,?,?)");
    if (!statement) return std::unexpected{std::move(statement.error())};
    statement->bind(0, std::string_view{parked.key});
    statement->bind(1, static_cast<std::int64_t>(number(parked.from_version)));
    statement->bind(2, static_cast<std::int64_t>(number(parked.from_position)));
    statement->bind(3, std::string_view{parked.error});
    statement->bind(4, static_cast<std::int64_t>(parked.attempts));
    auto done = statement->run();
    if (!done) return done;
    return count_parked();
  }

  [[nodiscard]] Result<void> unpark(std::string_view key) override {
    auto statement = database_->cached("DELETE FROM stele_parked WHERE key=?");
    if (!statement) return std::unexpected{std::move(statement.error())};
    statement->bind(0, key);
    auto done = statement->run();
    if (!done) return done;
    return count_parked();
  }

  [[nodiscard]] Result<void> clear(Position after, Position shown_from) override {
    const auto bound = static_cast<std::int64_t>(number(after));
    auto done =
        database_->execute("DELETE FROM stele_parked WHERE from_position>" + std::to_string(bound));
    if (done && after == Position{}) {
      load_.reset();  // Statements of tables that go.
      put_.reset();
      delete_.reset();
      done = drop_tables(*database_);
      if (done) done = database_->execute(create_sql(spec_));
      if (done) done = prepare_rows();
    } else if (done && spec_.kind != ProjectionKind::custom) {
      done = database_->execute("DELETE FROM " + sql_name(spec_.name) + " WHERE row_position>" +
                                std::to_string(bound));
    }
    if (!done) return done;
    next_.shown_from = shown_from;
    auto written = write_number("shown_from", number(shown_from));
    if (!written) return written;
    return count_parked();
  }

  [[nodiscard]] Result<void> commit(const Checkpoint& checkpoint) override {
    Result<void> done;
    if (next_.shown_from != Position{} && checkpoint.position >= next_.shown_from) {
      next_.shown_from = {};
      done = database_->execute("DELETE FROM stele_meta WHERE key='shown_from'");
    }
    ++next_.commits;
    next_.checkpoint = checkpoint;
    const std::string bytes = checkpoint_bytes(checkpoint, next_.commits);
    meta_->bind(0, std::string_view{"checkpoint"});
    meta_->bind_blob(1, bytes);
    if (done) done = meta_->run();
    if (done) done = transaction_->commit();
    transaction_.reset();  // Rolls back what was not committed.
    if (done) held_ = next_;
    return done;
  }

  void abandon() noexcept override {
    if (load_) load_->reset();  // A statement in the middle of its rows would hold the transaction.
    transaction_.reset();
  }

  [[nodiscard]] SqlClient* sql() noexcept override { return client_ ? &*client_ : nullptr; }
  [[nodiscard]] Position shown_from() const noexcept override { return held_.shown_from; }
  [[nodiscard]] bool atomic() const noexcept override { return true; }
  [[nodiscard]] std::string place() const override { return place_; }

 private:
  void close() {
    transaction_.reset();
    client_.reset();
    meta_.reset();
    load_.reset();
    put_.reset();
    delete_.reset();
    database_.reset();
    held_ = {};
  }

  Result<void> make_tables() {
    auto transaction = sqlite::Transaction::begin(*database_);
    if (!transaction) return std::unexpected{std::move(transaction.error())};
    auto done = database_->execute(stele_tables_sql());
    if (!done) return done;
    const std::string wanted = schema_text(spec_);
    const auto stored = database_->query_text("SELECT value FROM stele_meta WHERE key='schema'");
    if (!stored) return std::unexpected{stored.error()};
    if (*stored && **stored != wanted) {
      return fail(Errc::invalid, "The read model at " + place_ +
                                     " has other columns or indexes than the program's. Raise the "
                                     "generation of projection \"" +
                                     spec_.name + "\", so that it is built anew.");
    }
    if (!*stored) {
      done = database_->execute(create_sql(spec_));
      if (!done) return done;
      auto statement = database_->prepare(put_meta);
      if (!statement) return std::unexpected{std::move(statement.error())};
      statement->bind(0, std::string_view{"schema"});
      statement->bind(1, std::string_view{wanted});
      done = statement->run();
      if (!done) return done;
    }
    return transaction->commit();
  }

  Result<void> prepare() {
    if (!held_.checkpoint && spec_.kind != ProjectionKind::custom) {
      const auto rows =
          database_->query_int64("SELECT EXISTS(SELECT 1 FROM " + sql_name(spec_.name) + ")");
      if (!rows) return std::unexpected{rows.error()};
      if (rows->value_or(0) != 0) {
        return fail(Errc::corrupt, "The read model at " + place_ +
                                       " holds rows but no checkpoint, so nobody knows what they "
                                       "show. Rebuild the projection side by side, and promote the "
                                       "new generation.");
      }
    }
    auto prepared = database_->prepare(put_meta);
    if (!prepared) return std::unexpected{std::move(prepared.error())};
    meta_.emplace(std::move(*prepared));
    return prepare_rows();
  }

  Result<void> prepare_rows() {
    if (spec_.kind == ProjectionKind::custom) return {};
    const std::pair<std::optional<sqlite::Statement>*, std::string> all[] = {
        {&load_, load_sql(spec_)},
        {&put_, put_sql(spec_)},
        {&delete_, "DELETE FROM " + sql_name(spec_.name) + " WHERE row_key=? AND row_position<=?"}};
    for (const auto& [statement, sql] : all) {
      auto prepared = database_->prepare(sql);
      if (!prepared) return std::unexpected{std::move(prepared.error())};
      statement->emplace(std::move(*prepared));
    }
    cells_.resize(spec_.columns.size());
    return {};
  }

  // Readers learn from it whether there is anything to look up at all.
  Result<void> count_parked() {
    const auto count = database_->query_int64("SELECT count(*) FROM stele_parked");
    if (!count) return std::unexpected{count.error()};
    next_.parked = static_cast<std::uint64_t>(count->value_or(0));
    return write_number("parked", next_.parked);
  }

  Result<void> write_number(std::string_view key, std::uint64_t value) {
    meta_->bind(0, key);
    meta_->bind(1, static_cast<std::int64_t>(value));
    return meta_->run();
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
  std::optional<DatabaseClient> client_;
  ProjectionSpec spec_;
  StoredState held_;  // As it was committed last,
  StoredState next_;  // and as the batch will leave it.
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
