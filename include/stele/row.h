// Module: projection
// The rows of a read model: typed for the user, cells for a sink. The columns come from
// STELE_DESCRIBE of the row's struct, in its order, named as its members:
//
//   member                        column
//   bool                          boolean (SQLite: 0 or 1)
//   integers, Version, Position   integer
//   double                        real
//   std::string, described enums  text
//   Uuid, Currency                text
//   Timestamp                     timestamp (SQLite: integer, microseconds since 1970, UTC)
//   Money                         money: integer minor units; the Money members of a row share one
//                                 currency, text in column `currency` after the last of them,
//                                 unless the struct has a member of that name itself
//   std::optional of these        the same, and NULL when empty
//
// Beside them every row has `row_key`, `row_version` (the version of the last event that it
// shows) and `row_position` (that event's position), kept by the engine.

#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "stele/describe.h"
#include "stele/error.h"
#include "stele/ids.h"
#include "stele/mapping.h"
#include "stele/money.h"
#include "stele/time.h"

namespace stele {

/// One stored value, as a view: a text lives in the row or the statement that the cell came from.
class Cell {
 public:
  enum class Kind : std::uint8_t { null, integer, real, text };
  constexpr Cell() = default;
  constexpr explicit Cell(std::int64_t value) : kind_{Kind::integer}, integer_{value} {}
  constexpr explicit Cell(double value) : kind_{Kind::real}, real_{value} {}
  constexpr explicit Cell(std::string_view value) : kind_{Kind::text}, text_{value} {}

  [[nodiscard]] constexpr Kind kind() const noexcept { return kind_; }
  [[nodiscard]] constexpr bool is_null() const noexcept { return kind_ == Kind::null; }
  [[nodiscard]] constexpr std::int64_t integer() const noexcept { return integer_; }
  [[nodiscard]] constexpr double real() const noexcept { return real_; }
  [[nodiscard]] constexpr std::string_view text() const noexcept { return text_; }

 private:
  Kind kind_ = Kind::null;
  std::int64_t integer_ = 0;
  double real_ = 0;
  std::string_view text_;
};

enum class ColumnType : std::uint8_t { boolean, integer, real, text, timestamp, money };

struct Column {
  std::string name;
  ColumnType type = ColumnType::text;
  bool nullable = false;
  friend bool operator==(const Column&, const Column&) = default;
};

/// Columns by which a sink must find rows quickly: `static constexpr Index indexes[] = {{"owner"},
/// {"account_id", "timestamp"}};` in a projection. Up to four; unused ones are empty.
struct Index {
  std::array<std::string_view, 4> columns{};
};

/// A row that a sink gave back.
struct StoredRow {
  Version version{};
  Position position{};
  std::span<const Cell> cells;  ///< In the order of the columns.
};

/// A row for a sink to write, whole, or to erase.
struct RowWrite {
  std::string_view key;
  Version version{};
  Position position{};
  std::span<const Cell> cells;  ///< In the order of the columns; empty when `erase`.
  bool erase = false;
};

/// The rows of one read model, as a projection sees them while it works on a batch.
class RowStore {
 public:
  virtual ~RowStore() = default;
  using OnRow = std::function<Result<void>(std::size_t key_index, const StoredRow& row)>;

