#include "base/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace stele {
namespace {

constexpr std::uint32_t polynomial_reflected = 0x82F63B78;

using ByteTables = std::array<std::array<std::uint32_t, 256>, 8>;

/// Entry [k][b]: what byte b does to the register once k more bytes have followed it.
constexpr ByteTables make_byte_tables() {
  ByteTables tables{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial_reflected : 0);
    tables[0][b] = crc;
  }
  for (std::size_t k = 1; k < tables.size(); ++k) {
    for (std::size_t b = 0; b < 256; ++b) {
      const std::uint32_t before = tables[k - 1][b];
      tables[k][b] = (before >> 8) ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}

constexpr ByteTables byte_tables = make_byte_tables();

std::uint64_t load_u64(const unsigned char* at) noexcept {
  std::uint64_t value = 0;
  std::memcpy(&value, at, sizeof value);
  if constexpr (std::endian::native == std::endian::big) value = __builtin_bswap64(value);
  return value;
}

/// Feeds bytes to the bare register (without the inversion at both ends).
std::uint32_t feed_portable(std::uint32_t reg, const unsigned char* at, std::size_t size) noexcept {
  for (; size >= 8; at += 8, size -= 8) {
    const std::uint64_t word = load_u64(at) ^ reg;
    reg = 0;
    for (std::size_t k = 0; k < 8; ++k) reg ^= byte_tables[7 - k][(word >> (8 * k)) & 0xFF];
  }
  for (; size > 0; ++at, --size) reg = (reg >> 8) ^ byte_tables[0][(reg ^ *at) & 0xFF];
  return reg;
}

#if defined(__x86_64__)

// The instruction takes three cycles and can start in each: three lanes side by side keep it busy.
constexpr std::size_t lane_size = 1'024;  // Bytes.

/// Entry [k][b]: the register b << 8k after `lane_size` zero bytes; it joins the lanes.
using LaneTables = std::array<std::array<std::uint32_t, 256>, 4>;

LaneTables make_lane_tables() noexcept {
  constexpr std::array<unsigned char, lane_size> zeros{};
  std::array<std::uint32_t, 32> of_bit{};
  for (std::size_t bit = 0; bit < 32; ++bit) {
    of_bit[bit] = feed_portable(std::uint32_t{1} << bit, zeros.data(), zeros.size());
  }
  LaneTables tables{};
  for (std::size_t k = 0; k < 4; ++k) {
    for (std::size_t b = 0; b < 256; ++b) {
      for (std::size_t bit = 0; bit < 8; ++bit) {
        if (((b >> bit) & 1) != 0) tables[k][b] ^= of_bit[8 * k + bit];
      }
    }
  }
  return tables;
}

std::uint32_t past_lane(const LaneTables& tables, std::uint64_t reg) noexcept {
  return tables[0][reg & 0xFF] ^ tables[1][(reg >> 8) & 0xFF] ^ tables[2][(reg >> 16) & 0xFF] ^
         tables[3][(reg >> 24) & 0xFF];
}

__attribute__((target("sse4.2"))) std::uint32_t feed_sse42(std::uint32_t reg,
                                                           const unsigned char* at,
                                                           std::size_t size) noexcept {
  std::uint64_t a = reg;
  if (size >= 3 * lane_size) {
    static const LaneTables tables = make_lane_tables();
    for (; size >= 3 * lane_size; at += 3 * lane_size, size -= 3 * lane_size) {
      std::uint64_t b = 0;
      std::uint64_t c = 0;
      for (std::size_t i = 0; i < lane_size; i += 8) {
        a = _mm_crc32_u64(a, load_u64(at + i));
        b = _mm_crc32_u64(b, load_u64(at + lane_size + i));
        c = _mm_crc32_u64(c, load_u64(at + 2 * lane_size + i));
      }
      b ^= past_lane(tables, a);
      a = c ^ past_lane(tables, b);
    }
  }
  for (; size >= 8; at += 8, size -= 8) a = _mm_crc32_u64(a, load_u64(at));
  auto rest = static_cast<std::uint32_t>(a);
  for (; size > 0; ++at, --size) rest = _mm_crc32_u8(rest, *at);
  return rest;
}

#endif

}  // namespace

std::uint32_t crc32c_portable(const void* data, std::size_t size, std::uint32_t crc) noexcept {
  return ~feed_portable(~crc, static_cast<const unsigned char*>(data), size);
}

std::uint32_t crc32c(const void* data, std::size_t size, std::uint32_t crc) noexcept {
#if defined(__x86_64__)
  static const bool has_sse42 = __builtin_cpu_supports("sse4.2") != 0;
  if (has_sse42) return ~feed_sse42(~crc, static_cast<const unsigned char*>(data), size);
#endif
  return crc32c_portable(data, size, crc);
}

}  // namespace stele
