// The staged states of recently used streams, bounded in bytes. Used by the decision thread only.
//
// A slot is, in turn: absent; *loading* (a loader reads it; commands wait); *staged* (commands are
// judged on it); and, after a conflict, dropped and loading again, then *settling*: staged, but one
// command at a time until an append on it is durable.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "decide/loader.h"

namespace stele::decide {

using JobToken = std::uint64_t;

struct Slot {
  const detail::DeciderTable* table = nullptr;
  std::string stream;
  std::shared_ptr<void> state;   // Null: not loaded.
  StreamState at;                // With every append that was sent.
  Version snapshot_version{};    // Of the last snapshot that was read or begun.
  std::uint64_t generation = 0;  // Raised by a drop: what was staged before counts no more.
  std::size_t in_flight = 0;     // Appends and checks of this generation under way.
  std::size_t pins = 0;          // Commands that refer to it: it must not be evicted.
  std::size_t size = 0;          // Bytes that it counts for.
  bool loading = false;
  bool settling = false;
  std::deque<JobToken> waiting;
  std::list<Slot*>::iterator used;  // Its place in the order of use.

  [[nodiscard]] bool ready() const { return state && !(settling && in_flight > 0); }
};

class StateCache {
 public:
  explicit StateCache(std::size_t size_max) : size_max_{size_max} {}

  /// The slot of `stream`, made if absent, now the most recently used. Valid while pinned.
  Slot& touch(const detail::DeciderTable& table, const std::string& stream);

  /// Puts a loaded state in.
  void fill(Slot& slot, LoadedState loaded);

  /// Forgets the state: it was built on something that did not happen.
  void drop(Slot& slot);

  /// Counts again after the state changed.
  void resize(Slot& slot);

  /// Removes the least recently used slots that nothing refers to until the rest fits. Returns how
  /// many.
  std::size_t evict();

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t count() const { return slots_.size(); }

 private:
  struct Key {
    const detail::DeciderTable* table;
    std::string stream;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept {
      return std::hash<std::string>{}(key.stream) ^ std::hash<const void*>{}(key.table);
    }
  };

  const std::size_t size_max_;
  std::size_t size_ = 0;
  std::unordered_map<Key, std::unique_ptr<Slot>, KeyHash> slots_;
  std::list<Slot*> order_;  // Most recently used first.
};

}  // namespace stele::decide
