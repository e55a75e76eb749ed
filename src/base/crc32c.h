// Module: base
// CRC-32C (Castagnoli, polynomial 0x1EDC6F41, reflected), as iSCSI and ext4 use it. It finds every
// burst of up to 32 flipped bits; it is no protection against intent.
//
// Sources: G. Castagnoli, S. Braeuer, M. Herrmann, "Optimization of Cyclic Redundancy-Check Codes
// with 24 and 32 Parity Bits", 1993; RFC 3720, appendix B.4 (test vectors).

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace stele {

/// The checksum of `size` bytes at `data`, going on from `crc`, the checksum of the bytes before
/// (0 = none): crc32c(ab) == crc32c(b, crc32c(a)). Uses SSE4.2 where the processor has it.
[[nodiscard]] std::uint32_t crc32c(const void* data, std::size_t size,
                                   std::uint32_t crc = 0) noexcept;

[[nodiscard]] inline std::uint32_t crc32c(std::span<const std::byte> bytes,
                                          std::uint32_t crc = 0) noexcept {
  return crc32c(bytes.data(), bytes.size(), crc);
}
[[nodiscard]] inline std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0) noexcept {
  return crc32c(bytes.data(), bytes.size(), crc);
}

/// The same without special instructions: what runs on other processors, and what tests compare.
[[nodiscard]] std::uint32_t crc32c_portable(const void* data, std::size_t size,
                                            std::uint32_t crc = 0) noexcept;

}  // namespace stele
