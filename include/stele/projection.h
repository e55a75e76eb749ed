// Module: projection
// Projections: plain types that say how events become the rows of a read model. No I/O, no clock.
//
// A fold has one row per key and applies events to it, in order, each once:
//
//   struct AccountSummary {
//     static constexpr auto name = "account_summaries";
//     static constexpr int generation = 1;  // Raise when rows would come out differently.
//     static constexpr auto category = "account";  // The key is then the id: "42" of "account-42".
//     using Events = stele::Events<AccountCreated, MoneyDeposited>;
//     using Row = AccountRow;  // Described: its columns and their defaults.
//     static constexpr stele::Index indexes[] = {{"owner_name"}};  // If any.
//     static constexpr stele::FullText full_text = {{"owner_name"}};  // If words are to be found.
//     static void apply(Row& row, const AccountCreated& e, const stele::At& at);
//     static void apply(Row& row, const MoneyDeposited& e, const stele::At& at);
//   };
//
// Without `category`, streams of every category count, and the key is the stream's whole name. A
// fold over another key says, for each event, `static std::string key(const E&, const At&)`; an
// empty key: the event concerns no row.
//
// A map turns each event into rows of their own: `static Rows<Row> map(const E&, const At&)`.
//
// A custom projection is told whole batches and writes what it likes: stele/custom_projection.h.
//
// The engine tells a projection each event that it handles once, in order of positions. An event on
// which one of these functions throws is tried again, and then its key is parked (the row of a
// fold, else the event's stream): its later events wait until a person retries it, and all other
// keys go on. No projection stops another.

#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stele/append.h"
#include "stele/error.h"
#include "stele/event.h"
#include "stele/ids.h"
#include "stele/registry.h"
#include "stele/row.h"
#include "stele/time.h"
#include "stele/type_list.h"

namespace stele {

/// Where and when an event happened. Views live as long as the call that was given it.
struct At {
  std::string_view stream;
  Version version{};
  Position position{};
  AppendId append_id;
  EventId event_id;
  std::string_view type;
  Timestamp occurred_at{};  ///< Metadata's `occurred_at` if it has one, else `recorded_at`.
  Timestamp recorded_at{};
  std::string_view metadata;  ///< A JSON object, or empty.
};

/// `occurred_at` is found in the metadata. Metadata that is no JSON, or a time that is none, counts
/// as absent: stored events cannot be changed, and the time of recording is always known.
[[nodiscard]] At at_of(const EventView& event);

/// What one event becomes: 0 or more rows. A row's id must be a function of the event alone, so
/// that doing it again writes the same rows.
template <Described Row>
class Rows {
 public:
  struct Item {
    std::string id;  ///< Empty: the event's id.
    std::optional<Row> row;
  };
  Rows() = default;
  Rows(Row row) { items_.push_back({{}, std::move(row)}); }  // NOLINT: one row is the usual case.
  Rows& add(std::string id, Row row) {
    items_.push_back({std::move(id), std::move(row)});
    return *this;
  }
  Rows& remove(std::string id) {
    items_.push_back({std::move(id), std::nullopt});
    return *this;
  }
  [[nodiscard]] const std::vector<Item>& items() const noexcept { return items_; }

