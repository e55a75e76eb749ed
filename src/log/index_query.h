// Module: log
// Joins sorted lists of ordinals: the one algorithm behind the queries of every index.
//
// A `Cursor` walks one key's ordinals: `Ordinal seek(Ordinal from)` gives the first one that is not
// below `from` (never going back), or `ordinal_none`.

#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "log/index_key.h"

namespace stele::log {

/// What must hold for an event: at least one of these keys.
template <typename Cursor>
class AnyOf {
 public:
  void add(Cursor cursor) { cursors_.push_back({std::move(cursor), 0}); }
  [[nodiscard]] bool empty() const { return cursors_.empty(); }

  Ordinal seek(Ordinal from) {
    Ordinal nearest = ordinal_none;
    for (At& each : cursors_) {
      if (each.at < from || !each.started) {
        each.at = each.cursor.seek(from);
        each.started = true;
      }
      nearest = std::min(nearest, each.at);
    }
    return nearest;
  }

 private:
  struct At {
    Cursor cursor;
    Ordinal at = 0;
    bool started = false;
  };
  std::vector<At> cursors_;
};

/// The terms of a query: `make(hash)` gives an optional cursor, none for a key that is not there.
/// Returns false if some term can never hold.
template <typename Cursor, typename Make>
bool make_terms(const IndexQuery& query, const Make& make, std::vector<AnyOf<Cursor>>& terms) {
  for (const auto* keys : {&query.streams, &query.categories, &query.types}) {
    if (keys->empty()) continue;
    AnyOf<Cursor> term;
    for (const KeyHash key : *keys) {
      if (auto cursor = make(key)) term.add(std::move(*cursor));
    }
    if (term.empty()) return false;
    terms.push_back(std::move(term));
  }
  for (const KeyHash tag : query.tags) {
    auto cursor = make(tag);
    if (!cursor) return false;
    terms.emplace_back().add(std::move(*cursor));
  }
  return true;
}

/// The ordinals in [from, end) at which all terms hold, at most `limit` (at least 1).
template <typename Cursor>
Candidates join(std::vector<AnyOf<Cursor>>& terms, Ordinal from, Ordinal end, std::size_t limit) {
  Candidates found{.looked_to = end};
  Ordinal at = from;
  while (at < end) {
    const Ordinal before = at;
    for (AnyOf<Cursor>& term : terms) {
      at = term.seek(at);
      if (at >= end) return found;
    }
    // Moved on: the terms that were asked first have to agree to the new place.
    if (at != before && terms.size() > 1) continue;
    found.ordinals.push_back(at);
    ++at;
    if (found.ordinals.size() == limit) {
      found.looked_to = at;
      return found;
    }
  }
  return found;
}

}  // namespace stele::log
