// Module: event
// JSON without a vendor's header: a writer, a parsed document, and what one does to JSON texts.
// Parsing refuses what lenient parsers let pass: a member twice, bytes that are not UTF-8, text
// after the value, more than `json_depth_max` levels. Numbers keep their text, so no digit is lost.

#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "stele/money.h"
#include "stele/time.h"

namespace stele {

inline constexpr std::size_t json_depth_max = 64;  ///< Objects and arrays inside one another.

/// Why a JSON text and a type do not fit. Each code is the code of an answer.
enum class MappingCode : std::uint8_t {
  malformed,          ///< Not JSON, a wrong type, a member unknown, missing or twice, bad UTF-8.
  amount_invalid,     ///< A money text that is none, has too many decimals, or overflows.
  currency_unknown,   ///< Not a code of ISO 4217.
  currency_mismatch,  ///< Amounts of two currencies in one struct.
};
[[nodiscard]] std::string_view to_string(MappingCode code) noexcept;

struct MappingError {
  MappingCode code = MappingCode::malformed;
  std::string pointer = {};  ///< RFC 6901: where; empty is the whole text.
  std::string message = {};  ///< A sentence with what was expected and what was found.
};

/// How members are named: as described ("balance_after"), or as HTTP shows them ("balanceAfter").
enum class Naming : std::uint8_t { as_stored, camel_case };

/// "transaction_count_30days" -> "transactionCount30days": the letter after `_` is raised.
[[nodiscard]] std::string to_camel_case(std::string_view name);

/// Writes JSON to the end of a string, without white space. The caller calls in a valid order
/// (`key` before each member's value); commas and escapes are the writer's. Not thread-safe.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out, Naming naming = Naming::as_stored)
      : out_{out}, naming_{naming} {}

  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }
  void key(std::string_view name);        ///< A member's name, by the writer's naming.
  void exact_key(std::string_view name);  ///< A member's name as it is.
  void null();
  void boolean(bool value);
  void integer(std::int64_t value);            ///< Fails beyond 2^53.
  void unsigned_integer(std::uint64_t value);  ///< Fails beyond 2^53.
  void number(double value);                   ///< Shortest form; fails if not finite.
  void string(std::string_view text);          ///< Fails if not UTF-8.
  void time(Timestamp value);                  ///< RFC 3339, UTC, six decimals.
  void money(const Money& value);              ///< Its text; fails if not `ok()`.
  void amount(const Amount& value);            ///< Its text; see `set_canonical_amounts`.
  void currency(Currency value);               ///< Its code, or null.
  void raw(std::string_view json);             ///< A JSON value that is known to be valid.

  /// Has amounts written so that every spelling of one number gives the same text: for digests.
  void set_canonical_amounts() noexcept { canonical_amounts_ = true; }

  [[nodiscard]] bool failed() const noexcept { return failed_; }
  /// The first failure. What was written before is of no use.
  [[nodiscard]] const MappingError& error() const noexcept { return error_; }
  [[nodiscard]] Naming naming() const noexcept { return naming_; }

  /// The currency of the amounts written since the last call, and sets another: the mapping keeps
  /// one per struct. `money` fails with `currency_mismatch` on a second currency.
  Currency exchange_currency(Currency currency) noexcept;
  void fail(MappingCode code, std::string message);

 private:
  void open(char bracket);
  void close(char bracket);
  void separate();
  void quoted(std::string_view text);

  std::string& out_;
  Naming naming_;
  bool comma_ = false;
  bool failed_ = false;
  bool canonical_amounts_ = false;
  Currency currency_;
  std::string key_;  // Of the value being written; for errors.
  MappingError error_;
};

enum class JsonKind : std::uint8_t { null, boolean, number, string, array, object };
[[nodiscard]] std::string_view to_string(JsonKind kind) noexcept;  ///< "a string", "null"...

class JsonDocument;

/// A value inside a `JsonDocument`, which must outlive it. Cheap to copy.
class JsonValue {
 public:
  JsonValue() = default;  ///< Not found: only `found` may be asked.
  [[nodiscard]] JsonKind kind() const noexcept;
  [[nodiscard]] bool boolean() const noexcept;           ///< Of a boolean.
  [[nodiscard]] std::string_view text() const noexcept;  ///< A string's bytes; a number's text.
  [[nodiscard]] std::string_view key() const noexcept;   ///< Of a member of an object.
  [[nodiscard]] std::size_t size() const noexcept;       ///< Members or elements.
  /// The first child; then its `next()`, `size()` times in all.
  [[nodiscard]] JsonValue first() const noexcept { return {*document_, index_ + 1}; }
  [[nodiscard]] JsonValue next() const noexcept;
  /// The member `name` of an object; false from `found` if there is none.
  [[nodiscard]] JsonValue member(std::string_view name) const noexcept;
  [[nodiscard]] bool found() const noexcept { return document_ != nullptr; }
  [[nodiscard]] std::string pointer() const;  ///< RFC 6901, from the document's root.

 private:
  friend class JsonDocument;
  JsonValue(const JsonDocument& document, std::uint32_t index)
      : document_{&document}, index_{index} {}

  const JsonDocument* document_ = nullptr;
  std::uint32_t index_ = 0;
};

/// A parsed JSON text. Owns all that its values show.
class JsonDocument {
 public:
  /// Parses one JSON value, with white space around it. At most 4 GiB. Errors: `malformed`.
  [[nodiscard]] static std::expected<JsonDocument, MappingError> parse(std::string_view text);
  [[nodiscard]] JsonValue root() const noexcept { return {*this, 0}; }

 private:
  friend class JsonValue;
  friend class JsonTape;
  struct Node {
    JsonKind kind = JsonKind::null;
    bool value = false;
    std::uint32_t key_begin = 0, key_size = 0;
    std::uint32_t text_begin = 0, text_size = 0;
    std::uint32_t children = 0;
    std::uint32_t next = 0;  // The node after this one and all inside it.
  };
  JsonDocument() = default;
  [[nodiscard]] JsonValue at(std::uint32_t node) const noexcept { return {*this, node}; }

  std::vector<Node> nodes_;  // Parents before children.
  std::string text_;         // Keys, strings without escapes, numbers.
};

/// Whether `text` is one JSON value: UTF-8, no member twice, at most `json_depth_max` levels.
[[nodiscard]] std::expected<JsonKind, MappingError> check_json(std::string_view text);

/// Appends valid JSON to `out` without insignificant white space; order, numbers and the bytes of
/// strings stay as they are.
void append_minified(std::string& out, std::string_view json);

/// Appends `text`, which must be UTF-8, as a JSON string with its quotes.
void append_json_string(std::string& out, std::string_view text);

}  // namespace stele
