#include "drivers/sqlite/sqlite.h"

#include <sqlite3.h>

#include <algorithm>
#include <memory>

namespace stele::sqlite {
namespace {

Errc reaction_to(int code) {
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Errc::corrupt;
    case SQLITE_READONLY:
      return Errc::read_only;
    case SQLITE_INTERRUPT:
      return Errc::timed_out;
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
    case SQLITE_TOOBIG:
      return Errc::invalid;
    case SQLITE_MISUSE:
      return Errc::internal;
    default:
      return Errc::unavailable;
  }
}

int open_flags(Access access) {
  switch (access) {
    case Access::read_only:
      return SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    case Access::read_write:
      return SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    case Access::create:
      break;
  }
  return SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
}

std::string_view bytes_of(const void* data, int size) {
  if (data == nullptr) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

}  // namespace

Statement& Statement::operator=(Statement&& other) noexcept {
  if (this == &other) return *this;
  release();
  database_ = std::exchange(other.database_, nullptr);
  handle_ = std::exchange(other.handle_, nullptr);
  bind_error_ = other.bind_error_;
  cached_ = other.cached_;
  return *this;
}

void Statement::release() noexcept {
  if (handle_ == nullptr) return;
  if (cached_) {
    database_->give_back(handle_);
  } else {
    sqlite3_finalize(handle_);
  }
  handle_ = nullptr;
}

void Statement::note(int code) {
  if (code != SQLITE_OK && bind_error_ == SQLITE_OK) bind_error_ = code;
}

void Statement::bind(int parameter, std::int64_t value) {
  note(sqlite3_bind_int64(handle_, parameter + 1, value));
}

void Statement::bind(int parameter, double value) {
  note(sqlite3_bind_double(handle_, parameter + 1, value));
}

// A null destructor is SQLITE_STATIC: SQLite reads the caller's bytes in place. An empty view may
// hold a null pointer, which SQLite would take for NULL.
void Statement::bind(int parameter, std::string_view text) {
  const char* data = text.data() == nullptr ? "" : text.data();
  note(sqlite3_bind_text64(handle_, parameter + 1, data, text.size(), nullptr, SQLITE_UTF8));
}

void Statement::bind_blob(int parameter, std::string_view bytes) {
  const char* data = bytes.data() == nullptr ? "" : bytes.data();
  note(sqlite3_bind_blob64(handle_, parameter + 1, data, bytes.size(), nullptr));
}

void Statement::bind_null(int parameter) { note(sqlite3_bind_null(handle_, parameter + 1)); }

Result<bool> Statement::step() {
  if (bind_error_ != SQLITE_OK) {
    return database_->failure(std::exchange(bind_error_, SQLITE_OK), "bind a parameter");
  }
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  const auto failed = database_->failure(code, "run a statement");
  sqlite3_reset(handle_);
  return failed;
}

Result<void> Statement::run() {
  while (true) {
    const auto row = step();
    if (!row) return std::unexpected{row.error()};
    if (!*row) break;
  }
  reset();
  return {};
}

void Statement::reset() { sqlite3_reset(handle_); }

Type Statement::type(int column) const {
  switch (sqlite3_column_type(handle_, column)) {
    case SQLITE_INTEGER:
      return Type::integer;
    case SQLITE_FLOAT:
      return Type::real;
    case SQLITE_TEXT:
      return Type::text;
    case SQLITE_BLOB:
      return Type::blob;
    default:
      return Type::null;
  }
}

std::int64_t Statement::int64(int column) const { return sqlite3_column_int64(handle_, column); }

double Statement::real(int column) const { return sqlite3_column_double(handle_, column); }

std::string_view Statement::text(int column) const {
  const void* data = sqlite3_column_text(handle_, column);  // First: it may convert the value.
  return bytes_of(data, sqlite3_column_bytes(handle_, column));
}

std::string_view Statement::blob(int column) const {
  const void* data = sqlite3_column_blob(handle_, column);
  return bytes_of(data, sqlite3_column_bytes(handle_, column));
}

int Statement::columns() const { return sqlite3_column_count(handle_); }

std::string_view Statement::column_name(int column) const {
  const char* name = sqlite3_column_name(handle_, column);
  return name == nullptr ? std::string_view{} : std::string_view{name};
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path, const Options& options) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, open_flags(options.access), nullptr);
  // SQLite gives a handle even when it fails, which holds the reason and must be closed.
  std::unique_ptr<Database> database{new Database{path, handle}};
  if (code != SQLITE_OK) return database->failure(code, "open the database");
  const auto configured = database->configure(options);
  if (!configured) return std::unexpected{configured.error()};
  return database;
}

