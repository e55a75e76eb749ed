#include "stele/money.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <limits>
#include <map>
#include <set>

namespace stele {
namespace {

constexpr std::int64_t smallest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();

Currency currency(std::string_view code) { return Currency::find(code).value(); }

std::expected<Money, MoneyError> amount(std::string_view text, std::string_view code) {
  return Amount::parse(text).value().in(currency(code));
}

bool property(const std::string& what, const auto& test) { return rc::check(what, test); }

TEST(Currency, HasTheDecimalsOfTheStandardWhereTheyAreNotTwo) {
  // Written down apart from the table: every code of ISO 4217 whose minor unit is not 1/100.
  const std::map<std::string, int> others{{"BIF", 0}, {"CLP", 0}, {"DJF", 0},
                                          {"GNF", 0}, {"ISK", 0}, {"JPY", 0},
                                          {"KMF", 0}, {"KRW", 0}, {"PYG", 0},
                                          {"RWF", 0}, {"UGX", 0}, {"UYI", 0},
                                          {"VND", 0}, {"VUV", 0}, {"XAF", 0},
                                          {"XOF", 0}, {"XPF", 0}, {"BHD", 3},
                                          {"IQD", 3}, {"JOD", 3}, {"KWD", 3},
                                          {"LYD", 3}, {"OMR", 3}, {"TND", 3},
                                          {"CLF", 4}, {"UYW", 4}, {"XAG", 0},
                                          {"XAU", 0}, {"XBA", 0}, {"XBB", 0},
                                          {"XBC", 0}, {"XBD", 0}, {"XDR", 0},
                                          {"XPD", 0}, {"XPT", 0}, {"XSU", 0},
                                          {"XTS", 0}, {"XUA", 0}, {std::string(3, 'X'), 0}};
  std::size_t known = 0;
  std::size_t seen_others = 0;
  for (char a = 'A'; a <= 'Z'; ++a) {
    for (char b = 'A'; b <= 'Z'; ++b) {
      for (char c = 'A'; c <= 'Z'; ++c) {
        const std::string code{a, b, c};
        const auto found = Currency::find(code);
        if (!found) continue;
        ++known;
        EXPECT_EQ(found->code(), code);
        const auto other = others.find(code);
        seen_others += other != others.end() ? 1U : 0U;
        EXPECT_EQ(found->exponent(), other == others.end() ? 2 : other->second) << code;
      }
    }
  }
  EXPECT_EQ(seen_others, others.size());
  EXPECT_EQ(known, 184U);
}

TEST(Currency, KnowsTheCurrenciesOfTheLargestEconomies) {
  for (const char* code :
       {"USD", "EUR", "CNY", "JPY", "GBP", "INR", "BRL", "CAD", "RUB", "MXN", "KRW", "AUD",
        "IDR", "SAR", "TRY", "CHF", "PLN", "TWD", "ARS", "SEK", "NGN", "THB", "ILS", "NOK",
        "AED", "EGP", "DKK", "SGD", "PHP", "VND", "MYR", "ZAR", "BDT", "HKD", "COP", "PKR",
        "CLP", "CZK", "RON", "IQD", "NZD", "PEN", "KZT", "KWD", "UAH", "MAD", "HUF", "BYN"}) {
    EXPECT_TRUE(Currency::find(code)) << code;
  }
}

TEST(Currency, RefusesWhatTheStandardDoesNotHave) {
  for (const char* code : {"", "U", "US", "usd", "Usd", "USDX", "ABC", "ZZZ", "840", "U D"}) {
    EXPECT_FALSE(Currency::find(code)) << code;
  }
}

TEST(Money, IsWrittenWithExactlyTheDecimalsOfItsCurrency) {
  EXPECT_EQ((Money{1230, currency("USD")}.text()), "12.30");
  EXPECT_EQ((Money{5, currency("USD")}.text()), "0.05");
  EXPECT_EQ((Money{-5, currency("USD")}.text()), "-0.05");
  EXPECT_EQ((Money{0, currency("USD")}.text()), "0.00");
  EXPECT_EQ((Money{1230, currency("JPY")}.text()), "1230");
  EXPECT_EQ((Money{1230, currency("KWD")}.text()), "1.230");
  EXPECT_EQ((Money{1, currency("CLF")}.text()), "0.0001");
  EXPECT_EQ((Money{smallest, currency("USD")}.text()), "-92233720368547758.08");
  EXPECT_EQ((Money{largest, currency("JPY")}.text()), "9223372036854775807");
  EXPECT_EQ(Money{}.text(), "0");
}

TEST(Money, NeverOverflowsSilently) {
  const Currency usd = currency("USD");
  const Money sum = Money{largest, usd} + Money{1, usd};

  EXPECT_FALSE(sum.ok());
  EXPECT_EQ(sum.error(), MoneyError::amount_invalid);
  EXPECT_EQ(sum.text(), "");
  EXPECT_FALSE((sum - Money{1, usd}).ok());  // Once lost, it does not come back.
  EXPECT_FALSE((Money{smallest, usd} - Money{1, usd}).ok());
  EXPECT_FALSE((-Money{smallest, usd}).ok());
  EXPECT_EQ(add(Money{largest, usd}, Money{1, usd}).error(), MoneyError::amount_invalid);
  EXPECT_EQ(subtract(Money{1, usd}, Money{1, usd}).value(), (Money{0, usd}));
  EXPECT_FALSE(sum < sum || sum == sum || sum > sum);
}

TEST(Money, RefusesToMixCurrencies) {
  const Money usd{1, currency("USD")};
  const Money eur{1, currency("EUR")};

  EXPECT_EQ((usd + eur).error(), MoneyError::currency_mismatch);
  EXPECT_EQ(subtract(usd, eur).error(), MoneyError::currency_mismatch);
  EXPECT_FALSE(usd == eur || usd < eur || usd > eur);
  EXPECT_EQ(Money{} + eur, eur);
  EXPECT_EQ((eur - Money{}).currency().code(), "EUR");
  EXPECT_EQ(to_string(MoneyError::currency_mismatch), "currency_mismatch");
  EXPECT_EQ(to_string(MoneyError::amount_invalid), "amount_invalid");
}

TEST(Amount, TakesDecimalsAndNothingElse) {
  for (const char* text : {"0", "5", "-5", "12.30", "-0.00", "007", "99999999999999999999999"}) {
    EXPECT_TRUE(Amount::parse(text)) << text;
  }
  for (const char* text : {"", "-", ".5", "5.", "+5", "1e3", "1,5", " 5", "5 ", "1.2.3", "--1",
                           "0x10", "٣", "NaN", "-.5"}) {
    EXPECT_FALSE(Amount::parse(text)) << text;
  }
}

TEST(Amount, HasOneCanonicalSpelling) {
  for (const auto& [text, canonical] : std::map<std::string, std::string>{{"1.50", "1.5"},
                                                                          {"1.0", "1"},
                                                                          {"01.00", "1"},
                                                                          {"100", "100"},
                                                                          {"10.010", "10.01"},
                                                                          {"0.10", "0.1"},
                                                                          {"00.1", "0.1"},
                                                                          {"0", "0"},
                                                                          {"-0.00", "0"},
                                                                          {"-1.10", "-1.1"}}) {
    EXPECT_EQ(Amount::parse(text).value().canonical(), canonical) << text;
  }
}

TEST(Amount, BecomesMoneyOnceTheCurrencyIsKnown) {
  EXPECT_EQ(amount("12.3", "USD").value().minor_units(), 1230);
  EXPECT_EQ(amount("12", "USD").value().minor_units(), 1200);
  EXPECT_EQ(amount("-0.05", "USD").value().minor_units(), -5);
  EXPECT_EQ(amount("12", "JPY").value().minor_units(), 12);
  EXPECT_EQ(amount("0.001", "KWD").value().minor_units(), 1);
  EXPECT_EQ(amount("-92233720368547758.08", "USD").value().minor_units(), smallest);
  EXPECT_EQ(amount("92233720368547758.07", "USD").value().minor_units(), largest);
}

TEST(Amount, RefusesTooManyDecimalsAndOverflow) {
  for (const auto& [text, code] :
       std::map<std::string, std::string>{{"1.0", "JPY"},
                                          {"1.000", "USD"},
                                          {"0.0001", "KWD"},
                                          {"92233720368547758.08", "USD"},
                                          {"-92233720368547758.09", "USD"},
                                          {"92233720368547759", "USD"},
                                          {"99999999999999999999999999", "JPY"}}) {
    EXPECT_EQ(amount(text, code).error(), MoneyError::amount_invalid) << text << " " << code;
  }
}

TEST(Amount, ReadsBackEveryMoneyThatWasWritten) {
  EXPECT_TRUE(property("text and back", [] {
    const auto minor = *rc::gen::arbitrary<std::int64_t>();
    const auto code = *rc::gen::element<std::string>("USD", "JPY", "KWD", "CLF", "EUR");
    const Money money{minor, currency(code)};
    const auto back = amount(money.text(), code);
    RC_ASSERT(back.has_value());
    RC_ASSERT(back->minor_units() == minor);
  }));
}

TEST(Amount, AddsAsIntegersDo) {
  EXPECT_TRUE(property("sums equal those in 128 bits, or are refused", [] {
    __extension__ using Wide = __int128;
    const auto a = *rc::gen::arbitrary<std::int64_t>();
    const auto b = *rc::gen::element(*rc::gen::arbitrary<std::int64_t>(), largest, smallest);
    const Currency usd = currency("USD");
    const Wide exact = static_cast<Wide>(a) + b;
    const Money sum = Money{a, usd} + Money{b, usd};
    RC_ASSERT(sum.ok() == (exact >= smallest && exact <= largest));
    if (sum.ok()) RC_ASSERT(sum.minor_units() == static_cast<std::int64_t>(exact));
  }));
}

}  // namespace
}  // namespace stele
