// Module: projection
// Custom projections: they are told whole batches of events and write what they like, in SQL, by
// the sink's own client, inside the transaction that also stores how far they came:
//
//   struct Volume {
//     static constexpr auto name = "volume";
//     static constexpr int generation = 1;  // Raise when it would write other things.
//     using Events = stele::Events<MoneyDeposited, MoneyWithdrawn>;
//     static constexpr auto tables = "CREATE TABLE volume(day TEXT PRIMARY KEY, amount INTEGER)";
//     static std::vector<stele::Result<void>> apply(std::span<const stele::EventView> events,
//                                                   stele::SqlClient& sql);
//   };
//
// `apply` returns one result for each event. After an error nothing of the batch is stored, and the
// events before the first one that failed are told again, without it; an event that keeps failing
// parks its stream. `category`, if there is one, limits it to streams of that category.
//
// `static Result<void> forget(Position after, SqlClient&)` removes what events after `after` wrote;
// with it, the projection can be rebuilt in place from a position.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stele/error.h"
#include "stele/projection.h"
#include "stele/row.h"

namespace stele {

/// SQL on the database of a read model. Used by one thread, and only during the call that was given
/// it (of a snapshot: as long as that lives). Parameters stand as `?1`, `?2` in the text, which is
/// compiled once for each connection.
class SqlClient {
 public:
  virtual ~SqlClient() = default;
  using OnCells = std::function<Result<void>(std::span<const Cell> cells)>;

  /// Runs one statement; returns how many rows it changed. Errors: `invalid` (the SQL, or a
  /// constraint), `read_only` (of a snapshot), `unavailable`, `corrupt`.
  [[nodiscard]] virtual Result<std::uint64_t> execute(std::string_view sql,
                                                      std::span<const Cell> parameters = {}) = 0;
  /// Runs one statement and gives each row; its cells live until `on_row` returns. Errors: as
  /// `execute`, and what `on_row` returned, which ends it.
  [[nodiscard]] virtual Result<void> query(std::string_view sql, std::span<const Cell> parameters,
                                           const OnCells& on_row) = 0;
};

namespace detail {

/// What a custom projection says of itself.
struct CustomTable {
  std::string_view name;
  int generation = 1;
  std::string_view category;  // Empty: any.
  std::string_view tables;
  std::span<const std::string_view> events;  // Names of types; none: all.
  std::vector<Result<void>> (*apply)(std::span<const EventView> events, SqlClient& sql) = nullptr;
  Result<void> (*forget)(Position after, SqlClient& sql) = nullptr;
};

/// The table must outlive it.
[[nodiscard]] std::unique_ptr<Projection> make_custom(const CustomTable& table);

template <template <typename...> typename List, Described... E>
constexpr std::array<std::string_view, sizeof...(E)> event_names(List<E...>) {
  return {std::string_view{type_table<E>.name}...};
}
template <typename P>
inline constexpr auto custom_events = event_names(typename P::Events{});

template <typename P>
constexpr CustomTable make_custom_table() {
  CustomTable table;
  table.name = P::name;
  table.generation = P::generation;
  if constexpr (requires { P::category; }) table.category = P::category;
  table.tables = P::tables;
  if constexpr (requires { typename P::Events; }) table.events = custom_events<P>;
  table.apply = &P::apply;
  if constexpr (requires { &P::forget; }) table.forget = &P::forget;
  return table;
}
template <typename P>
inline constexpr CustomTable custom_table = make_custom_table<P>();

}  // namespace detail

/// The custom projection `P` behind the interface that the engine runs.
template <typename P>
[[nodiscard]] std::unique_ptr<Projection> make_custom() {
  return detail::make_custom(detail::custom_table<P>);
}

}  // namespace stele
