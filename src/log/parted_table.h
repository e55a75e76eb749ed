// Module: log
// A hash table of plain slots with open addressing (linear probing), split in 256 parts by the top
// bits of the hash. Each part doubles alone when it is 0.7 full, so no insert waits for more than
// one part to be moved. Slots are never taken out.
//
// A `Slot` is trivial, unused when zeroed, and has `bool used() const`, `bool is(KeyHash) const`
// and `std::uint64_t home() const`, whose low bits place it in its part.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "log/index_key.h"

namespace stele::log {

template <typename Slot>
class PartedTable {
 public:
  PartedTable() : parts_(parts_count) {
    for (Part& part : parts_) part.slots = std::make_unique<Slot[]>(part.mask + 1);
  }

  void prefetch(KeyHash hash) const {
    const Part& part = part_of(hash);
    const char* const at = reinterpret_cast<const char*>(&part.slots[place(part, hash)]);
    __builtin_prefetch(at, 1);
    __builtin_prefetch(at + sizeof(Slot) - 1, 1);
  }

  [[nodiscard]] const Slot* find(KeyHash hash) const {
    const Part& part = part_of(hash);
    for (std::uint32_t i = place(part, hash);; i = (i + 1) & part.mask) {
      const Slot& slot = part.slots[i];
      if (!slot.used()) return nullptr;
      if (slot.is(hash)) return &slot;
    }
  }

  /// The slot with `hash`, or an unused one for it, which the caller must fill at once.
  [[nodiscard]] Slot& find_or_add(KeyHash hash) {
    Part& part = part_with_room(hash);
    for (std::uint32_t i = place(part, hash);; i = (i + 1) & part.mask) {
      Slot& slot = part.slots[i];
      if (slot.used() && !slot.is(hash)) continue;
      if (!slot.used()) ++part.used;
      return slot;
    }
  }

  /// An unused slot for `hash`, even if one with it is there, which the caller must fill at once.
  [[nodiscard]] Slot& add(KeyHash hash) {
    Part& part = part_with_room(hash);
    ++part.used;
    return unused(part, hash);
  }

  /// Calls `use(slot)` for each slot with `hash`, the oldest first.
  template <typename Use>
  void for_each(KeyHash hash, const Use& use) const {
    const Part& part = part_of(hash);
    for (std::uint32_t i = place(part, hash); part.slots[i].used(); i = (i + 1) & part.mask) {
      if (part.slots[i].is(hash)) use(part.slots[i]);
    }
  }

  [[nodiscard]] std::size_t memory_size() const {
    std::size_t slots = 0;
    for (const Part& part : parts_) slots += part.mask + 1;
    return slots * sizeof(Slot) + parts_count * sizeof(Part);
  }

 private:
  struct Part {
    std::unique_ptr<Slot[]> slots = nullptr;
    std::uint32_t mask = first_slots - 1;
    std::uint32_t used = 0;
  };
  static constexpr std::size_t parts_count = 256;
  static constexpr std::uint32_t first_slots = 8;

  static std::uint32_t place(const Part& part, std::uint64_t home) {
    return static_cast<std::uint32_t>(home) & part.mask;
  }
  const Part& part_of(KeyHash hash) const { return parts_[hash >> 56]; }

  static Slot& unused(Part& part, std::uint64_t home) {
    std::uint32_t i = place(part, home);
    while (part.slots[i].used()) i = (i + 1) & part.mask;
    return part.slots[i];
  }

  Part& part_with_room(KeyHash hash) {
    Part& part = parts_[hash >> 56];
    if ((part.used + 1) * 10ULL <= (part.mask + 1ULL) * 7) return part;
    Part larger;
    larger.mask = part.mask * 2 + 1;
    larger.used = part.used;
    larger.slots = std::make_unique<Slot[]>(larger.mask + 1ULL);
    // From the slot after an unused one on, so that equal hashes keep their order.
    std::uint32_t start = 0;
    while (part.slots[start].used()) ++start;
    for (std::uint32_t n = 0; n <= part.mask; ++n) {
      const Slot& slot = part.slots[(start + n) & part.mask];
      if (slot.used()) unused(larger, slot.home()) = slot;
    }
    part = std::move(larger);
    return part;
  }

  std::vector<Part> parts_;
};

}  // namespace stele::log
