// Module: observe
// Structured logs: a record is a level, a sentence and named values. The engine writes to this
// interface and knows no library behind it; programs choose the sink.

#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>
#include <variant>

#include "stele/time.h"

namespace stele::observe {

enum class Level : std::uint8_t { debug, info, warning, error };

/// "debug", "info", "warning" or "error".
[[nodiscard]] std::string_view to_string(Level level) noexcept;

/// One named value of a record. Views need to live only during the call that takes the record.
struct Field {
  using Value = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;
  std::string_view key;
  Value value;

  Field(std::string_view name, std::string_view text) : key{name}, value{text} {}
  Field(std::string_view name, const char* text) : key{name}, value{std::string_view{text}} {}
  Field(std::string_view name, bool truth) : key{name}, value{truth} {}
  Field(std::string_view name, double real) : key{name}, value{real} {}
  Field(std::string_view name, std::signed_integral auto whole)
      : key{name}, value{static_cast<std::int64_t>(whole)} {}
  Field(std::string_view name, std::unsigned_integral auto whole)
      : key{name}, value{static_cast<std::uint64_t>(whole)} {}
};

/// A sink of records. Every function may be called from any thread and never throws; a sink that
/// cannot write drops the record.
class Logger {
 public:
  virtual ~Logger() = default;
  /// `message` is a full sentence; what varies stands in `fields`.
  virtual void write(Level level, std::string_view message,
                     std::span<const Field> fields) noexcept = 0;
  /// Ask first where making the fields costs something.
  [[nodiscard]] virtual bool enabled(Level level) const noexcept = 0;

  void debug(std::string_view message, std::initializer_list<Field> fields = {}) noexcept {
    log(Level::debug, message, fields);
  }
  void info(std::string_view message, std::initializer_list<Field> fields = {}) noexcept {
    log(Level::info, message, fields);
  }
  void warning(std::string_view message, std::initializer_list<Field> fields = {}) noexcept {
    log(Level::warning, message, fields);
  }
  void error(std::string_view message, std::initializer_list<Field> fields = {}) noexcept {
    log(Level::error, message, fields);
  }

 private:
  void log(Level level, std::string_view message, std::initializer_list<Field> fields) noexcept {
    if (enabled(level)) write(level, message, {fields.begin(), fields.size()});
  }
};

/// Drops everything. Lives as long as the program.
[[nodiscard]] Logger& null_logger() noexcept;

/// One JSON object a line to the file descriptor `fd` (2 = standard error), each by one `write`
/// call: `ts` (RFC 3339), `level`, `message`, then the fields in their order. Records below
/// `lowest` are dropped. `clock` and `fd` must outlive it.
[[nodiscard]] std::unique_ptr<Logger> make_json_lines_logger(int fd, Level lowest = Level::info,
                                                             const Clock& clock = system_clock());

}  // namespace stele::observe
