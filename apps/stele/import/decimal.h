// Compares decimal numbers by their text, exactly: "11.77" < "12", "0.00" == "0".

#pragma once

#include <compare>
#include <optional>
#include <string_view>

namespace stele::program {

/// True for `-?[0-9]+(\.[0-9]+)?`.
[[nodiscard]] bool is_decimal(std::string_view text) noexcept;

/// Compares two texts of which `is_decimal` holds.
[[nodiscard]] std::strong_ordering compare_decimals(std::string_view a, std::string_view b);

}  // namespace stele::program
