// Module: query
// Typed access to the rows of a projection: by key, by conditions with order and paging, and sums.
//
//   ReadModel<AccountSummary> accounts{reader};
//   auto account = accounts.find("42");
//   auto page = accounts.select({.where = {{"is_active", Compare::equal, true}},
//                                .order_by = {"owner_name"}, .limit = 50, .cursor = cursor});
//
// Every answer is of one state of the read model, the newest committed one, and says which by its
// `position`. `view` gives several answers of the same state.

#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "stele/error.h"
#include "stele/ids.h"
#include "stele/money.h"
#include "stele/row.h"
#include "stele/time.h"

namespace stele {

inline constexpr std::size_t select_limit_default = 50;
inline constexpr std::size_t select_limit_max = 1'000;
inline constexpr std::size_t select_conditions_max = 16;
inline constexpr std::size_t where_values_max = 1'000;  ///< Of one condition with `one_of`.

/// A value to compare a column with. Money counts in minor units; compare the currency apart.
class Value {
 public:
  Value() = default;
  Value(bool truth) : value_{std::int64_t{truth}} {}  // NOLINT: meant to convert, here and below.
  Value(std::integral auto whole) : value_{static_cast<std::int64_t>(whole)} {}  // NOLINT
  Value(double real) : value_{real} {}                                           // NOLINT
  Value(std::string text) : value_{std::move(text)} {}                           // NOLINT
  Value(std::string_view text) : value_{std::string{text}} {}                    // NOLINT
  Value(const char* text) : value_{std::string{text}} {}                         // NOLINT
  Value(Timestamp time) : value_{micros(time)} {}                                // NOLINT
  Value(Money money) : value_{money.minor_units()} {}                            // NOLINT
  Value(Currency currency) : value_{std::string{currency.code()}} {}             // NOLINT

  [[nodiscard]] Cell cell() const;  ///< A view of this value.
  [[nodiscard]] static Value of(const Cell& cell);
  friend bool operator==(const Value&, const Value&) = default;

 private:
  std::variant<std::monostate, std::int64_t, double, std::string> value_;
};

enum class Compare : std::uint8_t {
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  one_of,  ///< Equal to one of `Where::values`; none of them: no row.
};

/// Holds for rows whose `column` (also `row_key`, `row_version`, `row_position`) compares so. An
/// empty `Value` with `equal` or `not_equal` asks for NULL or its opposite.
struct Where {
  std::string column;
  Compare compare = Compare::equal;
  Value value = {};
  std::vector<Value> values = {};  ///< For `one_of`: texts or whole numbers, `where_values_max`.
};

/// Which rows, in which order. `row_key` is the last thing they are ordered by, so that the order
/// is total and pages neither repeat nor skip a row that stays as it is.
struct Select {
  std::vector<Where> where = {};           ///< All must hold. At most `select_conditions_max`.
  std::vector<std::string> order_by = {};  ///< Columns that are not nullable, at most 4.
  bool descending = false;
  std::size_t limit = select_limit_default;  ///< 1 to `select_limit_max`.
  std::string cursor = {};                   ///< `next` of the page before; empty: from the start.
  /// Words that a row must hold, all of them, in its projection's `full_text` columns; empty: any
  /// row. `"two words"` in quotes stand together in that order; `rent*` is the beginning of a word.
  /// Case and accents do not count. Every other character is text, so no search is wrong, but one
  /// without a letter or digit, one that is too long, or one of a projection without `full_text`:
  /// `invalid`.
  std::string search = {};
};

/// What to add up, and by what to group.
struct Totals {
  std::vector<Where> where = {};
  std::vector<std::string> sums = {};      ///< Integer or money columns, at most 8.
  std::vector<std::string> group_by = {};  ///< At most 4; empty: one group, even without rows.
};

struct Total {
  std::vector<Value> group;  ///< In the order of `group_by`.
  std::uint64_t count = 0;
  std::vector<std::int64_t> sums;  ///< In the order of `sums`. NULL counts as 0.
};

/// One state of one read model, by cells. Used by one thread; holds one of a few connections, so
/// let it go soon.
class RowSnapshot {
 public:
  virtual ~RowSnapshot() = default;
  using OnRow = std::function<Result<void>(std::string_view key, const StoredRow& row)>;

  [[nodiscard]] virtual Position position() const = 0;  ///< The log up to here is shown.
  /// Whether there was such a row.
  [[nodiscard]] virtual Result<bool> find(std::string_view key, const OnRow& on_row) = 0;
  /// Returns the cursor of the next page; empty if there is none.
  [[nodiscard]] virtual Result<std::string> select(const Select& select, const OnRow& on_row) = 0;
  [[nodiscard]] virtual Result<std::vector<Total>> total(const Totals& totals) = 0;

