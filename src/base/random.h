// Where random bits come from, and the ids made of them. Engines take a source through their
// constructor, so that a test can replay a run.

#pragma once

#include <cstdint>
#include <memory>

#include "stele/ids.h"
#include "stele/time.h"

namespace stele {

/// Not thread-safe: each owner has its own.
class RandomSource {
 public:
  virtual ~RandomSource() = default;
  [[nodiscard]] virtual std::uint64_t next() noexcept = 0;  ///< 64 uniform bits.
};

/// Seeded with 256 bits of the system's entropy. Good for ids, not for secrets.
[[nodiscard]] std::unique_ptr<RandomSource> make_system_random();

/// The same numbers for the same seed, on every machine. For tests and simulations.
[[nodiscard]] std::unique_ptr<RandomSource> make_seeded_random(std::uint64_t seed);

/// RFC 9562, section 5.7: 48 bits of milliseconds, then 74 random bits (12 from `high`, 62 from
/// `low`). A time before 1970 counts as 0.
[[nodiscard]] Uuid make_uuid_v7(Timestamp now, std::uint64_t high, std::uint64_t low) noexcept;

/// As above, with bits from `random`.
[[nodiscard]] Uuid make_uuid_v7(Timestamp now, RandomSource& random) noexcept;

}  // namespace stele
