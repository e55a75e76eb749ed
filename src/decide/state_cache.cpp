#include "decide/state_cache.h"

#include <utility>

namespace stele::decide {
namespace {

constexpr std::size_t slot_fixed_size = 320;  // Bytes of a slot, its key, its places in the maps.

}  // namespace

Slot& StateCache::touch(const detail::DeciderTable& table, const std::string& stream) {
  auto& held = slots_[Key{&table, stream}];
  if (held) {
    order_.splice(order_.begin(), order_, held->used);
    return *held;
  }
  held = std::make_unique<Slot>();
  held->table = &table;
  held->stream = stream;
  held->used = order_.insert(order_.begin(), held.get());
  resize(*held);
  return *held;
}

void StateCache::fill(Slot& slot, LoadedState loaded) {
  slot.state = std::move(loaded.state);
  slot.at = loaded.at;
  slot.snapshot_version = loaded.snapshot_version;
  resize(slot);
}

void StateCache::drop(Slot& slot) {
  slot.state.reset();
  slot.at = {};
  slot.in_flight = 0;
  slot.settling = true;
  ++slot.generation;
  resize(slot);
}

void StateCache::resize(Slot& slot) {
  size_ -= slot.size;
  slot.size = slot_fixed_size + 2 * slot.stream.size() +
              (slot.state ? slot.table->state_size(slot.state.get()) : 0);
  size_ += slot.size;
}

std::size_t StateCache::evict() {
  std::size_t evicted = 0;
  for (auto at = order_.end(); size_ > size_max_ && at != order_.begin();) {
    Slot& slot = **--at;
    if (slot.pins > 0 || slot.loading) continue;
    size_ -= slot.size;
    at = order_.erase(at);
    slots_.erase(Key{slot.table, slot.stream});
    ++evicted;
  }
  return evicted;
}

}  // namespace stele::decide
