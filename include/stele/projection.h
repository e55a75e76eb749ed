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
// The engine tells a projection each event that it handles once, in order of positions. What these
// functions throw stops that projection, and no other, with its state `failed`.

#pragma once

#include <concepts>
#include <cstddef>
#include <deque>
#include <exception>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
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

/// What a sink and the engine must know of a projection.
struct ProjectionSpec {
  std::string name;
  int generation = 1;
  Filter filter;  ///< Which events it is told.
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> indexes;
  bool keyed_by_stream = false;  ///< `row_version` is then the version of the row's own stream.
  std::string category;          ///< Its rows' streams are this and the key; empty: any.
};

/// Checks names, columns and indexes. Errors: `invalid`, naming what is wrong.
[[nodiscard]] Result<void> check_spec(const ProjectionSpec& spec);

/// What stopped a batch: an event (`index` in the batch), or the sink (`index` none).
struct ProjectFailure {
  std::optional<std::size_t> index;
  Error error;
};

/// A projection behind one interface. Made by `make_fold` and `make_map`; used by one thread.
class Projection {
 public:
  virtual ~Projection() = default;
  [[nodiscard]] virtual const ProjectionSpec& spec() const = 0;

  /// Applies `events`, all matching the filter and in order, to `rows`. An event at or before the
  /// position of its row is skipped: it was applied. After a failure `rows` holds a part of it and
  /// must be given up.
  [[nodiscard]] virtual std::expected<void, ProjectFailure> project(
      std::span<const EventView* const> events, RowStore& rows) = 0;
};

namespace detail {

template <typename List>
struct EventsOf;
template <template <typename...> typename List, typename... E>
struct EventsOf<List<E...>> {
  using Variant = std::variant<std::monostate, E...>;
  static std::vector<std::string> names() { return {std::string{type_name<E>()}...}; }

  /// Leaves `monostate` for a type that is not listed.
  static Result<Variant> decode(const EventView& event) {
    Result<Variant> decoded{Variant{}};
    (void)((event.type == type_name<E>() && (assign<E>(event, decoded), true)) || ...);
    return decoded;
  }
  template <typename T>
  static void assign(const EventView& event, Result<Variant>& out) {
    auto read = decode_event<T>(event);
    if (read) {
      out->template emplace<T>(std::move(*read));
    } else {
      out = std::unexpected{std::move(read.error())};
    }
  }
};

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

template <typename P>
ProjectionSpec spec_of(bool keyed_by_stream) {
  ProjectionSpec spec;
  spec.name = P::name;
  spec.generation = P::generation;
  spec.filter.types = EventsOf<typename P::Events>::names();
  spec.columns = columns_of<typename P::Row>();
  spec.keyed_by_stream = keyed_by_stream;
  if constexpr (requires { P::category; }) {
    spec.category = P::category;
    spec.filter.categories = {spec.category};
  }
  if constexpr (requires { P::indexes; }) {
    for (const Index& index : P::indexes) {
      auto& columns = spec.indexes.emplace_back();
      for (const std::string_view column : index.columns) {
        if (!column.empty()) columns.emplace_back(column);
      }
    }
  }
  return spec;
}

/// Runs the user's code and turns what it throws into an error that names the event.
[[nodiscard]] Error thrown_by(const ProjectionSpec& spec, const At& at, std::string_view what);
template <typename Call>
Result<void> guarded(const ProjectionSpec& spec, const At& at, Call&& call) {
  try {
    return std::forward<Call>(call)();
  } catch (const std::exception& thrown) {
    return std::unexpected{thrown_by(spec, at, thrown.what())};
  } catch (...) {
    return std::unexpected{thrown_by(spec, at, "something that is no std::exception")};
  }
}

template <typename P>
class Fold final : public Projection {
 public:
  using Row = typename P::Row;
  using List = EventsOf<typename P::Events>;
  using Check = Checked<P, typename P::Events>;
  static_assert(Check::folds && Check::keys);

  Fold() : spec_{spec_of<P>(!Check::has_keys)} {}
  [[nodiscard]] const ProjectionSpec& spec() const override { return spec_; }

  [[nodiscard]] std::expected<void, ProjectFailure> project(
      std::span<const EventView* const> events, RowStore& rows) override {
    clear();
    for (std::size_t i = 0; i < events.size(); ++i) {
      const auto taken = take(*events[i]);
      if (!taken) return std::unexpected{ProjectFailure{i, taken.error()}};
    }
    const auto loaded = rows.load(keys_, [this](std::size_t key, const StoredRow& stored) {
      return load(slots_[key], stored);
    });
    if (!loaded) return std::unexpected{ProjectFailure{std::nullopt, loaded.error()}};
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const auto applied = apply(steps_[i]);
      if (!applied) return std::unexpected{ProjectFailure{i, applied.error()}};
    }
    return write(rows);
  }

 private:
  static constexpr std::size_t no_slot = static_cast<std::size_t>(-1);
  struct Slot {
    Row row{};
    Version version{};
    Position position{};
    bool changed = false;
    std::size_t last_step =
        0;  // The event that changed it last, to blame when it cannot be stored.
  };
  struct Step {
    typename List::Variant event;
    At at;
    std::size_t slot = no_slot;
  };

  void clear() {
    index_.clear();  // Its keys view `names_`.
    names_.clear();
    keys_.clear();
    slots_.clear();
    steps_.clear();
  }

