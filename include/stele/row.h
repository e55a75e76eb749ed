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

/// Text columns whose words a sink must find: `static constexpr FullText full_text =
/// {.columns = {"description", "reference"}, .within = "account_id"};` in a projection. Up to four;
/// unused ones are empty.
struct FullText {
  std::array<std::string_view, 4> columns{};
  /// The text column by which searches are usually narrowed (`Select::where` with `equal`): they
  /// then cost what that part holds, not what the whole table holds. Empty: none.
  std::string_view within{};
};

inline constexpr std::size_t search_size_max = 256;  ///< Bytes of a search in such columns.
inline constexpr std::size_t search_words_max = 16;  ///< Words and phrases of it.

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

/// A database's own client, in SQL: see stele/custom_projection.h.
class SqlClient;

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
  /// The sink's own client, inside the batch's transaction; null if it has none.
  [[nodiscard]] virtual SqlClient* sql() noexcept { return nullptr; }
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
    start();
    std::size_t i = 0;
    for_each_member(row, [&](std::string_view name, const auto& member) {
      add(member);
      if (failed_ != nullptr && failed_name_.empty()) failed_name_ = name;
      if (detail::adds_currency<Row> && ++i == detail::last_money<Row>) add_currency(currency_);
    });
    return finish(type_name<Row>());
  }

 private:
  template <typename T>
  void add(const T& value) {
    static_assert(detail::ColumnOf<T>::known, "A row cannot hold a member of this type.");
    if constexpr (std::is_same_v<T, std::string>) {
      add_cell(Cell{std::string_view{value}});
    } else if constexpr (std::is_same_v<T, Money>) {
      add_money(value);
    } else if constexpr (std::is_same_v<T, Currency>) {
      add_currency(value);
    } else if constexpr (std::is_same_v<T, Uuid>) {
      add_text(value.text());
    } else if constexpr (DescribedEnum<T>) {
      add_cell(Cell{enum_text(value)});
    } else if constexpr (std::is_same_v<T, double>) {
      add_cell(Cell{value});
    } else {
      add_cell(Cell{static_cast<std::int64_t>(value)});
    }
  }
  template <typename T>
  void add(const std::optional<T>& value) {
    if (value) {
      add(*value);
    } else {
      add_cell({});
    }
  }
  void add_money(const Money& value);
  void add_currency(Currency currency);
  void add_text(std::string text);  // Kept until the next row.
  void add_cell(const Cell& cell);
  void start();
  [[nodiscard]] Result<std::span<const Cell>> finish(std::string_view row) const;

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

/// A column as it is known when the program is compiled.
struct StaticColumn {
  std::string_view name;
  ColumnType type = ColumnType::text;
  bool nullable = false;
};

template <Described Row>
constexpr auto static_columns() {
  std::array<StaticColumn, description_of<Row>.size() + (adds_currency<Row> ? 1 : 0)> columns{};
  std::size_t at = 0;
  std::size_t i = 0;
  for_each_member_type<Row>([&]<typename M>(std::string_view name) {
    using T = typename Unwrap<M>::type;
    static_assert(ColumnOf<T>::known, "A row cannot hold a member of this type.");
    columns[at++] = {name, ColumnOf<T>::type, is_optional<M>};
    if (adds_currency<Row> && ++i == last_money<Row>) {
      columns[at++] = {"currency", ColumnType::text, false};
    }
  });
  return columns;
}
template <Described Row>
inline constexpr auto static_columns_of = static_columns<Row>();

[[nodiscard]] std::vector<Column> columns(std::span<const StaticColumn> known);

}  // namespace detail

/// The columns of a row, without those that the engine keeps.
template <Described Row>
[[nodiscard]] std::vector<Column> columns_of() {
  return detail::columns(detail::static_columns_of<Row>);
}

namespace detail {

/// Returns the member that a cell does not fit; empty if all do.
template <Described Row>
[[nodiscard]] std::string_view read_cells(std::span<const Cell> cells, Row& row) {
  if (cells.size() != static_columns_of<Row>.size()) return "row";
  Currency currency;
  if constexpr (last_money<Row> > 0) {
    constexpr std::size_t at =
        adds_currency<Row> ? last_money<Row> : money_layout<Row>().own_currency - 1;
    if (!read_cell(cells[at], currency)) return "currency";
  }
  std::string_view wrong;
  std::size_t i = 0;
  for_each_member(row, [&](std::string_view name, auto& member) {
    const std::size_t skip = adds_currency<Row> && i >= last_money<Row> ? 1 : 0;
    if (!read_cell(cells[i + skip], currency, member)) wrong = name;
    ++i;
  });
  return wrong;
}

/// What is done with rows by code that does not know their C++ type.
struct RowTable {
  const TypeTable* type = nullptr;
  std::span<const StaticColumn> columns;
  std::string_view (*read_cells)(std::span<const Cell> cells, void* row) = nullptr;
  Result<std::span<const Cell>> (*write)(RowWriter& writer, const void* row) = nullptr;

  /// Into `row`, a value made by default. Errors: as of `stele::read_row`.
  [[nodiscard]] Result<void> read(std::span<const Cell> cells, void* row) const;
};

template <Described Row>
inline constexpr RowTable row_table{
    .type = &type_table<Row>,
    .columns = static_columns_of<Row>,
    .read_cells = [](std::span<const Cell> cells,
                     void* row) { return read_cells(cells, *static_cast<Row*>(row)); },
    .write = [](RowWriter& writer,
                const void* row) { return writer.write(*static_cast<const Row*>(row)); }};

}  // namespace detail

/// Reads what `RowWriter` wrote. Errors: `corrupt` if a cell does not fit its member: the stored
/// table has other columns than the program's row.
template <Described Row>
[[nodiscard]] Result<Row> read_row(std::span<const Cell> cells) {
  Row row{};
  auto read = detail::row_table<Row>.read(cells, &row);
  if (!read) return std::unexpected{std::move(read.error())};
  return row;
}

}  // namespace stele
