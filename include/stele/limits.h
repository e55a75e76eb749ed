// Module: base
// Every limit that a user of a store meets, in one place. Sizes are bytes, counts are items.

#pragma once

#include <cstddef>
#include <cstdint>

namespace stele::limits {

inline constexpr std::size_t stream_name_size_max = 255;
inline constexpr std::size_t type_size_max = 128;  ///< Also a content type.
inline constexpr std::size_t tag_size_max = 128;
inline constexpr std::size_t event_tags_max = 16;
inline constexpr std::size_t append_streams_max = 64;
inline constexpr std::size_t append_events_max = 4'096;
inline constexpr std::size_t metadata_size_max = std::size_t{16} * 1'024;
inline constexpr std::size_t event_size_max =
    std::size_t{900} * 1'024;  ///< One event with all of its parts.
inline constexpr std::size_t append_size_max =
    std::size_t{8} * 1'024 * 1'024;                     ///< One append, and an HTTP body.
inline constexpr std::size_t condition_items_max = 16;  ///< Items of a condition's query.
inline constexpr std::size_t filter_names_max = 64;     ///< Categories, types, tags: each.
inline constexpr std::size_t read_events_max = 10'000;  ///< Events in one read.
inline constexpr std::uint64_t number_max =
    (std::uint64_t{1} << 53) - 1;  ///< Exact in JSON everywhere.

}  // namespace stele::limits
