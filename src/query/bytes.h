// Little-endian numbers in the byte strings of tokens and cursors, and the hash that names things
// in them.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace stele::query {

inline void append_bytes(std::string& out, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out += static_cast<char>((value >> (8 * i)) & 0xff);
}

/// The `size` bytes at `at`, which must exist.
[[nodiscard]] inline std::uint64_t bytes_at(std::string_view bytes, std::size_t at,
                                            std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) {
    value = (value << 8) | static_cast<std::uint8_t>(bytes[at + i]);
  }
  return value;
}

/// FNV-1a in 64 bits, stirred once more at the end so that every bit depends on all of the text.
/// Source: G. Fowler, L. C. Noll, K.-P. Vo (draft-eastlake-fnv); the stirring is that of
/// SplitMix64 (G. L. Steele et al., 2014).
[[nodiscard]] inline std::uint64_t hash_of(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3ULL;
  }
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9ULL;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebULL;
  return hash ^ (hash >> 31);
}

}  // namespace stele::query