 private:
  std::vector<Item> items_;
};

enum class ProjectionKind : std::uint8_t { fold, map, custom };

/// What a sink and the engine must know of a projection.
struct ProjectionSpec {
  std::string name;
  int generation = 1;
  Filter filter;  ///< Which events it is told.
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> indexes;
  std::vector<std::string> full_text = {};  ///< Columns whose words are found; empty: none.
  std::string full_text_within = {};        ///< As `FullText::within`.
  bool keyed_by_stream = false;  ///< `row_version` is then the version of the row's own stream.
  std::string category;          ///< Its rows' streams are this and the key; empty: any.
  ProjectionKind kind = ProjectionKind::fold;
  std::string tables = {};  ///< Of a custom one: the SQL that makes its own tables.
};

/// Checks names, columns and indexes. Errors: `invalid`, naming what is wrong.
[[nodiscard]] Result<void> check_spec(const ProjectionSpec& spec);

/// What stopped a batch: an event (`index` in the batch), or the sink (`index` none).
struct ProjectFailure {
  std::optional<std::size_t> index;
  Error error;
};

/// A projection behind one interface. Made by `make_fold`, `make_map`, `make_custom`; used by one
/// thread.
class Projection {
 public:
  virtual ~Projection() = default;
  [[nodiscard]] virtual const ProjectionSpec& spec() const = 0;
  /// Another one of the same kind, for another thread.
  [[nodiscard]] virtual std::unique_ptr<Projection> clone() const = 0;

  /// What is parked when `event` fails: of a fold the row's key (empty: it concerns no row), else
  /// its stream. Errors: the event cannot be read, so nobody knows its key.
  [[nodiscard]] virtual Result<std::string> key_of(const EventView& event) = 0;

  /// Applies `events`, all matching the filter and in order, to `rows`. An event at or before the
  /// position of its row is skipped: it was applied. After a failure `rows` holds a part of it and
  /// must be given up.
  [[nodiscard]] virtual std::expected<void, ProjectFailure> project(
      std::span<const EventView* const> events, RowStore& rows) = 0;

