#include "log/index_key.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace stele::log {
namespace {

KeyHash not_zero(std::uint64_t hash) noexcept { return hash == 0 ? 1 : hash; }

std::uint64_t seed_of(std::uint64_t salt, KeyKind kind) noexcept {
  return salt + 0x9E37'79B9'7F4A'7C15ULL * static_cast<std::uint64_t>(kind);
}

}  // namespace

KeyHash key_hash(std::uint64_t salt, KeyKind kind, std::string_view bytes) noexcept {
  return not_zero(XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed_of(salt, kind)));
}

KeyHash key_hash(std::uint64_t salt, const AppendId& id) noexcept {
  return not_zero(
      XXH3_64bits_withSeed(id.bytes.data(), id.bytes.size(), seed_of(salt, KeyKind::append_id)));
}

}  // namespace stele::log
