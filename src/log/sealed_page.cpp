#include "log/sealed_page.h"

#include "base/crc32c.h"
#include "log/bytes.h"

namespace stele::log {

void finish_page(std::span<std::byte> page, std::uint32_t number, std::uint32_t seed) {
  store(page.data() + sealed_page_room, number);
  store(page.data() + sealed_page_room + 4, crc32c(page.data(), sealed_page_size - 4, seed));
}

bool page_is_right(std::span<const std::byte> page, std::uint32_t number, std::uint32_t seed) {
  return load<std::uint32_t>(page.data() + sealed_page_room) == number &&
         load<std::uint32_t>(page.data() + sealed_page_room + 4) ==
             crc32c(page.data(), sealed_page_size - 4, seed);
}

Result<BlockPtr> PageReader::page(std::uint32_t number) const {
  if (BlockPtr known = cache_->find(cache_file_, cache_base_ + number)) return known;
  auto fresh = std::make_shared<Block>();
  fresh->bytes = std::make_unique_for_overwrite<std::byte[]>(sealed_page_size);
  fresh->size = sealed_page_size;
  const std::span<std::byte> bytes{fresh->bytes.get(), fresh->size};
  const std::uint64_t at = offset_ + std::uint64_t{number} * sealed_page_size;
  if (const auto read = file_->read_at(at, bytes); !read) return std::unexpected{read.error()};
  if (!page_is_right(bytes, number, seed_)) {
    return fail(Errc::corrupt, "The page at offset " + std::to_string(at) + " of \"" + path_ +
                                   "\" fails its checksum. Run \"stele verify\" on the log.");
  }
  BlockPtr page = std::move(fresh);
  cache_->put(cache_file_, cache_base_ + number, page);
  return page;
}

std::unexpected<Error> PageReader::nonsense(std::uint32_t number) const {
  return fail(Errc::corrupt, "Page " + std::to_string(number) + " of \"" + path_ +
                                 "\" has a right checksum but impossible contents. Run \"stele "
                                 "verify\" on the log.");
}

void put_varint(std::vector<std::byte>& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<std::byte>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<std::byte>(value));
}

}  // namespace stele::log
