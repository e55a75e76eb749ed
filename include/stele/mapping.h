// Module: event
// Described structs to JSON and back.
//
// Members may be: bool, integers (within +-2^53), double, std::string, Money, Currency, Amount,
// Timestamp (RFC 3339), Uuid, Version, Position, described enums (by name), described structs,
// std::optional (absent = null when written; null or missing when read) and std::vector of those.
// Every other member is required. Money is a decimal string; when read, an integer is taken as
// whole units, and a fraction as a number is refused. The Money members of one struct share one
// currency: it stands once, after the last of them, as member `currency`, unless the struct has a
// member of that name itself. The templates here only walk the members; the work is done by
// JsonWriter and JsonReader, so that a user's program compiles quickly.

#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <limits>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "stele/describe.h"
#include "stele/ids.h"
#include "stele/json.h"
#include "stele/money.h"
#include "stele/time.h"

namespace stele {

struct MappingOptions {
  Naming naming = Naming::as_stored;
  bool ignore_unknown = false;  ///< Members that the type does not have: skipped, or `malformed`.
};

/// Stored names and strict: for commands given by programs. HTTP bodies: `http_mapping`. Events
/// that were stored, perhaps by a newer program: `stored_mapping`.
inline constexpr MappingOptions http_mapping{.naming = Naming::camel_case};
inline constexpr MappingOptions stored_mapping{.ignore_unknown = true};

/// Reads values of a document into objects; keeps the first error. Driven by the templates below.
class JsonReader {
 public:
  explicit JsonReader(MappingOptions options) : options_{options} {}

  bool read(JsonValue value, bool& out);
  bool read(JsonValue value, double& out);
  bool read(JsonValue value, std::string& out);
  bool read(JsonValue value, Money& out);  ///< In the currency that stands beside it.
  bool read(JsonValue value, Amount& out);
  bool read(JsonValue value, Currency& out);
  bool read(JsonValue value, Timestamp& out);
  bool read(JsonValue value, Uuid& out);
  bool read_signed(JsonValue value, std::int64_t min, std::int64_t max, std::int64_t& out);
  bool read_unsigned(JsonValue value, std::uint64_t max, std::uint64_t& out);
  bool expect(JsonValue value, JsonKind kind);

  /// Finds each of `names` among the members of `object`; `found` gets the value or "not found".
  bool match(JsonValue object, std::span<const std::string_view> names, std::span<JsonValue> found);
  /// Says what a value of an enum may be, and fails.
  bool fail_enum(JsonValue value, std::span<const std::string_view> allowed);
  bool fail_missing(JsonValue object, std::string_view name);

  /// The currency for `Money` members from here on; returns the one before. `value` may be absent
  /// or null: then only a zero can be read.
  bool set_currency(JsonValue value);
  [[nodiscard]] Currency currency() const noexcept { return currency_; }
  void restore_currency(Currency currency) noexcept { currency_ = currency; }

  [[nodiscard]] const MappingError& error() const noexcept { return error_; }

 private:
  bool fail(MappingCode code, JsonValue value, std::string message);
  bool fail_kind(JsonValue value, std::string_view expected);

