// Module: log
// Little-endian numbers in bytes. Callers have checked the bounds.

#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

namespace stele::log {

static_assert(std::endian::native == std::endian::little, "Numbers are copied as they lie.");

template <std::integral T>
[[nodiscard]] T load(const std::byte* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <std::integral T>
void store(std::byte* at, T value) noexcept {
  std::memcpy(at, &value, sizeof value);
}

[[nodiscard]] inline std::string_view text_at(const std::byte* at, std::size_t size) noexcept {
  return {reinterpret_cast<const char*>(at), size};
}

[[nodiscard]] inline std::span<const std::byte> as_bytes(std::string_view text) noexcept {
  return std::as_bytes(std::span{text});
}

}  // namespace stele::log
