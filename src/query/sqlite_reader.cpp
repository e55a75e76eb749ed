#include "query/sqlite_reader.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "drivers/sqlite/sqlite.h"
#include "projection/sqlite/cells.h"
#include "projection/sqlite/sqlite_sink.h"
#include "query/cursor.h"
#include "query/select_sql.h"

namespace stele::query {
namespace {

constexpr int busy_timeout_ms = 2'000;
constexpr int page_cache_kib = 2 * 1'024;  // For each connection; the system caches the file too.
constexpr std::chrono::milliseconds retry_interval{5};  // While the read model is being made.
constexpr int first_column = 3;                         // After row_key, row_version, row_position.

/// The open connections of one read model. Thread-safe.
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

  /// Whether the sink has made its tables: once they are there they stay.
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
    const auto checkpoint = projection::stored_checkpoint(*database_);  // Fixes what is seen.
    if (!checkpoint) return std::unexpected{checkpoint.error()};
    if (*checkpoint) position_ = (*checkpoint)->position;
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

  /// The sink makes the file first and its tables a moment later.
  Result<void> check_made() {
    if (pool_->made()) return {};
    auto statement =
        database_->cached("SELECT count(*) FROM sqlite_master WHERE name IN ('stele_meta', ?1)");
    if (!statement) return std::unexpected{std::move(statement.error())};
    statement->bind(0, std::string_view{spec_.name});
    const auto row = statement->step();
    if (!row) return std::unexpected{row.error()};
    if (statement->int64(0) < 2) {
      return fail(Errc::unavailable,
                  "The read model \"" + spec_.name + "\" is not made yet. Retry in a moment.");
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
  Position position_{};
  std::vector<Cell> cells_;
};

class SqliteReader final : public RowReader {
 public:
  SqliteReader(const std::filesystem::path& folder, const ProjectionSpec& spec,
               std::size_t connections_max)
      : spec_{spec},
        pool_{std::make_shared<Pool>(projection::sqlite_file(folder, spec).string(),
                                     connections_max)} {}

  /// While the sink has not made the read model, waits for it too.
  [[nodiscard]] Result<std::unique_ptr<RowSnapshot>> snapshot(
      std::chrono::microseconds timeout) override {
    const auto until = std::chrono::steady_clock::now() + timeout;
    while (true) {
      auto opened = try_snapshot(timeout);
      if (opened || pool_->made() || opened.error().code != Errc::unavailable ||
          std::chrono::steady_clock::now() + retry_interval > until) {
        return opened;
      }
      std::this_thread::sleep_for(retry_interval);
    }
  }

 private:
  Result<std::unique_ptr<RowSnapshot>> try_snapshot(std::chrono::microseconds timeout) {
    auto database = pool_->take(timeout);
    if (!database) return std::unexpected{std::move(database.error())};
    auto snapshot = std::make_unique<SqliteSnapshot>(pool_, spec_, std::move(*database));
    const auto begun = snapshot->begin();
    if (!begun) return std::unexpected{begun.error()};
    return snapshot;
  }

  const ProjectionSpec spec_;
  const std::shared_ptr<Pool> pool_;
};

}  // namespace

std::shared_ptr<RowReader> make_sqlite_reader(const std::filesystem::path& folder,
                                              const ProjectionSpec& spec,
                                              std::size_t connections_max) {
  return std::make_shared<SqliteReader>(folder, spec, connections_max);
}

}  // namespace stele::query
