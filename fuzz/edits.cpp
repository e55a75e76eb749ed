#include "edits.h"

#include <algorithm>
#include <cstring>

namespace stele::fuzz {
namespace {

enum class Edit : std::uint8_t { flip, write, zero, copy, cut, number };
constexpr unsigned edits = 6;

void write_at(std::vector<std::byte>& bytes, std::size_t at, std::string_view text) {
  const std::size_t size = std::min(text.size(), bytes.size() - at);
  if (size != 0) std::memcpy(bytes.data() + at, text.data(), size);
}

}  // namespace

void edit(Input& input, std::vector<std::byte>& bytes) {
  const auto what = static_cast<Edit>(input.u8() % edits);
  const std::uint32_t where = input.u32();
  if (bytes.empty()) return;
  const std::size_t at = where % bytes.size();
  switch (what) {
    case Edit::flip:
      bytes[at] ^= std::byte{1} << (input.u8() % 8);
      break;
    case Edit::write:
      write_at(bytes, at, input.text(input.u8()));
      break;
    case Edit::zero:
      std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                  std::min<std::size_t>(input.u16(), bytes.size() - at), std::byte{});
      break;
    case Edit::copy: {
      const std::size_t from = input.u32() % bytes.size();
      const std::size_t size =
          std::min<std::size_t>(input.u16(), bytes.size() - std::max(at, from));
      std::memmove(bytes.data() + at, bytes.data() + from, size);
      break;
    }
    case Edit::cut:
      bytes.resize(at);
      break;
    case Edit::number: {  // One that is likely to be near a limit.
      constexpr std::uint32_t liked[] = {0,        1,           2,           0x7F,       0x80,
                                         0xFF,     0x100,       0x7FFF,      0x8000,     0xFFFF,
                                         0x1'0000, 0x7FFF'FFFF, 0x8000'0000, 0xFFFF'FFFF};
      const std::uint32_t value = liked[input.u8() % std::size(liked)];
      write_at(bytes, at, {reinterpret_cast<const char*>(&value), sizeof value});
      break;
    }
  }
}

}  // namespace stele::fuzz
