#include "import/key_set.h"

#include <string>
#include <utility>

#include "store/digest.h"

namespace stele::program {
namespace {

constexpr std::size_t slots_min = 1'024;

}  // namespace

Result<bool> KeySet::insert(std::string_view key) {
  const Digest digest = store::hash_bytes(key);
  Slot slot;
  for (std::size_t i = 0; i < 8; ++i) slot.high = (slot.high << 8) | digest[i];
  for (std::size_t i = 8; i < 16; ++i) slot.low = (slot.low << 8) | digest[i];
  if (slot == Slot{}) slot.low = 1;

  if ((size_ + 1) * 4 > slots_.size() * 3) grow();
  if (!place(slot)) return false;
  if (++size_ > import_keys_max) {
    return fail(Errc::too_large, "The file has more than " + std::to_string(import_keys_max) +
                                     " distinct keys; import it in parts.");
  }
  return true;
}

bool KeySet::place(const Slot& slot) {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = slot.high & mask;; at = (at + 1) & mask) {
    if (slots_[at] == slot) return false;
    if (slots_[at] == Slot{}) {
      slots_[at] = slot;
      return true;
    }
  }
}

void KeySet::grow() {
  std::vector<Slot> old(slots_.empty() ? slots_min : slots_.size() * 2);
  std::swap(old, slots_);
  for (const Slot& slot : old) {
    if (slot != Slot{}) place(slot);
  }
}

}  // namespace stele::program
