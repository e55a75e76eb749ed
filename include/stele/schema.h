// Module: event
// What a described struct looks like in JSON, as JSON Schema 2020-12: made from the same
// description as the mapping, so that documentation cannot drift from the code.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "stele/mapping.h"

namespace stele {

/// Which way the JSON goes. What is read may lack its optional members and give amounts as whole
/// numbers; what is written always has every member.
enum class SchemaOf : std::uint8_t { reading, writing };

namespace detail {

/// The schemas of members that need no template.
[[nodiscard]] std::string_view boolean_schema() noexcept;
[[nodiscard]] std::string_view number_schema() noexcept;
[[nodiscard]] std::string_view string_schema() noexcept;
[[nodiscard]] std::string_view time_schema() noexcept;
[[nodiscard]] std::string_view uuid_schema() noexcept;
[[nodiscard]] std::string_view currency_schema() noexcept;
[[nodiscard]] std::string_view money_schema(SchemaOf use) noexcept;
[[nodiscard]] std::string integer_schema(bool is_signed);
[[nodiscard]] std::string enum_schema(std::span<const std::string_view> names);
[[nodiscard]] std::string nullable_schema(std::string_view schema);
[[nodiscard]] std::string array_schema(std::string_view schema);

struct MemberSchema {
  std::string name;
  std::string schema;
  bool required = true;
};
[[nodiscard]] std::string object_schema(std::span<const MemberSchema> members);

template <Described T>
std::string struct_schema(Naming naming, SchemaOf use);

template <typename T>
std::string value_schema(Naming naming, SchemaOf use) {
  if constexpr (std::is_same_v<T, bool>) {
    return std::string{boolean_schema()};
  } else if constexpr (is_number_id<T>) {
    return integer_schema(false);
  } else if constexpr (std::integral<T>) {
    return integer_schema(std::signed_integral<T>);
  } else if constexpr (std::is_same_v<T, double>) {
    return std::string{number_schema()};
  } else if constexpr (std::is_same_v<T, Money> || std::is_same_v<T, Amount>) {
    return std::string{money_schema(use)};
  } else if constexpr (std::is_same_v<T, Currency>) {
    return std::string{currency_schema()};
  } else if constexpr (std::is_same_v<T, Timestamp>) {
    return std::string{time_schema()};
  } else if constexpr (std::is_same_v<T, Uuid>) {
    return std::string{uuid_schema()};
  } else if constexpr (is_optional<T>) {
    return nullable_schema(value_schema<typename T::value_type>(naming, use));
  } else if constexpr (is_vector<T>) {
    return array_schema(value_schema<typename T::value_type>(naming, use));
  } else if constexpr (DescribedEnum<T>) {
    std::vector<std::string_view> names;
    for (const EnumName<T>& each : enum_description_of<T>.names) names.push_back(each.name);
    return enum_schema(names);
  } else if constexpr (Described<T>) {
    return struct_schema<T>(naming, use);
  } else {
    return std::string{string_schema()};
  }
}

template <Described T>
std::string struct_schema(Naming naming, SchemaOf use) {
  std::vector<MemberSchema> members;
  const auto named = [&](std::string_view name) {
    return naming == Naming::camel_case ? to_camel_case(name) : std::string{name};
  };
  std::size_t i = 0;
  for_each_member_type<T>([&]<typename M>(std::string_view name) {
    members.push_back(
        {named(name), value_schema<M>(naming, use), use == SchemaOf::writing || !is_optional<M>});
    if (money_layout_of<T>.adds_currency() && ++i == money_layout_of<T>.last_money) {
      members.push_back(
          {named("currency"), nullable_schema(currency_schema()), use == SchemaOf::writing});
    }
  });
  return object_schema(members);
}

}  // namespace detail

/// The schema of `T` as one JSON object.
template <Described T>
[[nodiscard]] std::string json_schema(Naming naming, SchemaOf use) {
  return detail::struct_schema<T>(naming, use);
}

}  // namespace stele