  /// Calls `on_row` for each of `keys` that has a row, in any order. The cells live until it
  /// returns. Errors: `unavailable`, `corrupt`, and what `on_row` returned.
  [[nodiscard]] virtual Result<void> load(std::span<const std::string_view> keys,
                                          const OnRow& on_row) = 0;
  /// Writes one row. Errors: `unavailable`, `corrupt`, `invalid` (a value that the sink refuses).
  [[nodiscard]] virtual Result<void> put(const RowWrite& row) = 0;
};

namespace detail {

template <typename T>
struct ColumnOf {  // What a member that is not optional becomes.
  static constexpr bool known = false;
};
template <typename T>
  requires std::integral<T>
struct ColumnOf<T> {
  static constexpr bool known = true;
  static constexpr ColumnType type =
      std::is_same_v<T, bool> ? ColumnType::boolean : ColumnType::integer;
};
template <typename T>
  requires is_number_id<T>
struct ColumnOf<T> {
  static constexpr bool known = true;
  static constexpr ColumnType type = ColumnType::integer;
};
template <typename T>
  requires(DescribedEnum<T> || std::is_same_v<T, std::string> || std::is_same_v<T, Uuid> ||
           std::is_same_v<T, Currency>)
struct ColumnOf<T> {
  static constexpr bool known = true;
  static constexpr ColumnType type = ColumnType::text;
};
template <>
struct ColumnOf<double> {
  static constexpr bool known = true;
  static constexpr ColumnType type = ColumnType::real;
};
template <>
struct ColumnOf<Timestamp> {
  static constexpr bool known = true;
  static constexpr ColumnType type = ColumnType::timestamp;
};
template <>
struct ColumnOf<Money> {
  static constexpr bool known = true;
  static constexpr ColumnType type = ColumnType::money;
};

// Of a row: not kept in a local constant, which GCC 12 cannot use inside a lambda without -O.
template <Described Row>
inline constexpr bool adds_currency = money_layout<Row>().adds_currency();
template <Described Row>
inline constexpr std::size_t last_money = money_layout<Row>().last_money;

template <typename T>
struct Unwrap {
  using type = T;
};
template <typename T>
struct Unwrap<std::optional<T>> {
  using type = T;
};

}  // namespace detail

/// Turns a typed row into cells. One is used for many rows; the cells live until the next.
class RowWriter {
 public:
  /// Errors: `invalid` if an amount overflowed or two currencies meet in one row.
  template <Described Row>
  [[nodiscard]] Result<std::span<const Cell>> write(const Row& row) {
    cells_.clear();
    texts_.clear();
    currency_ = {};
    failed_ = nullptr;
    failed_name_.clear();
    std::size_t i = 0;
    for_each_member(row, [&](std::string_view name, const auto& member) {
      add(member);
      if (failed_ != nullptr && failed_name_.empty()) failed_name_ = name;
      if (detail::adds_currency<Row> && ++i == detail::last_money<Row>) {
        cells_.push_back(keep(currency_));
      }
    });
    if (failed_ != nullptr) return failure(type_name<Row>());
    return std::span<const Cell>{cells_};
  }

 private:
  template <typename T>
  void add(const T& value) {
    static_assert(detail::ColumnOf<T>::known, "A row cannot hold a member of this type.");
    if constexpr (std::is_same_v<T, std::string>) {
      cells_.emplace_back(std::string_view{value});
    } else if constexpr (std::is_same_v<T, Money>) {
      add_money(value);
    } else if constexpr (std::is_same_v<T, Currency>) {
      cells_.push_back(keep(value));
    } else if constexpr (std::is_same_v<T, Uuid>) {
      cells_.emplace_back(std::string_view{texts_.emplace_back(value.text())});
    } else if constexpr (DescribedEnum<T>) {
      cells_.emplace_back(enum_text(value));
    } else if constexpr (std::is_same_v<T, double>) {
      cells_.emplace_back(value);
    } else {
      cells_.emplace_back(static_cast<std::int64_t>(value));
    }
  }
  template <typename T>
  void add(const std::optional<T>& value) {
    if (value) {
      add(*value);
    } else {
      cells_.emplace_back();
    }
  }
  void add_money(const Money& value);
  Cell keep(Currency currency);
  [[nodiscard]] std::unexpected<Error> failure(std::string_view row) const;

