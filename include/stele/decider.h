// Module: decide
// A decider is a plain type: which events build its state, which commands it judges, and how. It
// does no I/O and reads no clock, so it can be tested alone (testing.h) and run again at will.
//
//   struct Account {
//     static constexpr auto category = "account";
//     static constexpr int state_version = 1;  // Raise when evolve() changes.
//     using Events = stele::Events<MoneyDeposited, MoneyWithdrawn>;
//     using Commands = stele::Commands<Withdraw, Transfer>;
//     struct State { Money balance; };
//
//     static void evolve(State&, const MoneyDeposited&);
//     static void evolve(State&, const MoneyWithdrawn&);
//     static stele::Decision decide(const State&, const Withdraw&);
//
//     // Over several streams: the command's keys, and one state for each.
//     static stele::Keys keys(std::string_view id, const Transfer& c) {
//       return {std::string{id}, c.to};
//     }
//     static stele::Decision decide(const State& from, const State& to, const Transfer&);
//
//     // Over a query: the state is folded from every event that matches, of any stream.
//     static stele::Query scope(const Enroll& c);
//     static stele::Decision decide(const State&, const Enroll&);
//   };
//
// Every `decide` may take `const stele::Context&` as its last argument. Two keys may be equal: then
// both states are the same one. A `State` is copyable; if it is described, snapshots are kept of
// it. `static std::size_t size(const State&)`, if there is one, says how many bytes a state holds
// beyond sizeof, for the bound on the states kept in memory. Events of a stream whose type is not
// in `Events` do not change the state.

#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "stele/command.h"
#include "stele/type_list.h"

namespace stele {

/// At most this many states in one `decide`.
inline constexpr std::size_t decide_states_max = 3;

namespace detail {

/// How one event type changes one decider's state.
struct EventTable {
  std::string_view name;
  const void* identity = nullptr;
  void (*evolve)(void* state, const void* event) = nullptr;
  Result<void> (*decode_and_evolve)(void* state, const EventView& event) = nullptr;
};

struct CommandTable {
  std::string_view name;
  const void* identity = nullptr;
  std::size_t states = 1;
  Decision (*decide)(std::span<const void* const> states, const void* command,
                     const Context& context) = nullptr;
  Keys (*keys)(std::string_view key, const void* command) = nullptr;
  Query (*scope)(const void* command) = nullptr;  // Null: over streams.
  const TypeTable* type = nullptr;
  std::shared_ptr<void> (*make)() = nullptr;

  /// Appends the command as JSON, by stored names.
  [[nodiscard]] std::expected<void, MappingError> write(std::string& out,
                                                        const void* command) const;
  [[nodiscard]] std::expected<std::shared_ptr<const void>, MappingError> read_value(
      JsonValue json, MappingOptions options) const;
  /// Reads the command from JSON text.
  [[nodiscard]] std::expected<std::shared_ptr<const void>, MappingError> read(
      std::string_view json, MappingOptions options) const;
};

struct DeciderTable {
  std::string_view category;
  int state_version = 1;
  const void* identity = nullptr;
  std::span<const EventTable> events;
  std::span<const CommandTable> commands;
  std::shared_ptr<void> (*make_state)() = nullptr;
  std::shared_ptr<void> (*copy_state)(const void* state) = nullptr;
  std::size_t (*state_size)(const void* state) = nullptr;
  /// Null if the state is not described: no snapshots.
  std::expected<void, MappingError> (*write_state)(std::string& out, const void* state) = nullptr;
  std::shared_ptr<void> (*read_state)(std::string_view json) = nullptr;

