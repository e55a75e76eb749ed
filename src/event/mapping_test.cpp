#include "stele/mapping.h"

#include <gtest/gtest.h>

namespace bank_like {

using namespace std::string_view_literals;

struct Deposited {
  stele::Money amount, balance_after;
  std::optional<std::string> reference;
};
STELE_DESCRIBE(Deposited, amount, balance_after, reference);

TEST(Mapping, WritesAStructAsItIsStored) {
  const auto usd = *stele::Currency::find("USD");
  const auto text =
      stele::to_json(Deposited{stele::Money{1230, usd}, stele::Money{5000, usd}, "r"});
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(*text,
            R"({"amount":"12.30","balance_after":"50.00","currency":"USD","reference":"r"})");
  const auto back = stele::from_json<Deposited>(*text);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->amount, (stele::Money{1230, usd}));
}

}  // namespace bank_like
