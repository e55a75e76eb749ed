#include "query/sqlite_reader.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "drivers/sqlite/sqlite.h"
#include "projection/sqlite/cells.h"
#include "projection/sqlite/schema.h"
#include "projection/sqlite/sql_client.h"
#include "projection/sqlite/sqlite_generations.h"
#include "projection/sqlite/sqlite_sink.h"
#include "query/cursor.h"
#include "query/select_sql.h"

namespace stele::query {
namespace {

constexpr int busy_timeout_ms = 2'000;
constexpr int page_cache_kib = 2 * 1'024;  // For each connection; the system caches the file too.
constexpr std::chrono::milliseconds retry_interval{5};  // While the read model is being made.
constexpr int first_column = 3;                         // After row_key, row_version, row_position.

/// The open connections of one generation of a read model. Thread-safe.
class Pool {
 public:
  Pool(std::string path, std::size_t connections_max)
      : path_{std::move(path)}, connections_max_{connections_max} {}

  Result<std::unique_ptr<sqlite::Database>> take(std::chrono::microseconds timeout) {
    {
      std::unique_lock lock{mutex_};
      const bool ready = free_.wait_for(
          lock, timeout, [this] { return !idle_.empty() || taken_ < connections_max_; });
      if (!ready) {
        return fail(Errc::timed_out, "All " + std::to_string(connections_max_) +
                                         " connections to the read model at " + path_ +
                                         " are in use. Retry soon.");
      }
      ++taken_;
      if (!idle_.empty()) {
        auto database = std::move(idle_.back());
        idle_.pop_back();
        return database;
      }
    }
    auto database = sqlite::Database::open(path_, {.access = sqlite::Access::read_only,
                                                   .busy_timeout_ms = busy_timeout_ms,
                                                   .cache_kib = page_cache_kib});
    if (!database) give_back(nullptr);
    return database;
  }

  /// Whether the sink has made its tables, and they are those of this program.
  [[nodiscard]] bool made() const noexcept { return made_.load(std::memory_order_relaxed); }
  void set_made() noexcept { made_.store(true, std::memory_order_relaxed); }

  void give_back(std::unique_ptr<sqlite::Database> database) {
    const std::lock_guard lock{mutex_};
    --taken_;
    if (database) idle_.push_back(std::move(database));
    free_.notify_one();
  }

 private:
  const std::string path_;
  const std::size_t connections_max_;
  std::atomic<bool> made_{false};

  std::mutex mutex_;
  std::condition_variable free_;
  std::vector<std::unique_ptr<sqlite::Database>> idle_;  // Guarded, as is the next.
  std::size_t taken_ = 0;
};

class SqliteSnapshot final : public RowSnapshot {
 public:
  SqliteSnapshot(std::shared_ptr<Pool> pool, const ProjectionSpec& spec,
                 std::unique_ptr<sqlite::Database> database)
      : pool_{std::move(pool)},
        spec_{spec},
        database_{std::move(database)},
        client_{*database_},
        cells_(spec.columns.size()) {}

  ~SqliteSnapshot() override {
    transaction_.reset();
    pool_->give_back(std::move(database_));
  }

  Result<void> begin() {
    auto transaction = sqlite::Transaction::begin(*database_, sqlite::Transaction::Kind::deferred);
    if (!transaction) return std::unexpected{std::move(transaction.error())};
    transaction_.emplace(std::move(*transaction));
    if (auto made = check_made(); !made) return made;
    const auto state = projection::stored_state(*database_);  // Fixes what is seen.
    if (!state) return std::unexpected{state.error()};
    if (state->checkpoint) position_ = state->checkpoint->position;
    has_parked_ = state->parked > 0;
    if (position_ < state->shown_from) {
      return fail(Errc::unavailable,
                  "The read model \"" + spec_.name + "\" is being rebuilt and stands at position " +
                      std::to_string(number(position_)) + "; it was shown up to " +
                      std::to_string(number(state->shown_from)) + ". Retry in a moment.");
    }
    return {};
  }

  [[nodiscard]] Position position() const override { return position_; }

  [[nodiscard]] Result<bool> find(std::string_view key, const OnRow& on_row) override {
    auto statement = database_->cached(find_sql(spec_));
    if (!statement) return std::unexpected{std::move(statement.error())};
    statement->bind(0, key);
    const auto row = statement->step();
    if (!row) return std::unexpected{row.error()};
    if (!*row) return false;
    const auto given = give(*statement, on_row);
    if (!given) return std::unexpected{given.error()};
    return true;
  }