  [[nodiscard]] const EventTable* event_of(const void* identity) const noexcept;
  [[nodiscard]] const EventTable* event_named(std::string_view name) const noexcept;
  [[nodiscard]] const CommandTable* command_of(const void* identity) const noexcept;
  [[nodiscard]] const CommandTable* command_named(std::string_view name) const noexcept;
};

template <typename D, typename C, std::size_t... I>
constexpr bool decides_plain(std::index_sequence<I...>) {
  using S = typename D::State;
  return requires(const std::array<const S*, sizeof...(I)>& s, const C& c) {
    { D::decide(*s[I]..., c) } -> std::convertible_to<Decision>;
  };
}
template <typename D, typename C, std::size_t... I>
constexpr bool decides_in_context(std::index_sequence<I...>) {
  using S = typename D::State;
  return requires(const std::array<const S*, sizeof...(I)>& s, const C& c, const Context& x) {
    { D::decide(*s[I]..., c, x) } -> std::convertible_to<Decision>;
  };
}
template <typename D, typename C, std::size_t N>
inline constexpr bool decides = decides_plain<D, C>(std::make_index_sequence<N>{}) ||
                                decides_in_context<D, C>(std::make_index_sequence<N>{});

/// How many states the decider's `decide` for command `C` takes; 0 if there is none.
template <typename D, typename C>
constexpr std::size_t states_of() {
  if constexpr (decides<D, C, 1>) return 1;
  if constexpr (decides<D, C, 2>) return 2;
  if constexpr (decides<D, C, 3>) return 3;
  return 0;
}

/// The compiler names decider and event in the instantiation of this function.
template <typename Decider, typename Event>
constexpr void require_evolve() {
  static_assert(
      requires(typename Decider::State& s, const Event& e) { Decider::evolve(s, e); },
      "This decider lacks `static void evolve(State&, const Event&)` for this Event.");
}

/// The compiler names decider and command in the instantiation of this function.
template <typename Decider, typename Command>
constexpr void require_decide() {
  static_assert(states_of<Decider, Command>() > 0,
                "This decider lacks `static Decision decide(const State&, const Command&)` for "
                "this Command.");
  static_assert(
      states_of<Decider, Command>() < 2 ||
          requires(std::string_view key, const Command& c) {
            { Decider::keys(key, c) } -> std::convertible_to<Keys>;
          },
      "This decider judges this Command over several streams, but lacks `static Keys "
      "keys(std::string_view key, const Command&)`.");
}

template <typename D, typename C, std::size_t... I>
Decision call_decide(std::span<const void* const> states, const void* command,
                     const Context& context, std::index_sequence<I...>) {
  using S = typename D::State;
  const C& c = *static_cast<const C*>(command);
  if constexpr (decides_in_context<D, C>(std::index_sequence<I...>{})) {
    return D::decide(*static_cast<const S*>(states[I])..., c, context);
  } else {
    return D::decide(*static_cast<const S*>(states[I])..., c);
  }
}

template <typename D, Described E>
constexpr EventTable make_event_table() {
  require_evolve<D, E>();
  using S = typename D::State;
  return {.name = type_name<E>(),
          .identity = &identity<E>,
          .evolve =
              [](void* state, const void* event) {
                D::evolve(*static_cast<S*>(state), *static_cast<const E*>(event));
              },
          .decode_and_evolve = [](void* state, const EventView& event) -> Result<void> {
            E decoded{};
            auto read = detail::decode_event(event, type_table<E>, &decoded);
            if (read) D::evolve(*static_cast<S*>(state), decoded);
            return read;
          }};
}

/// Owns `object`. Not std::make_shared, of which each type costs a user's program much to compile.
[[nodiscard]] std::shared_ptr<void> shared_object(void* object, void (*destroy)(void*));
template <typename T>
void delete_object(void* object) {
  delete static_cast<T*>(object);
}

template <typename D, Described C>
constexpr CommandTable make_command_table() {
  require_decide<D, C>();
  CommandTable table;
  table.name = type_name<C>();
  table.identity = &identity<C>;
  table.states = states_of<D, C>();
  table.decide = [](std::span<const void* const> states, const void* command,
                    const Context& context) {
    return call_decide<D, C>(states, command, context,
                             std::make_index_sequence<states_of<D, C>()>{});
  };
  if constexpr (requires(std::string_view key, const C& c) { D::keys(key, c); }) {
    table.keys = [](std::string_view key, const void* command) -> Keys {
      return D::keys(key, *static_cast<const C*>(command));
    };
  }
  if constexpr (requires(const C& c) { D::scope(c); }) {
    table.scope = [](const void* command) -> Query {
      return D::scope(*static_cast<const C*>(command));
    };
  }
  table.type = &type_table<C>;
  table.make = []() { return shared_object(new C{}, &delete_object<C>); };
  return table;
}

template <typename D, Described... E>
constexpr std::array<EventTable, sizeof...(E)> make_event_tables(Events<E...>) {
  return {make_event_table<D, E>()...};
}
template <typename D, Described... C>
constexpr std::array<CommandTable, sizeof...(C)> make_command_tables(Commands<C...>) {
  return {make_command_table<D, C>()...};
}
template <typename D>
inline constexpr auto event_tables = make_event_tables<D>(typename D::Events{});
template <typename D>
inline constexpr auto command_tables = make_command_tables<D>(typename D::Commands{});

template <typename D>
constexpr DeciderTable make_decider_table() {
  using S = typename D::State;
  static_assert(std::is_copy_constructible_v<S> && std::is_default_constructible_v<S>,
                "A decider's State must be default and copy constructible.");
  DeciderTable table;
  table.category = D::category;
  table.state_version = D::state_version;
  table.identity = &identity<D>;
  table.events = event_tables<D>;
  table.commands = command_tables<D>;
  table.make_state = []() { return shared_object(new S(), &delete_object<S>); };
  table.copy_state = [](const void* state) {
    return shared_object(new S(*static_cast<const S*>(state)), &delete_object<S>);
  };
  table.state_size = []([[maybe_unused]] const void* state) {
    if constexpr (requires(const S& s) { D::size(s); }) {
      return sizeof(S) + static_cast<std::size_t>(D::size(*static_cast<const S*>(state)));
    } else {
      return sizeof(S);
    }
  };
  if constexpr (Described<S>) {
    table.write_state = [](std::string& out, const void* state) {
      return append_json(out, *static_cast<const S*>(state));
    };
    table.read_state = [](std::string_view json) -> std::shared_ptr<void> {
      auto read = from_json<S>(json);
      if (!read) return nullptr;
      return std::make_shared<S>(std::move(*read));
    };
  }
  return table;
}

template <typename D>
inline constexpr DeciderTable decider_table = make_decider_table<D>();

}  // namespace detail

/// A command on its way: which decider judges it, to which id it was sent, its body. Made by
/// `call_of` or from JSON by `Deciders`. Copyable; the body is shared.
struct CommandCall {
  const detail::DeciderTable* decider = nullptr;
  const detail::CommandTable* command = nullptr;
  std::string key;  ///< The id after the category: "42" of "account-42".
  std::shared_ptr<const void> body;
  CommandOptions options = {};
};

/// Sends command `body` to stream `D::category` + "-" + `key`.
template <typename D, Described C>
[[nodiscard]] CommandCall call_of(std::string key, C body, CommandOptions options = {}) {
  const auto& table = detail::decider_table<D>;
  const detail::CommandTable* command = table.command_of(&detail::identity<C>);
  return {.decider = &table,
          .command = command,
          .key = std::move(key),
          .body = std::make_shared<const C>(std::move(body)),
          .options = std::move(options)};
}

}  // namespace stele
