// Module: event
// The event types that a program knows, and how events of older schema versions become new ones.
//
// Stored events never change. When a type's meaning does, its schema version is raised
// (`static constexpr int schema_version = 2;` in the struct) and an upcaster is added that turns
// the JSON of version 1 into that of version 2. Upcasting happens in one place, where an event
// leaves the store to be decoded: deciders and projections only ever see the newest form.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stele/error.h"
#include "stele/event.h"
#include "stele/mapping.h"

namespace stele {

/// The schema version under which values of `T` are recorded: its `schema_version`, else 1.
template <Described T>
constexpr std::uint16_t schema_version_of() {
  if constexpr (requires { T::schema_version; }) {
    return static_cast<std::uint16_t>(T::schema_version);
  } else {
    return 1;
  }
}

/// Turns the data of one schema version into that of the next.
using Upcast = std::function<Result<std::string>(std::string_view data)>;

/// Steps from (type, schema version) to a newer one. Filled at start, then only read: `apply` is
/// safe from several threads.
class Upcasters {
 public:
  /// Adds the step from `version` of `type` to `version + 1`, or of `new_type` if the type is
  /// renamed on the way. Errors: `invalid` if that step exists already.
  Result<void> add(std::string type, std::uint16_t version, Upcast step, std::string new_type = {});

  /// The same between two described types, each recorded under its name and `schema_version`:
  /// `add(+[](const DepositedV1& old) { return Deposited{...}; })`. Errors: also `invalid` if the
  /// newer one's version is not one more.
  template <Described Old, Described New>
  Result<void> add(New (*step)(const Old&)) {
    static_assert(schema_version_of<New>() == schema_version_of<Old>() + 1,
                  "An upcaster leads from one schema version to the next.");
    return add(
        std::string{type_name<Old>()}, schema_version_of<Old>(),
        [step](std::string_view data) -> Result<std::string> {
          auto old = from_json<Old>(data, stored_mapping);
          if (!old) return fail(Errc::corrupt, old.error().pointer + ": " + old.error().message);
          auto text = to_json(step(*old));
          if (!text) return fail(Errc::corrupt, text.error().message);
          return std::move(*text);
        },
        type_name<Old>() == type_name<New>() ? std::string{} : std::string{type_name<New>()});
  }

  /// The names under which events of `type` were recorded before, if it was renamed; in no order.
  [[nodiscard]] std::vector<std::string> former_names(std::string_view type) const;

  /// `event` in its newest form. What changed lives in `buffer`, which must outlive the view.
  /// Errors: `corrupt` if a step fails; the message names type, version and position.
  [[nodiscard]] Result<EventView> apply(const EventView& event, std::string& buffer) const;

  [[nodiscard]] bool empty() const noexcept { return steps_.empty(); }

 private:
  struct Step {
    Upcast upcast;
    std::string new_type;
  };
  std::map<std::pair<std::string, std::uint16_t>, Step, std::less<>> steps_;
};

/// What is known of one event type.
struct EventType {
  std::string_view name;
  std::uint16_t schema_version = 1;
  std::vector<std::string_view> members;
  /// Whether `data` decodes. Errors: as `from_json`.
  std::expected<void, MappingError> (*check)(std::string_view data) = nullptr;
  const void* identity = nullptr;  ///< Differs between C++ types.
};

/// The event types of a program, by name. Filled at start, then only read.
class TypeRegistry {
 public:
  /// Adds `T`; adding it again changes nothing. Errors: `invalid` if another type has its name.
  template <Described T>
  Result<void> add() {
    static constexpr char identity = 0;
    const auto& names = description_of<T>.names;
    return add(EventType{.name = type_name<T>(),
                         .schema_version = schema_version_of<T>(),
                         .members = {names.begin(), names.end()},
                         .check = [](std::string_view data) -> std::expected<void, MappingError> {
                           auto read = from_json<T>(data, stored_mapping);
                           if (!read) return std::unexpected{std::move(read.error())};
                           return {};
                         },
                         .identity = &identity});
  }
  Result<void> add(EventType type);

  /// None if no type has that name. Lives as long as the registry.
  [[nodiscard]] const EventType* find(std::string_view name) const;
  [[nodiscard]] const std::map<std::string_view, EventType>& all() const noexcept { return types_; }

 private:
  std::map<std::string_view, EventType> types_;
};

namespace detail {
/// Into `object`, a value made by default.
[[nodiscard]] Result<void> decode_event(const EventView& event, const TypeTable& type,
                                        void* object);
}  // namespace detail

/// Decodes an event as `T`, after upcasting. Errors: `corrupt`, with position, type and pointer.
template <Described T>
[[nodiscard]] Result<T> decode_event(const EventView& event) {
  T object{};
  auto read = detail::decode_event(event, detail::type_table<T>, &object);
  if (!read) return std::unexpected{std::move(read.error())};
  return object;
}

}  // namespace stele
