// Module: log
// Pages of 4,096 bytes: what indexes and block tables are made of. The last 8 bytes are the page's
// number in its table or file (4) and the CRC (4) of all before it, going on from the segment's
// seed: a page that was flipped, torn, or belongs elsewhere is an error.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "log/block_cache.h"
#include "log/disk.h"

namespace stele::log {

inline constexpr std::size_t sealed_page_size = 4'096;
inline constexpr std::size_t sealed_page_room = sealed_page_size - 8;  ///< For contents.

/// Writes number and CRC into the last 8 bytes of `page` (of `sealed_page_size`).
void finish_page(std::span<std::byte> page, std::uint32_t number, std::uint32_t seed);
[[nodiscard]] bool page_is_right(std::span<const std::byte> page, std::uint32_t number,
                                 std::uint32_t seed);

/// Reads pages of one file through the cache. Thread-safe if the file is.
class PageReader {
 public:
  /// Pages begin at `offset` in `file`. In the cache they get numbers from `cache_base` on.
  PageReader(const File& file, std::string path, std::uint64_t offset, std::uint32_t seed,
             BlockCache& cache, std::uint64_t cache_file, std::uint32_t cache_base)
      : file_{&file},
        path_{std::move(path)},
        offset_{offset},
        seed_{seed},
        cache_{&cache},
        cache_file_{cache_file},
        cache_base_{cache_base} {}

  /// Errors: `corrupt` (names path and offset), `unavailable`.
  [[nodiscard]] Result<BlockPtr> page(std::uint32_t number) const;

  /// The error of a page whose CRC is right and whose contents are not: a bug, or a mix-up.
  [[nodiscard]] std::unexpected<Error> nonsense(std::uint32_t number) const;

 private:
  const File* file_;
  std::string path_;
  std::uint64_t offset_;
  std::uint32_t seed_;
  BlockCache* cache_;
  std::uint64_t cache_file_;
  std::uint32_t cache_base_;
};

/// LEB128: 7 bits a byte, the low ones first. At most 10 bytes.
void put_varint(std::vector<std::byte>& out, std::uint64_t value);
/// Takes one off the front of `bytes`; false if there is none.
[[nodiscard]] inline bool take_varint(std::span<const std::byte>& bytes, std::uint64_t& value) {
  value = 0;
  std::size_t i = 0;
  for (unsigned shift = 0; i < bytes.size() && shift < 64; shift += 7) {
    const auto byte = static_cast<std::uint64_t>(bytes[i++]);
    value |= (byte & 0x7F) << shift;
    if (byte < 0x80) {
      bytes = bytes.subspan(i);
      return true;
    }
  }
  return false;
}

}  // namespace stele::log