Database::~Database() {
  for (const Cached& cached : cache_) sqlite3_finalize(cached.handle);
  sqlite3_close_v2(handle_);
}

Result<void> Database::configure(const Options& options) {
  sqlite3_extended_result_codes(handle_, 1);
  sqlite3_busy_timeout(handle_, options.busy_timeout_ms);
  constexpr std::string_view levels[] = {"OFF", "NORMAL", "FULL"};
  std::string sql = "PRAGMA cache_size=-" + std::to_string(options.cache_kib) +
                    ";PRAGMA temp_store=MEMORY;PRAGMA trusted_schema=";
  sql += options.trusted_schema ? "ON;" : "OFF;";
  if (options.access != Access::read_only) {
    sql += "PRAGMA synchronous=";
    sql += levels[static_cast<std::size_t>(options.synchronous)];
    sql += ";PRAGMA wal_autocheckpoint=" + std::to_string(options.checkpoint_pages) + ";";
    if (options.write_ahead_log) sql += "PRAGMA journal_mode=WAL;";
  }
  return execute(sql);
}

std::unexpected<Error> Database::failure(int code, std::string_view doing) const {
  std::string message = "SQLite could not ";
  message += doing;
  message += " in " + path_ + " (" + sqlite3_errstr(code) + ").";
  Error error{.code = reaction_to(code), .message = std::move(message)};
  if (handle_ != nullptr) error.detail = sqlite3_errmsg(handle_);
  return std::unexpected{std::move(error)};
}

Result<void> Database::execute(const std::string& sql) {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failure(code, "run a statement");
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* handle = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
  if (code != SQLITE_OK) return failure(code, "compile a statement");
  if (handle == nullptr) return fail(Errc::invalid, "The SQL text holds no statement.");
  return Statement{this, handle, false};
}

Result<Statement> Database::cached(std::string_view sql) {
  const auto found = std::ranges::find(cache_, sql, &Cached::sql);
  if (found != cache_.end()) {
    Statement statement{this, found->handle, true};
    cache_.erase(found);
    return statement;
  }
  auto statement = prepare(sql);
  if (statement) statement->cached_ = true;
  return statement;
}

void Database::give_back(sqlite3_stmt* handle) noexcept {
  sqlite3_reset(handle);
  sqlite3_clear_bindings(handle);
  if (cache_.size() == cached_statements_max) {
    sqlite3_finalize(cache_.front().handle);
    cache_.erase(cache_.begin());
  }
  cache_.push_back({sqlite3_sql(handle), handle});
}

Result<std::optional<std::int64_t>> Database::query_int64(std::string_view sql) {
  auto statement = cached(sql);
  if (!statement) return std::unexpected{statement.error()};
  const auto row = statement->step();
  if (!row) return std::unexpected{row.error()};
  if (!*row || statement->is_null(0)) return std::nullopt;
  return statement->int64(0);
}

Result<std::optional<std::string>> Database::query_text(std::string_view sql) {
  auto statement = cached(sql);
  if (!statement) return std::unexpected{statement.error()};
  const auto row = statement->step();
  if (!row) return std::unexpected{row.error()};
  if (!*row || statement->is_null(0)) return std::nullopt;
  return std::string{statement->text(0)};
}

std::int64_t Database::changes() const { return sqlite3_changes64(handle_); }

bool Database::in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

void Database::interrupt() { sqlite3_interrupt(handle_); }

Result<Transaction> Transaction::begin(Database& database, Kind kind) {
  auto begin = database.cached(kind == Kind::immediate ? "BEGIN IMMEDIATE" : "BEGIN DEFERRED");
  if (!begin) return std::unexpected{begin.error()};
  const auto ran = begin->run();
  if (!ran) return std::unexpected{ran.error()};
  return Transaction{&database};
}

Transaction::~Transaction() {
  // SQLite may have rolled back by itself (disk full, for one); a second time would be an error.
  if (database_ == nullptr || !database_->in_transaction()) return;
  sqlite3_exec(database_->handle_, "ROLLBACK", nullptr, nullptr, nullptr);
}

Result<void> Transaction::commit() {
  auto statement = database_->cached("COMMIT");
  if (!statement) return std::unexpected{statement.error()};
  const auto ran = statement->run();
  if (!ran) return std::unexpected{ran.error()};
  database_ = nullptr;
  return {};
}

}  // namespace stele::sqlite
