// Splits a request's target and decodes its parts (RFC 3986, section 2.1).

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/http.h"

namespace stele::serve {

/// Decodes `%XX` (and `+` as a space if `plus`) to the end of `decoded`, which must have the
/// capacity for it: earlier views into it stay valid. Text without either is returned as it is.
/// None if an escape is broken or the result is not UTF-8 or has a control character.
[[nodiscard]] std::optional<std::string_view> decode(std::string_view text, bool plus,
                                                     std::string& decoded);

/// Fills in `path` and `query` of `request` from its target. False if something does not decode
/// or there are more than `query_params_max` parameters.
[[nodiscard]] bool split_target(Request& request, std::string& decoded);

inline constexpr std::size_t query_params_max = 256;
inline constexpr std::size_t path_segments_max = 32;

}  // namespace stele::serve