  MappingOptions options_;
  Currency currency_;
  MappingError error_;
};

namespace detail {

template <typename T>
inline constexpr bool is_optional = false;
template <typename T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <typename T>
inline constexpr bool is_vector = false;
template <typename T>
inline constexpr bool is_vector<std::vector<T>> = true;
template <typename T>
inline constexpr bool is_money = std::is_same_v<T, Money>;
template <typename T>
inline constexpr bool is_money<std::optional<T>> = is_money<T>;
template <typename T>
inline constexpr bool is_money<std::vector<T>> = is_money<T>;
template <typename T>
inline constexpr bool is_number_id = std::is_same_v<T, Version> || std::is_same_v<T, Position>;
template <typename T>
inline constexpr bool unsupported = false;

/// How a described struct holds money.
struct MoneyLayout {
  std::size_t last_money = 0;    // One past the last Money member; 0 if there is none.
  std::size_t own_currency = 0;  // One past the member `currency`; 0 if there is none.
  [[nodiscard]] constexpr bool adds_currency() const { return last_money > 0 && own_currency == 0; }
};

template <Described T>
constexpr MoneyLayout money_layout() {
  MoneyLayout layout;
  std::size_t i = 0;
  for_each_member_type<T>([&]<typename M>(std::string_view name) {
    ++i;
    if (is_money<M>) layout.last_money = i;
    if (name == "currency") layout.own_currency = i;
  });
  return layout;
}

template <Described T>
inline constexpr MoneyLayout money_layout_of = money_layout<T>();

template <typename T>
void write_value(JsonWriter& writer, const T& value);

template <Described T>
void write_members(JsonWriter& writer, const T& object) {
  const Currency outer = writer.exchange_currency({});
  std::size_t i = 0;
  for_each_member(object, [&](std::string_view name, const auto& member) {
    writer.key(name);
    write_value(writer, member);
    if (money_layout_of<T>.adds_currency() && ++i == money_layout_of<T>.last_money) {
      writer.key("currency");
      writer.currency(writer.exchange_currency({}));
    }
  });
  writer.exchange_currency(outer);
}

template <typename T>
void write_value(JsonWriter& writer, const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    writer.boolean(value);
  } else if constexpr (is_number_id<T>) {
    writer.unsigned_integer(number(value));
  } else if constexpr (std::unsigned_integral<T>) {
    writer.unsigned_integer(value);
  } else if constexpr (std::signed_integral<T>) {
    writer.integer(value);
  } else if constexpr (std::is_same_v<T, double>) {
    writer.number(value);
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    writer.string(value);
  } else if constexpr (std::is_same_v<T, Money>) {
    writer.money(value);
  } else if constexpr (std::is_same_v<T, Amount>) {
    writer.amount(value);
  } else if constexpr (std::is_same_v<T, Currency>) {
    writer.currency(value);
  } else if constexpr (std::is_same_v<T, Timestamp>) {
    writer.time(value);
  } else if constexpr (std::is_same_v<T, Uuid>) {
    writer.string(value.text());
  } else if constexpr (is_optional<T>) {
    if (value) {
      write_value(writer, *value);
    } else {
      writer.null();
    }
  } else if constexpr (is_vector<T>) {
    writer.begin_array();
    for (const auto& each : value) write_value(writer, each);
    writer.end_array();
  } else if constexpr (DescribedEnum<T>) {
    writer.string(enum_text(value));
  } else if constexpr (Described<T>) {
    writer.begin_object();
    write_members(writer, value);
    writer.end_object();
  } else {
    static_assert(unsupported<T>, "This member's type has no JSON form; see mapping.h.");
  }
}

template <typename T>
bool read_value(JsonReader& reader, JsonValue value, T& out);

template <DescribedEnum E>
bool read_enum(JsonReader& reader, JsonValue value, E& out) {
  constexpr const auto& names = enum_description_of<E>.names;
  if (!reader.expect(value, JsonKind::string)) return false;
  for (const EnumName<E>& each : names) {
    if (each.name != value.text()) continue;
    out = each.value;
    return true;
  }
  std::array<std::string_view, names.size()> allowed;
  for (std::size_t i = 0; i < names.size(); ++i) allowed[i] = names[i].name;
  return reader.fail_enum(value, allowed);
}

/// The names that a struct may have in JSON: its members', then "currency" if it is implied.
template <Described T>
constexpr auto json_names() {
  constexpr const auto& described = description_of<T>;
  std::array<std::string_view, described.size() + (money_layout_of<T>.adds_currency() ? 1 : 0)>
      all{};
  for (std::size_t i = 0; i < described.size(); ++i) all[i] = described.names[i];
  if (all.size() > described.size()) all.back() = "currency";
  return all;
}
template <Described T>
inline constexpr auto json_names_of = json_names<T>();

template <Described T>
bool read_object(JsonReader& reader, JsonValue value, T& out) {
  constexpr const auto& names = json_names_of<T>;
  constexpr const MoneyLayout& layout = money_layout_of<T>;
  std::array<JsonValue, names.size() + 1> found;  // One more: an array of none is no array.
  if (!reader.match(value, names, std::span{found}.first(names.size()))) return false;

  const Currency outer = reader.currency();
  if constexpr (layout.last_money > 0) {
    const std::size_t at = layout.adds_currency() ? names.size() - 1 : layout.own_currency - 1;
    if (!reader.set_currency(found[at])) return false;
  }
  std::size_t i = 0;
  bool good = true;
  for_each_member(out, [&]<typename M>(std::string_view name, M& member) {
    const JsonValue given = found[i++];
    if (!good) return;
    if (given.found()) {
      good = read_value(reader, given, member);
    } else if constexpr (!is_optional<M>) {
      good = reader.fail_missing(value, name);
    } else {
      member.reset();
    }
  });
  reader.restore_currency(outer);
  return good;
}

template <typename T>
bool read_value(JsonReader& reader, JsonValue value, T& out) {
  if constexpr (is_optional<T>) {
    out.reset();
    if (value.kind() == JsonKind::null) return true;
    return read_value(reader, value, out.emplace());
  } else if constexpr (is_vector<T>) {
    if (!reader.expect(value, JsonKind::array)) return false;
    out.clear();
    JsonValue element = value.first();
    for (std::size_t left = value.size(); left > 0; --left, element = element.next()) {
      if (!read_value(reader, element, out.emplace_back())) return false;
    }
    return true;
  } else if constexpr (DescribedEnum<T>) {
    return read_enum(reader, value, out);
  } else if constexpr (Described<T>) {
    return read_object(reader, value, out);
  } else if constexpr (is_number_id<T> || (std::unsigned_integral<T> && !std::is_same_v<T, bool>)) {
    std::uint64_t read = 0;
    using Limit = std::conditional_t<std::is_enum_v<T>, std::uint64_t, T>;
    if (!reader.read_unsigned(value, std::numeric_limits<Limit>::max(), read)) return false;
    out = static_cast<T>(read);
    return true;
  } else if constexpr (std::signed_integral<T>) {
    std::int64_t read = 0;
    using Limits = std::numeric_limits<T>;
    if (!reader.read_signed(value, Limits::min(), Limits::max(), read)) return false;
    out = static_cast<T>(read);
    return true;
  } else {
    return reader.read(value, out);
  }
}

/// What is done with values of a described type by code that does not know the C++ type: one table
/// for events, commands, states and rows. Such code is compiled once, in the library, and not again
/// in each of a user's programs.
struct TypeTable {
  std::string_view name;
  std::size_t size = 0;
  std::size_t alignment = 1;
  void (*make)(void* place) = nullptr;  // A value by default, at `place`.
  void (*destroy)(void* object) noexcept = nullptr;
  void (*write)(JsonWriter& writer, const void* object) = nullptr;  // The members, no braces.
  bool (*read)(JsonReader& reader, JsonValue value, void* object) = nullptr;
};

template <Described T>
inline constexpr TypeTable type_table{
    .name = type_name<T>(),
    .size = sizeof(T),
    .alignment = alignof(T),
    .make = [](void* place) { ::new (place) T{}; },
    .destroy = [](void* object) noexcept { static_cast<T*>(object)->~T(); },
    .write = [](JsonWriter& writer,
                const void* object) { write_members(writer, *static_cast<const T*>(object)); },
    .read = [](JsonReader& reader, JsonValue value,
               void* object) { return read_object(reader, value, *static_cast<T*>(object)); }};

[[nodiscard]] std::expected<void, MappingError> write_json(std::string& out, const TypeTable& type,
                                                           const void* object, Naming naming);
/// Into `object`, a value made by default. None if all went well.
[[nodiscard]] std::optional<MappingError> read_json(const TypeTable& type, JsonValue value,
                                                    MappingOptions options, void* object);
[[nodiscard]] std::optional<MappingError> read_json(const TypeTable& type, std::string_view text,
                                                    MappingOptions options, void* object);

}  // namespace detail

