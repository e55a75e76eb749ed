// Which keys were seen, for `first_of`: 16 bytes a key whatever its length, in one open-addressed
// table. Keys are told apart by a hash of 128 bits; among ten million keys the chance that any two
// meet is below 1 in 10^24.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "stele/error.h"

namespace stele::program {

inline constexpr std::size_t import_keys_max = 32'000'000;  ///< Distinct keys: 1 GiB of memory.

class KeySet {
 public:
  /// True if `key` was not in the set; it is now. Errors: `too_large` over `import_keys_max` keys.
  [[nodiscard]] Result<bool> insert(std::string_view key);
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  struct Slot {
    std::uint64_t high = 0;
    std::uint64_t low = 0;  // 0 in both = free.
    friend bool operator==(const Slot&, const Slot&) = default;
  };
  bool place(const Slot& slot);
  void grow();

  std::vector<Slot> slots_;  // A power of two of them, at most 3/4 taken.
  std::size_t size_ = 0;
};

}  // namespace stele::program