  [[nodiscard]] Result<std::string> select(const Select& select, const OnRow& on_row) override {
    const std::uint64_t hash = hash_of_query(spec_.name, select);
    std::vector<Value> place;
    if (!select.cursor.empty()) {
      auto decoded = decode_cursor(select.cursor, hash);
      if (!decoded) return std::unexpected{std::move(decoded.error())};
      place = std::move(*decoded);
    }
    const auto query = select_sql(spec_, select, place);
    if (!query) return std::unexpected{query.error()};
    auto statement = run(*query);
    if (!statement) return std::unexpected{std::move(statement.error())};
    std::vector<Value> last;
    for (std::size_t rows = 0;; ++rows) {
      const auto row = statement->step();
      if (!row) return std::unexpected{row.error()};
      if (!*row) return std::string{};
      if (rows == select.limit) return next_cursor(hash, last);
      const auto given = give(*statement, on_row);
      if (!given) return std::unexpected{given.error()};
      if (rows + 1 == select.limit) last = place_of(*statement, *query);
    }
  }

  [[nodiscard]] Result<std::vector<Total>> total(const Totals& totals) override {
    const auto query = total_sql(spec_, totals);
    if (!query) return std::unexpected{query.error()};
    auto statement = run(*query);
    if (!statement) return std::unexpected{std::move(statement.error())};
    std::vector<Total> all;
    while (true) {
      const auto row = statement->step();
      if (!row) return std::unexpected{row.error()};
      if (!*row) return all;
      if (all.size() == groups_max) {
        return fail(Errc::too_large, "The totals of read model \"" + spec_.name +
                                         "\" fall into more than " + std::to_string(groups_max) +
                                         " groups. Group by fewer columns, or add conditions.");
      }
      Total& total = all.emplace_back();
      int column = 0;
      for (std::size_t i = 0; i < totals.group_by.size(); ++i) {
        total.group.push_back(Value::of(projection::cell_of(*statement, column++)));
      }
      total.count = static_cast<std::uint64_t>(statement->int64(column++));
      for (std::size_t i = 0; i < totals.sums.size(); ++i) {
        total.sums.push_back(statement->int64(column++));
      }
    }
  }

  [[nodiscard]] Result<bool> parked(std::string_view key) override {
    if (!has_parked_) return false;
    auto statement = database_->cached("SELECT 1 FROM stele_parked WHERE key=?");
    if (!statement) return std::unexpected{std::move(statement.error())};
    statement->bind(0, key);
    return statement->step();
  }

  [[nodiscard]] SqlClient* sql() noexcept override { return &client_; }

 private:
  Result<sqlite::Statement> run(const SqlQuery& query) {
    auto statement = database_->cached(query.sql);
    if (!statement) return statement;
    for (std::size_t i = 0; i < query.parameters.size(); ++i) {
      projection::bind_cell(*statement, static_cast<int>(i), query.parameters[i].cell());
    }
    return statement;
  }

  Result<void> give(const sqlite::Statement& statement, const OnRow& on_row) {
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      cells_[i] = projection::cell_of(statement, first_column + static_cast<int>(i));
    }
    return on_row(statement.text(0),
                  {.version = Version{static_cast<std::uint64_t>(statement.int64(1))},
                   .position = Position{static_cast<std::uint64_t>(statement.int64(2))},
                   .cells = cells_});
  }

  static std::vector<Value> place_of(const sqlite::Statement& statement, const SqlQuery& query) {
    std::vector<Value> place;
    for (const int column : query.order) {
      place.push_back(Value::of(projection::cell_of(statement, column)));
    }
    return place;
  }

  /// The sink makes the file first and its tables a moment later. A generation that other code
  /// built may have other columns.
  Result<void> check_made() {
    if (pool_->made()) return {};
    const auto tables =
        database_->query_int64("SELECT count(*) FROM sqlite_master WHERE name='stele_meta'");
    if (!tables) return std::unexpected{tables.error()};
    std::optional<std::string> schema;
    if (tables->value_or(0) > 0) {
      auto stored = database_->query_text("SELECT value FROM stele_meta WHERE key='schema'");
      if (!stored) return std::unexpected{std::move(stored.error())};
      schema = std::move(*stored);
    }
    if (!schema) {
      return fail(Errc::unavailable,
                  "The read model \"" + spec_.name + "\" is not made yet. Retry in a moment.");
    }
    if (!projection::same_columns(*schema, spec_)) {
      return fail(Errc::unavailable,
                  "The read model \"" + spec_.name +
                      "\" has other columns than this program's. A generation "
                      "of this program is being built, and takes over by itself.");
    }
    pool_->set_made();
    return {};
  }

