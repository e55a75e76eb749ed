// Module: event
// Names the members of a struct, so that it can be written as JSON, read back, and turned into the
// columns of a read model. One line beside the struct, at namespace scope:
//
//   struct MoneyDeposited {
//     Money amount, balance_after;
//     std::optional<std::string> reference;
//   };
//   STELE_DESCRIBE(MoneyDeposited, amount, balance_after, reference);
//
// The name of a type, as events are recorded under it, is its C++ name without namespaces;
// STELE_DESCRIBE_AS gives another. C++23 has no reflection: the macro makes a constexpr function
// that argument-dependent lookup finds, so a type of any namespace can be described in its own.

#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>

namespace stele {

/// One member of a described struct.
template <typename T, typename M>
struct DescribedMember {
  std::string_view name;
  M T::* pointer;
};

/// What STELE_DESCRIBE says about `T`: its name and its members, in the order they were named.
template <typename T, typename... M>
struct Description {
  std::string_view name;
  std::array<std::string_view, sizeof...(M)> names;
  std::tuple<M T::*...> members;

  static constexpr std::size_t size() { return sizeof...(M); }
};

template <typename T, typename... M>
constexpr Description<T, M...> make_description(std::string_view name,
                                                DescribedMember<T, M>... members) {
  const std::size_t qualified = name.rfind(':');
  if (qualified != std::string_view::npos) name.remove_prefix(qualified + 1);
  return {name, {members.name...}, {members.pointer...}};
}

/// One enumerator and its text.
template <typename E>
struct EnumName {
  E value;
  std::string_view name;
};

template <typename E, std::size_t N>
struct EnumDescription {
  std::array<EnumName<E>, N> names;
};

template <typename E, typename... Name>
constexpr EnumDescription<E, sizeof...(Name)> make_enum_description(Name... names) {
  return {{names...}};
}

/// A struct that STELE_DESCRIBE named before this is first asked.
template <typename T>
concept Described = requires { stele_describe(static_cast<const T*>(nullptr)); };

/// An enum that STELE_DESCRIBE_ENUM named before this is first asked.
template <typename E>
concept DescribedEnum =
    std::is_enum_v<E> && requires { stele_describe_enum(static_cast<const E*>(nullptr)); };

template <Described T>
inline constexpr auto description_of = stele_describe(static_cast<const T*>(nullptr));

template <DescribedEnum E>
inline constexpr auto enum_description_of = stele_describe_enum(static_cast<const E*>(nullptr));

/// The name under which values of `T` are recorded, such as "MoneyDeposited".
template <Described T>
constexpr std::string_view type_name() {
  return description_of<T>.name;
}

/// Calls `visit(name, member)` for each member of `object`, in order.
template <typename T, typename Visit>
  requires Described<std::remove_const_t<T>>
constexpr void for_each_member(T& object, Visit&& visit) {
  constexpr const auto& described = description_of<std::remove_const_t<T>>;
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (visit(described.names[I], object.*std::get<I>(described.members)), ...);
  }(std::make_index_sequence<described.size()>{});
}

/// Calls `visit.template operator()<Member>(name)` for each member of `T`, without an object.
template <Described T, typename Visit>
constexpr void for_each_member_type(Visit&& visit) {
  constexpr const auto& described = description_of<T>;
  [&]<typename... M>(const std::tuple<M T::*...>&) {
    std::size_t i = 0;
    (visit.template operator()<M>(described.names[i++]), ...);
  }(described.members);
}

/// The text of an enumerator; empty for a value that was not described.
template <DescribedEnum E>
constexpr std::string_view enum_text(E value) {
  for (const EnumName<E>& each : enum_description_of<E>.names) {
    if (each.value == value) return each.name;
  }
  return {};
}

}  // namespace stele

// Applies `macro(type, item)` to each of up to 64 items, with commas between. Each level scans the
// text three times more, and every scan takes one item: 3^4 = 81 scans.
#define STELE_DETAIL_PARENS ()
#define STELE_DETAIL_SCAN(...) \
  STELE_DETAIL_SCAN3(STELE_DETAIL_SCAN3(STELE_DETAIL_SCAN3(__VA_ARGS__)))
#define STELE_DETAIL_SCAN3(...) \
  STELE_DETAIL_SCAN2(STELE_DETAIL_SCAN2(STELE_DETAIL_SCAN2(__VA_ARGS__)))
#define STELE_DETAIL_SCAN2(...) \
  STELE_DETAIL_SCAN1(STELE_DETAIL_SCAN1(STELE_DETAIL_SCAN1(__VA_ARGS__)))
#define STELE_DETAIL_SCAN1(...) \
  STELE_DETAIL_SCAN0(STELE_DETAIL_SCAN0(STELE_DETAIL_SCAN0(__VA_ARGS__)))
#define STELE_DETAIL_SCAN0(...) __VA_ARGS__
#define STELE_DETAIL_EACH(macro, type, ...) \
  __VA_OPT__(STELE_DETAIL_SCAN(STELE_DETAIL_STEP(macro, type, __VA_ARGS__)))
#define STELE_DETAIL_STEP(macro, type, item, ...) \
  macro(type, item) __VA_OPT__(, STELE_DETAIL_AGAIN STELE_DETAIL_PARENS(macro, type, __VA_ARGS__))
#define STELE_DETAIL_AGAIN() STELE_DETAIL_STEP

#define STELE_DETAIL_MEMBER(Type, member) \
  ::stele::DescribedMember<Type, decltype(Type::member)> { #member, &Type::member }
#define STELE_DETAIL_ENUMERATOR(Enum, value) \
  ::stele::EnumName<Enum> { Enum::value, #value }
#define STELE_DETAIL_ENUM_PAIR(Enum, pair) ::stele::EnumName<Enum> pair

/// Describes struct `Type` by 0 to 64 of its members. At namespace scope, in the struct's
/// namespace.
#define STELE_DESCRIBE(Type, ...) STELE_DESCRIBE_AS(Type, #Type __VA_OPT__(, __VA_ARGS__))

/// The same, under another name: STELE_DESCRIBE_AS(PlacedV2, "OrderPlaced", order_id).
#define STELE_DESCRIBE_AS(Type, type_name, ...)                                              \
  [[maybe_unused]] constexpr auto stele_describe(const Type*) {                              \
    return ::stele::make_description<Type>(                                                  \
        type_name __VA_OPT__(, ) STELE_DETAIL_EACH(STELE_DETAIL_MEMBER, Type, __VA_ARGS__)); \
  }                                                                                          \
  static_assert(true, "Takes the semicolon.")

/// Describes an enum by 1 to 64 enumerators; each is written as its own name.
#define STELE_DESCRIBE_ENUM(Enum, ...)                                  \
  [[maybe_unused]] constexpr auto stele_describe_enum(const Enum*) {    \
    return ::stele::make_enum_description<Enum>(                        \
        STELE_DETAIL_EACH(STELE_DETAIL_ENUMERATOR, Enum, __VA_ARGS__)); \
  }                                                                     \
  static_assert(true, "Takes the semicolon.")

/// The same with texts: STELE_DESCRIBE_ENUM_AS(Kind, (Kind::checking, "CHECKING"), ...).
#define STELE_DESCRIBE_ENUM_AS(Enum, ...)                              \
  [[maybe_unused]] constexpr auto stele_describe_enum(const Enum*) {   \
    return ::stele::make_enum_description<Enum>(                       \
        STELE_DETAIL_EACH(STELE_DETAIL_ENUM_PAIR, Enum, __VA_ARGS__)); \
  }                                                                    \
  static_assert(true, "Takes the semicolon.")
