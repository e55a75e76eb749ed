// Module: service
// Which known name somebody may have meant.

#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace stele::service {

/// How many letters have to be changed, added or left out to make `b` of `a` (V. I. Levenshtein,
/// 1965).
[[nodiscard]] std::size_t distance(std::string_view a, std::string_view b);

/// The one of `names` that is nearest to `name`; empty if there are none.
[[nodiscard]] std::string_view nearest(std::string_view name,
                                       std::span<const std::string_view> names);

}  // namespace stele::service
