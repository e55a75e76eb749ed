#include "target.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace stele::fuzz {
namespace {

std::vector<Target>& registry() {
  static std::vector<Target> all;
  return all;
}

}  // namespace

const std::vector<Target>& targets() { return registry(); }

Registered::Registered(std::string_view name, Run run) {
  auto& all = registry();
  const auto place =
      std::ranges::upper_bound(all, name, {}, [](const Target& each) { return each.name; });
  all.insert(place, {.name = name, .run = run});
}

void require(bool kept, std::string_view promise, std::source_location where) {
  if (kept) return;
  std::fprintf(stderr, "%s:%u: broken: %.*s\n", where.file_name(), where.line(),
               static_cast<int>(promise.size()), promise.data());
  std::abort();
}

std::uint8_t Input::u8() {
  if (rest_.empty()) return 0;
  const auto value = static_cast<std::uint8_t>(rest_.front());
  rest_.remove_prefix(1);
  return value;
}

std::uint16_t Input::u16() {
  const std::uint16_t low = u8();
  return static_cast<std::uint16_t>(low | u8() << 8);
}

std::uint32_t Input::u32() {
  const std::uint32_t low = u16();
  return low | static_cast<std::uint32_t>(u16()) << 16;
}

std::string_view Input::text(std::size_t size_max) {
  const std::string_view taken = rest_.substr(0, size_max);
  rest_.remove_prefix(taken.size());
  return taken;
}

std::vector<std::byte> exact_copy(std::string_view text) {
  const auto bytes = std::as_bytes(std::span{text});
  return {bytes.begin(), bytes.end()};
}

}  // namespace stele::fuzz
