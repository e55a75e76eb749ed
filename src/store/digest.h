// The digest of what an append asked for: two requests under one id are the same if, and only if,
// their digests are. XXH3 with 128 bits, not cryptographic: it tells a retry from a mistake, it
// does not hold off an attacker.
//
// Canonical form, little-endian, `str` = u32 size + bytes:
//   u32 streams; each: str name, u8 kind, u64 version, u8 has_tip, u64 tip, u32 events; each event:
//     str type, str content_type, u16 schema_version, str key_id, str metadata, str data,
//     u32 tags, str each, id (16 bytes)
//   u8 has_condition; u64 after, u32 items; each: u32 types, str each; u32 tags, str each
// The append's id is not in it.

#pragma once

#include <string_view>

#include "stele/append.h"

namespace stele::store {

[[nodiscard]] Digest digest_of(const AppendRequest& request);

/// XXH3-128 of `bytes`, big-endian. For ids and digests that are made of text.
[[nodiscard]] Digest hash_bytes(std::string_view bytes);

}  // namespace stele::store
