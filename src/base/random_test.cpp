#include "base/random.h"

#include <gtest/gtest.h>

#include <set>

namespace stele {
namespace {

TEST(UuidV7, CarriesMillisecondsVersionAndVariant) {
  const Timestamp now = parse_time("2022-02-22T19:22:22.000999Z").value();
  const Uuid id = make_uuid_v7(now, 0xFFFF'FFFF'FFFF'FCC3, 0x18C4'DC0C'0C07'398F);
  EXPECT_EQ(id.text(), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");  // The example of RFC 9562.
}

TEST(UuidV7, OrdersByTimeAndNeverRepeats) {
  const auto random = make_seeded_random(7);
  std::set<Uuid> seen;
  Uuid last;
  for (std::int64_t ms = 1; ms <= 1'000; ++ms) {
    const Uuid id = make_uuid_v7(Timestamp{ms * 1'000}, *random);
    EXPECT_LT(last, id);
    EXPECT_TRUE(seen.insert(id).second);
    last = id;
  }
}

TEST(Random, RepeatsForTheSameSeedAndDiffersFromTheSystems) {
  EXPECT_EQ(make_seeded_random(1)->next(), make_seeded_random(1)->next());
  EXPECT_NE(make_seeded_random(1)->next(), make_seeded_random(2)->next());
  EXPECT_NE(make_system_random()->next(), make_system_random()->next());
}

}  // namespace
}  // namespace stele