  Result<std::string> next_cursor(std::uint64_t hash, const std::vector<Value>& place) const {
    std::string cursor = encode_cursor(hash, place);
    if (cursor.size() <= cursor_size_max) return cursor;
    return fail(Errc::invalid, "Read model \"" + spec_.name +
                                   "\" is ordered by a text that is too long for a cursor. Order "
                                   "by shorter columns, or ask for fewer pages.");
  }

  std::shared_ptr<Pool> pool_;
  const ProjectionSpec& spec_;
  std::unique_ptr<sqlite::Database> database_;
  std::optional<sqlite::Transaction> transaction_;
  projection::DatabaseClient client_;
  Position position_{};
  bool has_parked_ = false;
  std::vector<Cell> cells_;
};

/// Follows the live generation: each snapshot is of the one that was live when it was taken.
class SqliteReader final : public RowReader {
 public:
  SqliteReader(std::filesystem::path folder, const ProjectionSpec& spec,
               std::size_t connections_max)
      : folder_{std::move(folder)},
        catalogue_{projection::catalogue_file(folder_, spec.name)},
        spec_{spec},
        connections_max_{connections_max} {}

  /// While the sink has not made the read model, waits for it too.
  [[nodiscard]] Result<std::unique_ptr<RowSnapshot>> snapshot(
      std::chrono::microseconds timeout) override {
    const auto until = std::chrono::steady_clock::now() + timeout;
    while (true) {
      bool made = false;
      auto opened = try_snapshot(timeout, made);
      if (opened || made || opened.error().code != Errc::unavailable ||
          std::chrono::steady_clock::now() + retry_interval > until) {
        return opened;
      }
      std::this_thread::sleep_for(retry_interval);
    }
  }

 private:
  struct Live {
    projection::FileMark mark;
    int generation = 0;
    std::shared_ptr<Pool> pool;
  };

  // A generation that was live before may be ahead of the live one by now, and behind it later. So
  // the catalogue is looked at again after the snapshot was taken: if it is the same, that
  // generation was live then, and what it showed is not beyond what the next one will.
  Result<std::unique_ptr<RowSnapshot>> try_snapshot(std::chrono::microseconds timeout, bool& made) {
    while (true) {
      const auto live = live_pool();
      if (!live) return std::unexpected{live.error()};
      auto database = live->pool->take(timeout);
      if (!database) {
        if (projection::mark_of(catalogue_) != live->mark) continue;  // Dropped just now.
        return std::unexpected{std::move(database.error())};
      }
      auto snapshot = std::make_unique<SqliteSnapshot>(live->pool, spec_, std::move(*database));
      const auto begun = snapshot->begin();
      made = live->pool->made();
      if (projection::mark_of(catalogue_) != live->mark) continue;
      if (!begun) return std::unexpected{begun.error()};
      return snapshot;
    }
  }

  Result<Live> live_pool() {
    const auto mark = projection::mark_of(catalogue_);  // Before the file is read, not after.
    {
      const std::lock_guard lock{mutex_};
      if (live_.pool && mark == live_.mark && mark.inode != 0) return live_;
    }
    const auto catalogue = projection::read_catalogue(folder_, spec_.name);
    if (!catalogue) return std::unexpected{catalogue.error()};
    const projection::Generation* found = catalogue->find(projection::Role::live);
    if (found == nullptr) {
      return fail(Errc::unavailable,
                  "The read model \"" + spec_.name + "\" is not made yet. Retry in a moment.");
    }
    const std::lock_guard lock{mutex_};
    if (!live_.pool || live_.generation != found->number) {
      ProjectionSpec spec = spec_;
      spec.generation = found->number;
      live_.generation = found->number;
      live_.pool =
          std::make_shared<Pool>(projection::sqlite_file(folder_, spec).string(), connections_max_);
    }
    live_.mark = mark;
    return live_;
  }

  const std::filesystem::path folder_;
  const std::filesystem::path catalogue_;
  const ProjectionSpec spec_;
  const std::size_t connections_max_;
  std::mutex mutex_;
  Live live_;  // Guarded.
};

}  // namespace

std::shared_ptr<RowReader> make_sqlite_reader(const std::filesystem::path& folder,
                                              const ProjectionSpec& spec,
                                              std::size_t connections_max) {
  return std::make_shared<SqliteReader>(folder, spec, connections_max);
}

}  // namespace stele::query