  /// Before events after `after` are told again in place, 0 excepted: a custom projection removes
  /// what it wrote of them; the rows of others are removed for them. Errors: `invalid` (it cannot).
  [[nodiscard]] virtual Result<void> forget(Position after, RowStore& rows) = 0;
};

namespace detail {

template <typename P, typename E>
concept Applies =
    requires(typename P::Row& row, const E& e, const At& at) { P::apply(row, e, at); };
template <typename P, typename E>
concept Maps = requires(const E& e, const At& at) {
  { P::map(e, at) } -> std::convertible_to<Rows<typename P::Row>>;
};
template <typename P, typename E>
concept GivesKey = requires(const E& e, const At& at) {
  { P::key(e, at) } -> std::convertible_to<std::string>;
};

template <bool exists, typename P, typename E>
struct MustHandle {
  static_assert(exists,
                "This projection (P) lists an event (E) without an overload of apply or map for "
                "`const E&, const At&`, or of key where it has one for others.");
  static constexpr bool value = exists;
};

template <typename P, typename List>
struct Checked;
template <typename P, template <typename...> typename List, typename... E>
struct Checked<P, List<E...>> {
  static constexpr bool has_keys = (GivesKey<P, E> || ...);
  static constexpr bool folds = (MustHandle<Applies<P, E>, P, E>::value && ...);
  static constexpr bool keys = (MustHandle < !has_keys || GivesKey<P, E>, P, E > ::value && ...);
};
template <typename P, typename List>
struct CheckedMap;
template <typename P, template <typename...> typename List, typename... E>
struct CheckedMap<P, List<E...>> {
  static constexpr bool maps = (MustHandle<Maps<P, E>, P, E>::value && ...);
};

/// What a fold does with one type of event.
struct FoldEvent {
  const TypeTable* type = nullptr;
  void (*apply)(void* row, const void* event, const At& at) = nullptr;
  std::string (*key)(const void* event, const At& at) = nullptr;  // Null: keyed by stream.
};

/// A row that a map made. `row` is null if the row of that id is to be removed.
struct MappedRow {
  std::string_view id;
  const void* row = nullptr;
};

/// What a map does with one type of event. `rows` is a `Rows<Row>`.
struct MapEvent {
  const TypeTable* type = nullptr;
  void (*map)(void* rows, const void* event, const At& at) = nullptr;
};

/// What a projection says of itself, beside its events.
struct ProjectionTable {
  std::string_view name;
  int generation = 1;
  std::string_view category;  // Empty: any.
  std::span<const Index> indexes;
  FullText full_text;
  const RowTable* row = nullptr;
};

struct FoldTable {
  ProjectionTable says;
  std::span<const FoldEvent> events;
};

struct MapTable {
  ProjectionTable says;
  std::span<const MapEvent> events;
  std::shared_ptr<void> (*make_rows)() = nullptr;
  /// The rows that `rows` holds; they live as long as it is not changed.
  void (*list)(const void* rows, std::vector<MappedRow>& out) = nullptr;
};

// The engine rooms, compiled once: they work on values whose C++ types only the tables know. The
// tables must outlive them.
[[nodiscard]] std::unique_ptr<Projection> make_fold(const FoldTable& table);
[[nodiscard]] std::unique_ptr<Projection> make_map(const MapTable& table);

template <typename P>
constexpr ProjectionTable make_projection_table() {
  ProjectionTable table;
  table.name = P::name;
  table.generation = P::generation;
  if constexpr (requires { P::category; }) table.category = P::category;
  if constexpr (requires { P::indexes; }) table.indexes = P::indexes;
  if constexpr (requires { P::full_text; }) table.full_text = P::full_text;
  table.row = &row_table<typename P::Row>;
  return table;
}

template <typename P, Described E, bool has_keys>
constexpr FoldEvent make_fold_event() {
  FoldEvent event;
  event.type = &type_table<E>;
  if constexpr (Applies<P, E>) {  // Else `Checked` has said what is missing.
    event.apply = [](void* row, const void* e, const At& at) {
      P::apply(*static_cast<typename P::Row*>(row), *static_cast<const E*>(e), at);
    };
  }
  if constexpr (has_keys && GivesKey<P, E>) {
    event.key = [](const void* e, const At& at) -> std::string {
      return P::key(*static_cast<const E*>(e), at);
    };
  }
  return event;
}
template <typename P, template <typename...> typename List, Described... E>
constexpr std::array<FoldEvent, sizeof...(E)> make_fold_events(List<E...>) {
  using Check = Checked<P, List<E...>>;
  static_assert(Check::folds && Check::keys);
  return {make_fold_event<P, E, Check::has_keys>()...};
}
template <typename P>
inline constexpr auto fold_events = make_fold_events<P>(typename P::Events{});
template <typename P>
inline constexpr FoldTable fold_table{.says = make_projection_table<P>(), .events = fold_events<P>};

template <typename P, Described E>
constexpr MapEvent make_map_event() {
  return {.type = &type_table<E>, .map = [](void* rows, const void* e, const At& at) {
            *static_cast<Rows<typename P::Row>*>(rows) = P::map(*static_cast<const E*>(e), at);
          }};
}
template <typename P, template <typename...> typename List, Described... E>
constexpr std::array<MapEvent, sizeof...(E)> make_map_events(List<E...>) {
  static_assert(CheckedMap<P, List<E...>>::maps);
  return {make_map_event<P, E>()...};
}
template <typename P>
inline constexpr auto map_events = make_map_events<P>(typename P::Events{});
template <typename P>
inline constexpr MapTable map_table{
    .says = make_projection_table<P>(),
    .events = map_events<P>,
    .make_rows = []() -> std::shared_ptr<void> {
      return std::make_shared<Rows<typename P::Row>>();
    },
    .list =
        [](const void* rows, std::vector<MappedRow>& out) {
          for (const auto& item : static_cast<const Rows<typename P::Row>*>(rows)->items()) {
            out.push_back({item.id, item.row ? &*item.row : nullptr});
          }
        }};

}  // namespace detail

/// The fold `P` behind the interface that the engine runs.
template <typename P>
[[nodiscard]] std::unique_ptr<Projection> make_fold() {
  return detail::make_fold(detail::fold_table<P>);
}

/// The map `P` behind the interface that the engine runs.
template <typename P>
[[nodiscard]] std::unique_ptr<Projection> make_map() {
  return detail::make_map(detail::map_table<P>);
}

}  // namespace stele