/// Appends `object` to `out` as JSON. On an error `out` holds a part of it, of no use.
/// Errors: `amount_invalid` (an overflowed sum), `currency_mismatch` (two currencies in one
/// struct), `malformed` (text that is not UTF-8, a number beyond 2^53 or not finite).
template <Described T>
[[nodiscard]] std::expected<void, MappingError> append_json(std::string& out, const T& object,
                                                            Naming naming = Naming::as_stored) {
  return detail::write_json(out, detail::type_table<T>, &object, naming);
}

/// The same as a new string.
template <Described T>
[[nodiscard]] std::expected<std::string, MappingError> to_json(const T& object,
                                                               Naming naming = Naming::as_stored) {
  std::string out;
  out.reserve(256);
  if (auto written = append_json(out, object, naming); !written) {
    return std::unexpected{std::move(written.error())};
  }
  return out;
}

/// Reads a value that was parsed already.
template <Described T>
[[nodiscard]] std::expected<T, MappingError> from_json(JsonValue value,
                                                       MappingOptions options = {}) {
  T object{};
  auto error = detail::read_json(detail::type_table<T>, value, options, &object);
  if (error) return std::unexpected{std::move(*error)};
  return object;
}

/// Reads JSON text. Errors: see `MappingCode`; the pointer says where.
template <Described T>
[[nodiscard]] std::expected<T, MappingError> from_json(std::string_view text,
                                                       MappingOptions options = {}) {
  T object{};
  auto error = detail::read_json(detail::type_table<T>, text, options, &object);
  if (error) return std::unexpected{std::move(*error)};
  return object;
}

}  // namespace stele
