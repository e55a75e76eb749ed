// Module: log
// What the indexes of the log - of the segment being written and of sealed ones - have in common:
// keys, and the questions that are asked with them.
//
// A key is a kind and bytes (a stream's name, a category, a type, a tag, an append id), kept as a
// 64-bit hash with the log's random salt, so that nobody can choose names that collide. Two names
// may still share a hash: **whoever uses an answer compares the name in the record itself.** An
// index may name an event that does not match (a candidate); it never leaves out one that does.
//
// An *ordinal* is an event's place in its segment: position - the segment's first position.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "stele/ids.h"

namespace stele::log {

enum class KeyKind : std::uint8_t { stream = 1, category, type, tag, append_id };

/// A salted hash; never 0.
using KeyHash = std::uint64_t;

using Ordinal = std::uint32_t;
inline constexpr Ordinal ordinal_none = 0xFFFF'FFFF;

/// XXH3 of `bytes`, seeded with the salt and the kind (19 ns for a short name).
[[nodiscard]] KeyHash key_hash(std::uint64_t salt, KeyKind kind, std::string_view bytes) noexcept;
[[nodiscard]] KeyHash key_hash(std::uint64_t salt, const AppendId& id) noexcept;

/// The hashed form of a question: one of `streams`, and one of `categories`, and one of `types`,
/// and all of `tags`; an empty list does not restrict. All four empty = every event.
struct IndexQuery {
  std::vector<KeyHash> streams = {};
  std::vector<KeyHash> categories = {};
  std::vector<KeyHash> types = {};
  std::vector<KeyHash> tags = {};

  [[nodiscard]] bool empty() const {
    return streams.empty() && categories.empty() && types.empty() && tags.empty();
  }
};

/// The answer to a query: candidates, ascending. No event that matches lies in [from, looked_to)
/// but those in `ordinals`.
struct Candidates {
  std::vector<Ordinal> ordinals = {};
  Ordinal looked_to = 0;  ///< One past the last ordinal that was judged.
};

/// What an index knows about a stream: its state after its last event in the segment.
struct StreamEntry {
  Version version{};
  Tip tip{};
  Ordinal last = 0;         ///< Of its last event here: read it and compare the name.
  std::uint32_t count = 0;  ///< Its events here, so the first here has version - count + 1.
};

}  // namespace stele::log