  std::vector<Cell> cells_;
  std::deque<std::string> texts_;  // What cells view that the row itself does not hold.
  Currency currency_;
  const char* failed_ = nullptr;
  std::string failed_name_;
};

namespace detail {

[[nodiscard]] bool read_cell(const Cell& cell, std::string& out);
[[nodiscard]] bool read_cell(const Cell& cell, Uuid& out);
[[nodiscard]] bool read_cell(const Cell& cell, Currency& out);
[[nodiscard]] bool read_cell(const Cell& cell, double& out);
[[nodiscard]] std::unexpected<Error> row_mismatch(std::string_view row, std::string_view member);

template <typename T>
[[nodiscard]] bool read_cell(const Cell& cell, Currency currency, T& out) {
  if constexpr (is_optional<T>) {
    out.reset();
    return cell.is_null() || read_cell(cell, currency, out.emplace());
  } else if constexpr (std::is_same_v<T, Money>) {
    out = Money{cell.integer(), currency};
    return cell.kind() == Cell::Kind::integer;
  } else if constexpr (DescribedEnum<T>) {
    for (const EnumName<T>& each : enum_description_of<T>.names) {
      if (each.name != cell.text()) continue;
      out = each.value;
      return cell.kind() == Cell::Kind::text;
    }
    return false;
  } else if constexpr (std::integral<T>) {
    using Limits = std::numeric_limits<T>;
    out = static_cast<T>(cell.integer());
    return cell.kind() == Cell::Kind::integer &&
           (sizeof(T) == sizeof(std::int64_t) ||
            (std::cmp_less_equal(static_cast<std::int64_t>(Limits::min()), cell.integer()) &&
             cell.integer() <= static_cast<std::int64_t>(Limits::max())));
  } else if constexpr (std::is_enum_v<T>) {  // Version, Position, Timestamp.
    out = static_cast<T>(cell.integer());
    return cell.kind() == Cell::Kind::integer;
  } else {
    return read_cell(cell, out);
  }
}

}  // namespace detail

/// The columns of a row, without those that the engine keeps.
template <Described Row>
[[nodiscard]] std::vector<Column> columns_of() {
  std::vector<Column> columns;
  std::size_t i = 0;
  for_each_member_type<Row>([&]<typename M>(std::string_view name) {
    using T = typename detail::Unwrap<M>::type;
    static_assert(detail::ColumnOf<T>::known, "A row cannot hold a member of this type.");
    columns.push_back({std::string{name}, detail::ColumnOf<T>::type, detail::is_optional<M>});
    if (detail::adds_currency<Row> && ++i == detail::last_money<Row>) {
      columns.push_back({"currency", ColumnType::text, false});
    }
  });
  return columns;
}

/// Reads what `RowWriter` wrote. Errors: `corrupt` if a cell does not fit its member: the stored
/// table has other columns than the program's row.
template <Described Row>
[[nodiscard]] Result<Row> read_row(std::span<const Cell> cells) {
  constexpr std::size_t count =
      description_of<Row>.size() + (detail::adds_currency<Row> ? std::size_t{1} : std::size_t{0});
  if (cells.size() != count) return detail::row_mismatch(type_name<Row>(), "row");
  Currency currency;
  if constexpr (detail::last_money<Row> > 0) {
    constexpr std::size_t at = detail::adds_currency<Row>
                                   ? detail::last_money<Row>
                                   : detail::money_layout<Row>().own_currency - 1;
    if (!detail::read_cell(cells[at], currency)) {
      return detail::row_mismatch(type_name<Row>(), "currency");
    }
  }
  Row row{};
  std::string_view wrong;
  std::size_t i = 0;
  for_each_member(row, [&](std::string_view name, auto& member) {
    const std::size_t skip = detail::adds_currency<Row> && i >= detail::last_money<Row> ? 1 : 0;
    if (!detail::read_cell(cells[i + skip], currency, member)) wrong = name;
    ++i;
  });
  if (!wrong.empty()) return detail::row_mismatch(type_name<Row>(), wrong);
  return row;
}

}  // namespace stele
