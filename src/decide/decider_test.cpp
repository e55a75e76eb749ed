// Deciders without a store: the given/when/then kit, and the tables that it is made of.

#include "stele/decider.h"

#include <gtest/gtest.h>

#include "decide/idempotency.h"
#include "decide/processor.h"
#include "decide/testing/bank.h"
#include "stele/testing.h"

namespace stele {
namespace {

using namespace testing_bank;  // NOLINT(google-build-using-namespace): the test's whole world.

Money usd(std::int64_t cents) { return {cents, *Currency::find("USD")}; }

TEST(GivenWhenThen, AcceptsTheEventsThatTheRulesBring) {
  const auto result = given<Account>(Deposited{50, 50}).when(Withdraw{20}).then(Withdrawn{20, 30});
  EXPECT_TRUE(result) << result.explanation;
  EXPECT_TRUE(given<Account>().when(Touch{}).then_nothing());
}

TEST(GivenWhenThen, ExplainsWhatCameInstead) {
  const auto wrong = given<Account>(Deposited{50, 50}).when(Withdraw{20}).then(Withdrawn{20, 31});
  EXPECT_FALSE(wrong);
  EXPECT_EQ(wrong.explanation,
            "Expected Withdrawn{\"amount\":20,\"balance_after\":31}; came: "
            "Withdrawn{\"amount\":20,\"balance_after\":30}.");
  EXPECT_EQ(given<Account>().when(Withdraw{20}).then(Withdrawn{20, 0}).explanation,
            "Expected Withdrawn{\"amount\":20,\"balance_after\":0}; came: the rejection "
            "insufficient_funds.");
  EXPECT_EQ(given<Account>().when(Touch{}).then_rejected("x").explanation,
            "Expected the rejection x; came: no events.");
}

TEST(GivenWhenThen, JudgesOverSeveralStreams) {
  const auto result = given<Account>(Deposited{50, 50})
                          .and_given("2", Deposited{5, 5})
                          .when(Transfer{"2", 20})
                          .then(emit(Deposited{20, 25}).on(1), Withdrawn{20, 30});
  EXPECT_TRUE(result) << result.explanation;
  EXPECT_TRUE(
      given<Account>(Deposited{50, 50}).when(Transfer{"1", 20}).then_rejected("same_account"));
}

TEST(GivenWhenThen, JudgesOverAQuery) {
  const auto seat = [](std::string course) {
    return emit(Enrolled{course, "ann"}).tag("course:" + course);
  };
  EXPECT_TRUE(given<Seats>(seat("c1"), seat("c2"), seat("c2"), seat("c2"))
                  .when(Enroll{"c2", "bob"})
                  .then_rejected("course_full"));
  EXPECT_TRUE(given<Seats>(seat("c1"), seat("c1"))
                  .when(Enroll{"c2", "bob"})
                  .then(emit(Enrolled{"c2", "bob"}).tag("course:c2")));
}

TEST(Decision, FailsWithAmountInvalidWhenMoneyOverflows) {
  const auto most = usd(std::numeric_limits<std::int64_t>::max());
  EXPECT_TRUE(given<Purse>(Paid{most, most}).when(Pay{usd(1)}).then_rejected("amount_invalid"));
  EXPECT_TRUE(given<Purse>(Paid{usd(1), usd(1)})
                  .when(Pay{Money{1, *Currency::find("EUR")}})
                  .then_rejected("currency_mismatch"));
}

TEST(Decision, KeepsTheDetailsOfARejectionAsJson) {
  const Rejection rejection =
      reject("insufficient_funds", {{"balance", usd(1230)}, {"limit", 5}, {"of", "a\"b"}});
  ASSERT_EQ(rejection.details.size(), 3U);
  EXPECT_EQ(rejection.details[0].json, "\"12.30\"");
  EXPECT_EQ(rejection.details[1].json, "5");
  EXPECT_EQ(rejection.details[2].json, "\"a\\\"b\"");
  EXPECT_EQ(rejection.kind, Kind::rule);
  EXPECT_EQ(reject(MoneyError::currency_mismatch).code, "currency_mismatch");
  EXPECT_EQ(reject("x").because("Why.").message, "Why.");
}

TEST(Deciders, ReadCommandsByName) {
  decide::Deciders deciders;
  ASSERT_TRUE(deciders.add<Account>());
  ASSERT_TRUE(deciders.add<Account>());
  const auto call = deciders.parse("account", "Withdraw", "42", R"({"amount": 7})", {});
  ASSERT_TRUE(call);
  EXPECT_EQ(static_cast<const Withdraw*>(call->body.get())->amount, 7);
  EXPECT_EQ(call->key, "42");
  EXPECT_FALSE(deciders.parse("account", "Rob", "42", "{}", {}));
  EXPECT_FALSE(deciders.parse("bank", "Withdraw", "42", "{}", {}));
  EXPECT_FALSE(deciders.parse("account", "Withdraw", "42", R"({"amount": "x"})", {}));
}

struct Impostor : Account {
  static Decision decide(const State&, const Deposit&) { return {}; }
  using Commands = stele::Commands<Deposit>;
};

TEST(Deciders, RefuseTwoOfOneCategory) {
  decide::Deciders deciders;
  ASSERT_TRUE(deciders.add<Account>());
  const auto second = deciders.add<Impostor>();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::invalid);
}

TEST(Idempotency, GivesAKeyOneIdWhateverIsAskedWithIt) {
  const AppendId id = decide::id_of_idempotency_key("t", "c", "k");
  EXPECT_EQ(id, decide::id_of_idempotency_key("t", "c", "k"));
  EXPECT_NE(id, decide::id_of_idempotency_key("t", "c", "l"));
  EXPECT_NE(id, decide::id_of_idempotency_key("t", "d", "k"));
  EXPECT_NE(id, decide::id_of_idempotency_key("u", "c", "k"));
  EXPECT_NE(id, decide::id_of_idempotency_key("", "tc", "k"));
  EXPECT_EQ(id.bytes[6] >> 4, 8);
}

TEST(Idempotency, DependsOnTheMeaningOfACommandNotOnItsSpelling) {
  decide::Deciders deciders;
  ASSERT_TRUE(deciders.add<Account>());
  const auto id_of = [&](std::string_view json, decide::IdempotencyScope scope) {
    auto call = deciders.parse("account", "Transfer", "1", json, {});
    decide::make_idempotent(*call, scope);
    return std::pair{*call->options.id, *call->options.digest};
  };
  const decide::IdempotencyScope scope{.tenant = "t",
                                       .caller = "c",
                                       .idempotency_key = "k",
                                       .method = "POST",
                                       .path = "/accounts/1/transfer"};
  const auto first = id_of(R"({"to":"2","amount":3})", scope);
  EXPECT_EQ(first, id_of(R"({ "amount" : 3, "to" : "2" })", scope));
  const auto other = id_of(R"({"to":"2","amount":4})", scope);
  EXPECT_EQ(first.first, other.first);
  EXPECT_NE(first.second, other.second);
  auto elsewhere = scope;
  elsewhere.path = "/accounts/9/transfer";
  EXPECT_EQ(first.first, id_of(R"({"to":"2","amount":3})", elsewhere).first);
  EXPECT_NE(first.second, id_of(R"({"to":"2","amount":3})", elsewhere).second);
  for (const auto part : {&decide::IdempotencyScope::tenant, &decide::IdempotencyScope::caller,
                          &decide::IdempotencyScope::idempotency_key}) {
    auto changed = scope;
    changed.*part = "other";
    EXPECT_NE(first.first, id_of(R"({"to":"2","amount":3})", changed).first);
  }
}

struct Pay {
  Amount amount;
};
STELE_DESCRIBE(Pay, amount);

struct Purse {
  static constexpr auto category = "purse";
  static constexpr int state_version = 1;
  using Events = stele::Events<Deposited>;
  using Commands = stele::Commands<Pay>;
  struct State {};
  static void evolve(State&, const Deposited&) {}
  static Decision decide(const State&, const Pay&) { return {}; }
};

TEST(Idempotency, TakesEverySpellingOfAnAmountForTheSame) {
  decide::Deciders deciders;
  ASSERT_TRUE(deciders.add<Purse>());
  const auto digest_of = [&](std::string_view json) {
    auto call = deciders.parse("purse", "Pay", "1", json, {});
    decide::make_idempotent(
        *call,
        {.tenant = {}, .caller = {}, .idempotency_key = "k", .method = "POST", .path = "/p"});
    return *call->options.digest;
  };
  const auto first = digest_of(R"({"amount":"1.00"})");
  for (const char* same :
       {R"({"amount":"1.0"})", R"({"amount":"1"})", R"({"amount":1})", R"({"amount":"01.00"})"}) {
    EXPECT_EQ(digest_of(same), first) << same;
  }
  for (const char* other : {R"({"amount":"1.01"})", R"({"amount":"10"})", R"({"amount":"-1.00"})",
                            R"({"amount":"0.1"})"}) {
    EXPECT_NE(digest_of(other), first) << other;
  }
}

}  // namespace
}  // namespace stele
