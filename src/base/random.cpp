#include "base/random.h"

#include <algorithm>
#include <array>
#include <random>

namespace stele {
namespace {

class Mersenne final : public RandomSource {
 public:
  explicit Mersenne(std::seed_seq&& seed) : engine_{seed} {}
  explicit Mersenne(std::uint64_t seed) : engine_{seed} {}
  std::uint64_t next() noexcept override { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

}  // namespace

std::unique_ptr<RandomSource> make_system_random() {
  std::random_device device;
  std::array<std::uint32_t, 8> words{};
  std::ranges::generate(words, [&] { return device(); });
  return std::make_unique<Mersenne>(std::seed_seq(words.begin(), words.end()));
}

std::unique_ptr<RandomSource> make_seeded_random(std::uint64_t seed) {
  return std::make_unique<Mersenne>(seed);
}

Uuid make_uuid_v7(Timestamp now, std::uint64_t high, std::uint64_t low) noexcept {
  const auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(micros(now) / 1'000, 0));
  Uuid id;
  for (std::size_t i = 0; i < 6; ++i) {
    id.bytes[i] = static_cast<std::uint8_t>(ms >> (8 * (5 - i)));
  }
  id.bytes[6] = static_cast<std::uint8_t>(0x70 | ((high >> 8) & 0x0F));  // The version.
  id.bytes[7] = static_cast<std::uint8_t>(high);
  for (std::size_t i = 0; i < 8; ++i) {
    id.bytes[8 + i] = static_cast<std::uint8_t>(low >> (8 * (7 - i)));
  }
  id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3F) | 0x80);  // The variant.
  return id;
}

Uuid make_uuid_v7(Timestamp now, RandomSource& random) noexcept {
  const std::uint64_t high = random.next();
  return make_uuid_v7(now, high, random.next());
}

}  // namespace stele
