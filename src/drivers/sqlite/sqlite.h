// A thin owner of SQLite's handles: a connection, its prepared statements, a transaction. It adds
// lifetimes, `Result`, and a bounded cache of statements; it hides nothing of SQL. SQLite's own
// header stays out of this one.
//
// A `Database` and all that came from it belong to one thread at a time (connections are opened
// without SQLite's own mutex). Only `interrupt` may come from another.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stele/error.h"

struct sqlite3;       // SQLite's connection.
struct sqlite3_stmt;  // SQLite's prepared statement.

namespace stele::sqlite {

inline constexpr std::size_t cached_statements_max = 64;  ///< Kept prepared by one connection.

enum class Access : std::uint8_t {
  read_only,   ///< The file must exist; SQLite refuses every write.
  read_write,  ///< The file must exist.
  create,      ///< Made if missing.
};

/// What a commit waits for. With a write-ahead log: `off` and `normal` lose the last commits in a
/// power cut but never a part of one; `full` loses none.
enum class Synchronous : std::uint8_t { off, normal, full };

enum class Type : std::uint8_t { null, integer, real, text, blob };

struct Options {
  Access access = Access::create;
  bool write_ahead_log = true;  ///< Readers and one writer do not wait for each other.
  Synchronous synchronous = Synchronous::full;
  int busy_timeout_ms = 5'000;   ///< How long a statement waits for another connection's lock.
  int cache_kib = 8 * 1'024;     ///< SQLite's page cache for this connection.
  int checkpoint_pages = 4'096;  ///< The write-ahead log is copied back when it holds as many.
  /// Triggers may write virtual tables, such as full text. For files that are this program's own.
  bool trusted_schema = false;
};

class Database;

/// A prepared statement. Parameters and columns count from 0. A mistake in a bind (an index that
/// does not exist, a text over SQLite's limit) is remembered and reported by the next `step`.
class Statement {
 public:
  Statement(Statement&& other) noexcept
      : database_{std::exchange(other.database_, nullptr)},
        handle_{std::exchange(other.handle_, nullptr)},
        bind_error_{other.bind_error_},
        cached_{other.cached_} {}
  Statement& operator=(Statement&& other) noexcept;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { release(); }

  void bind(int parameter, std::int64_t value);
  void bind(int parameter, double value);
  /// The bytes must live until the next `reset`, `rebind` of the parameter, or the end.
  void bind(int parameter, std::string_view text);
  void bind_blob(int parameter, std::string_view bytes);  ///< As text: the bytes must live on.
  void bind_null(int parameter);

  /// Goes to the next row: true, or false when there is none. Errors: `unavailable` (locked, disk),
  /// `corrupt`, `read_only`, `timed_out` (interrupted), `invalid` (a constraint or a bind).
  [[nodiscard]] Result<bool> step();
  /// Steps to the end, ignoring rows, and resets. Errors: as `step`.
  [[nodiscard]] Result<void> run();
  void reset();  ///< Ready to run again; the parameters keep their values.

  // Of the row that `step` went to. Views live until the next `step` or `reset`.
  [[nodiscard]] Type type(int column) const;
  [[nodiscard]] bool is_null(int column) const { return type(column) == Type::null; }
  [[nodiscard]] std::int64_t int64(int column) const;
  [[nodiscard]] double real(int column) const;
  [[nodiscard]] std::string_view text(int column) const;
  [[nodiscard]] std::string_view blob(int column) const;
  [[nodiscard]] int columns() const;
  [[nodiscard]] std::string_view column_name(int column) const;

 private:
  friend class Database;
  Statement(Database* database, sqlite3_stmt* handle, bool cached)
      : database_{database}, handle_{handle}, cached_{cached} {}
  void release() noexcept;
  void note(int code);

  Database* database_ = nullptr;
  sqlite3_stmt* handle_ = nullptr;
  int bind_error_ = 0;
  bool cached_ = false;
};

/// An open connection. Its address must not change while statements of it live: it is not movable;
/// `open` gives it behind a pointer.
class Database {
 public:
  /// Opens `path` (":memory:" for none). Errors: `unavailable`, `corrupt` (not a database).
  [[nodiscard]] static Result<std::unique_ptr<Database>> open(const std::string& path,
                                                              const Options& options = {});
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  /// Runs one or more statements without parameters or rows. Errors: as `Statement::step`, and
  /// `invalid` for SQL that does not compile.
  [[nodiscard]] Result<void> execute(const std::string& sql);

  /// Compiles one statement, owned by the caller. Errors: `invalid`, `unavailable`, `corrupt`.
  [[nodiscard]] Result<Statement> prepare(std::string_view sql);
  /// The same, but the statement goes back into this connection's cache when it ends, so that the
  /// next call with the same text compiles nothing.
  [[nodiscard]] Result<Statement> cached(std::string_view sql);

  /// The first column of the first row; none if there is no row or it is NULL.
  [[nodiscard]] Result<std::optional<std::int64_t>> query_int64(std::string_view sql);
  [[nodiscard]] Result<std::optional<std::string>> query_text(std::string_view sql);

  [[nodiscard]] std::int64_t changes() const;  ///< Rows changed by the last statement.
  [[nodiscard]] bool in_transaction() const;
  [[nodiscard]] const std::string& path() const { return path_; }
  void interrupt();  ///< From any thread: what runs now fails with `timed_out`.

 private:
  friend class Statement;
  friend class Transaction;
  Database(std::string path, sqlite3* handle) : path_{std::move(path)}, handle_{handle} {}
  [[nodiscard]] Result<void> configure(const Options& options);
  [[nodiscard]] std::unexpected<Error> failure(int code, std::string_view doing) const;
  void give_back(sqlite3_stmt* handle) noexcept;

  struct Cached {
    std::string sql;
    sqlite3_stmt* handle;
  };
  std::string path_;
  sqlite3* handle_;
  std::vector<Cached> cache_;  // The most recently used last.
};

/// Everything between `begin` and `commit` happens whole or not at all. Rolls back when it ends
/// without a commit.
class Transaction {
 public:
  /// `deferred` takes locks as it needs them: for reads of one state. `immediate` takes the
  /// writer's lock at once, so that a write never fails half-way for want of it.
  enum class Kind : std::uint8_t { deferred, immediate };
  [[nodiscard]] static Result<Transaction> begin(Database& database, Kind kind = Kind::immediate);
  Transaction(Transaction&& other) noexcept : database_{std::exchange(other.database_, nullptr)} {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  /// Errors: as `Statement::step`; nothing of the transaction is stored then.
  [[nodiscard]] Result<void> commit();

 private:
  explicit Transaction(Database* database) : database_{database} {}
  Database* database_;
};

}  // namespace stele::sqlite