  Result<void> take(const EventView& event) {
    const At at = at_of(event);
    return guarded(spec_, at, [&]() -> Result<void> {
      auto decoded = List::decode(event);
      if (!decoded) return std::unexpected{std::move(decoded.error())};
      Step& step = steps_.emplace_back(Step{std::move(*decoded), at});
      if constexpr (Check::has_keys) {
        std::visit(
            [&]<typename E>(const E& e) {
              if constexpr (!std::is_same_v<E, std::monostate>) {
                step.slot = slot_of(std::string{P::key(e, at)});
              }
            },
            step.event);
      } else {
        step.slot = slot_of(spec_.category.empty() ? event.stream : id_of(event.stream));
      }
      return {};
    });
  }

  std::size_t slot_of(std::string_view key) {
    if (key.empty()) return no_slot;
    const auto found = index_.find(key);
    if (found != index_.end()) return found->second;
    const std::string_view kept = names_.emplace_back(key);
    keys_.push_back(kept);
    slots_.emplace_back();
    return index_.emplace(kept, slots_.size() - 1).first->second;
  }

  static Result<void> load(Slot& slot, const StoredRow& stored) {
    auto row = read_row<Row>(stored.cells);
    if (!row) return std::unexpected{std::move(row.error())};
    slot.row = std::move(*row);
    slot.version = stored.version;
    slot.position = stored.position;
    return {};
  }

  Result<void> apply(const Step& step) {
    if (step.slot == no_slot) return {};
    Slot& slot = slots_[step.slot];
    if (step.at.position <= slot.position) return {};
    return guarded(spec_, step.at, [&]() -> Result<void> {
      std::visit(
          [&]<typename E>(const E& e) {
            if constexpr (!std::is_same_v<E, std::monostate>) P::apply(slot.row, e, step.at);
          },
          step.event);
      slot.version = step.at.version;
      slot.position = step.at.position;
      slot.changed = true;
      slot.last_step = static_cast<std::size_t>(&step - steps_.data());
      return {};
    });
  }

  std::expected<void, ProjectFailure> write(RowStore& rows) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      const Slot& slot = slots_[i];
      if (!slot.changed) continue;
      const auto cells = writer_.write(slot.row);
      if (!cells) return std::unexpected{ProjectFailure{slot.last_step, cells.error()}};
      const auto put = rows.put(
          {.key = keys_[i], .version = slot.version, .position = slot.position, .cells = *cells});
      if (!put) return std::unexpected{ProjectFailure{std::nullopt, put.error()}};
    }
    return {};
  }

  ProjectionSpec spec_;
  std::deque<std::string> names_;
  std::vector<std::string_view> keys_;  // Into names_; in step with slots_.
  std::vector<Slot> slots_;
  std::unordered_map<std::string_view, std::size_t> index_;
  std::vector<Step> steps_;
  RowWriter writer_;
};

template <typename P>
class Map final : public Projection {
 public:
  using Row = typename P::Row;
  using List = EventsOf<typename P::Events>;
  static_assert(CheckedMap<P, typename P::Events>::maps);

  Map() : spec_{spec_of<P>(false)} {}
  [[nodiscard]] const ProjectionSpec& spec() const override { return spec_; }

  [[nodiscard]] std::expected<void, ProjectFailure> project(
      std::span<const EventView* const> events, RowStore& rows) override {
    for (std::size_t i = 0; i < events.size(); ++i) {
      const auto mapped = map(*events[i]);
      if (!mapped) return std::unexpected{ProjectFailure{i, mapped.error()}};
      for (const auto& item : rows_.items()) {
        auto done = put(*events[i], item, i, rows);
        if (!done) return done;
      }
    }
    return {};
  }

 private:
  Result<void> map(const EventView& event) {
    const At at = at_of(event);
    return guarded(spec_, at, [&]() -> Result<void> {
      rows_ = {};
      auto decoded = List::decode(event);
      if (!decoded) return std::unexpected{std::move(decoded.error())};
      std::visit(
          [&]<typename E>(const E& e) {
            if constexpr (!std::is_same_v<E, std::monostate>) rows_ = P::map(e, at);
          },
          *decoded);
      return {};
    });
  }

  std::expected<void, ProjectFailure> put(const EventView& event,
                                          const typename Rows<Row>::Item& item, std::size_t i,
                                          RowStore& rows) {
    const std::string key = item.id.empty() ? event.id.text() : item.id;
    RowWrite write{.key = key,
                   .version = event.version,
                   .position = event.position,
                   .cells = {},
                   .erase = !item.row};
    if (item.row) {
      const auto cells = writer_.write(*item.row);
      if (!cells) return std::unexpected{ProjectFailure{i, cells.error()}};
      write.cells = *cells;
    }
    const auto written = rows.put(write);
    if (!written) return std::unexpected{ProjectFailure{std::nullopt, written.error()}};
    return {};
  }

  ProjectionSpec spec_;
  Rows<Row> rows_;
  RowWriter writer_;
};

}  // namespace detail

/// The fold `P` behind the interface that the engine runs.
template <typename P>
[[nodiscard]] std::unique_ptr<Projection> make_fold() {
  return std::make_unique<detail::Fold<P>>();
}

/// The map `P` behind the interface that the engine runs.
template <typename P>
[[nodiscard]] std::unique_ptr<Projection> make_map() {
  return std::make_unique<detail::Map<P>>();
}

}  // namespace stele