  /// Whether `key` is parked: an event of it could not be applied, and what the log has of it since
  /// is missing here. Of a fold its row's key; of others a stream's name. Errors: `unavailable`.
  [[nodiscard]] virtual Result<bool> parked(std::string_view key) = 0;
  /// The database's own client, for reading; null if it has none. Lives as long as the snapshot.
  [[nodiscard]] virtual SqlClient* sql() noexcept { return nullptr; }
};

/// Opens states of one read model. Thread-safe.
class RowReader {
 public:
  virtual ~RowReader() = default;
  /// Waits up to `timeout` for a free connection. The snapshot must not outlive the reader. Errors:
  /// `timed_out`, `unavailable` (also while the read model was not made yet, or is rebuilt in place
  /// and not yet back where it was), `corrupt`. No snapshot is older than one given before.
  [[nodiscard]] virtual Result<std::unique_ptr<RowSnapshot>> snapshot(
      std::chrono::microseconds timeout) = 0;
};

template <typename Row>
struct Found {
  std::string key;
  Row row;
  Version version{};    ///< Of the last event that the row shows (of its stream, in a fold by
                        ///< stream).
  Position position{};  ///< That event's.
};

template <typename Row>
struct Page {
  std::vector<Found<Row>> rows;
  std::string next;  ///< Cursor of the next page; empty if this is the last.
  Position position{};
};

/// Several answers of one state of the read model of projection `P`.
/// Errors of all: `unavailable`, `corrupt`, `timed_out`; of select and total also `invalid`: a
/// column that does not exist, a limit passed, a cursor that is none or belongs to another query.
template <typename P>
class ReadView {
 public:
  using Row = typename P::Row;
  explicit ReadView(std::unique_ptr<RowSnapshot> snapshot) : snapshot_{std::move(snapshot)} {}

  [[nodiscard]] Position position() const { return snapshot_->position(); }

  [[nodiscard]] Result<std::optional<Found<Row>>> find(std::string_view key) {
    std::optional<Found<Row>> found;
    const auto read = snapshot_->find(key, [&](std::string_view name, const StoredRow& stored) {
      return keep(name, stored, [&](Found<Row> row) { found = std::move(row); });
    });
    if (!read) return std::unexpected{read.error()};
    return found;
  }

  [[nodiscard]] Result<Page<Row>> select(const Select& what) {
    Page<Row> page;
    page.position = snapshot_->position();
    auto next = snapshot_->select(what, [&](std::string_view name, const StoredRow& stored) {
      return keep(name, stored, [&](Found<Row> row) { page.rows.push_back(std::move(row)); });
    });
    if (!next) return std::unexpected{next.error()};
    page.next = std::move(*next);
    return page;
  }

  [[nodiscard]] Result<std::vector<Total>> total(const Totals& what) {
    return snapshot_->total(what);
  }

  /// As `RowSnapshot::parked`: what this view shows of `key` is not all that the log has.
  [[nodiscard]] Result<bool> parked(std::string_view key) { return snapshot_->parked(key); }

 private:
  template <typename Take>
  static Result<void> keep(std::string_view key, const StoredRow& stored, Take&& take) {
    auto row = read_row<Row>(stored.cells);
    if (!row) return std::unexpected{std::move(row.error())};
    take(Found<Row>{std::string{key}, std::move(*row), stored.version, stored.position});
    return {};
  }

  std::unique_ptr<RowSnapshot> snapshot_;
};

/// The read model of projection `P`. Cheap to copy; thread-safe.
template <typename P>
class ReadModel {
 public:
  using Row = typename P::Row;
  static constexpr std::chrono::microseconds wait_default = std::chrono::seconds{5};

  explicit ReadModel(std::shared_ptr<RowReader> reader) : reader_{std::move(reader)} {}

  [[nodiscard]] Result<ReadView<P>> view(std::chrono::microseconds timeout = wait_default) const {
    auto snapshot = reader_->snapshot(timeout);
    if (!snapshot) return std::unexpected{std::move(snapshot.error())};
    return ReadView<P>{std::move(*snapshot)};
  }
  [[nodiscard]] Result<std::optional<Found<Row>>> find(std::string_view key) const {
    auto state = view();
    if (!state) return std::unexpected{std::move(state.error())};
    return state->find(key);
  }
  [[nodiscard]] Result<Page<Row>> select(const Select& what) const {
    auto state = view();
    if (!state) return std::unexpected{std::move(state.error())};
    return state->select(what);
  }
  [[nodiscard]] Result<std::vector<Total>> total(const Totals& what) const {
    auto state = view();
    if (!state) return std::unexpected{std::move(state.error())};
    return state->total(what);
  }

 private:
  std::shared_ptr<RowReader> reader_;
};

}  // namespace stele
