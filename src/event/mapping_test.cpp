#include "stele/mapping.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <bit>
#include <cmath>
#include <limits>

// In a namespace of their own: a user's types are found by argument-dependent lookup.
namespace sample {

using stele::Amount;
using stele::Currency;
using stele::Money;

enum class Kind : std::uint8_t { checking, savings };
STELE_DESCRIBE_ENUM_AS(Kind, (Kind::checking, "CHECKING"), (Kind::savings, "SAVINGS"));

enum class Colour { red, green };
STELE_DESCRIBE_ENUM(Colour, red, green);

struct Deposited {
  Money amount, balance_after;
  std::optional<std::string> reference;
};
STELE_DESCRIBE(Deposited, amount, balance_after, reference);

struct Opened {
  std::string owner_name;
  Currency currency;
  Money initial_deposit;
};
STELE_DESCRIBE(Opened, owner_name, currency, initial_deposit);

struct Inner {
  std::int32_t count = 0;
  std::vector<std::string> names;
};
STELE_DESCRIBE(Inner, count, names);

struct Everything {
  bool yes = false;
  std::int8_t tiny = 0;
  std::uint64_t big = 0;
  double ratio = 0;
  stele::Timestamp at{};
  stele::Uuid id;
  stele::Version version{};
  stele::Position position{};
  Kind kind{};
  Amount asked;
  Inner inner;
  std::vector<Inner> list;
  std::optional<std::uint16_t> maybe;
  std::int64_t transaction_count_30days = 0;
};
STELE_DESCRIBE(Everything, yes, tiny, big, ratio, at, id, version, position, kind, asked, inner,
               list, maybe, transaction_count_30days);

struct Nothing {};
STELE_DESCRIBE(Nothing);

struct PlacedV2 {
  std::string order_id;
};
STELE_DESCRIBE_AS(PlacedV2, "OrderPlaced", order_id);

struct Lines {
  std::vector<Money> prices;
  std::optional<Money> discount;
  Inner inner;
};
STELE_DESCRIBE(Lines, prices, discount, inner);

struct Outer {
  Money fee;
  Deposited first, second;
};
STELE_DESCRIBE(Outer, fee, first, second);

struct Wide {
  int a0 = 0, a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0, a6 = 0, a7 = 0;
  int b0 = 0, b1 = 0, b2 = 0, b3 = 0, b4 = 0, b5 = 0, b6 = 0, b7 = 0;
  int c0 = 0, c1 = 0, c2 = 0, c3 = 0, c4 = 0, c5 = 0, c6 = 0, c7 = 0;
  int d0 = 0, d1 = 0, d2 = 0, d3 = 0, d4 = 0, d5 = 0, d6 = 0, d7 = 0;
  int e0 = 0, e1 = 0, e2 = 0, e3 = 0, e4 = 0, e5 = 0, e6 = 0, e7 = 0;
  int f0 = 0, f1 = 0, f2 = 0, f3 = 0, f4 = 0, f5 = 0, f6 = 0, f7 = 0;
  int g0 = 0, g1 = 0, g2 = 0, g3 = 0, g4 = 0, g5 = 0, g6 = 0, g7 = 0;
  int h0 = 0, h1 = 0, h2 = 0, h3 = 0, h4 = 0, h5 = 0, h6 = 0, h7 = 0;
};
STELE_DESCRIBE(Wide, a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7, c0, c1, c2, c3,
               c4, c5, c6, c7, d0, d1, d2, d3, d4, d5, d6, d7, e0, e1, e2, e3, e4, e5, e6, e7, f0,
               f1, f2, f3, f4, f5, f6, f7, g0, g1, g2, g3, g4, g5, g6, g7, h0, h1, h2, h3, h4, h5,
               h6, h7);

static_assert(stele::Described<Nothing> && stele::Described<Wide>);
static_assert(!stele::Described<std::string> && !stele::Described<int>);
static_assert(stele::type_name<Deposited>() == "Deposited");
static_assert(stele::type_name<PlacedV2>() == "OrderPlaced");
static_assert(stele::description_of<Wide>.size() == 64);
static_assert(stele::description_of<Wide>.names[63] == "h7");
static_assert(stele::description_of<Nothing>.size() == 0);
static_assert(stele::enum_text(Colour::green) == "green");

}  // namespace sample

namespace stele {
namespace {

using namespace sample;

Currency currency(std::string_view code) { return Currency::find(code).value(); }
Money usd(std::int64_t minor) { return {minor, currency("USD")}; }

template <typename T>
std::string written(const T& object, Naming naming = Naming::as_stored) {
  auto text = to_json(object, naming);
  return text ? *text : "error: " + text.error().message;
}

template <typename T>
MappingError refusal(std::string_view text, MappingOptions options = {}) {
  const auto read = from_json<T>(text, options);
  EXPECT_FALSE(read) << text;
  return read ? MappingError{} : read.error();
}

// "code pointer" of the refusal.
template <typename T>
std::string refused(std::string_view text, MappingOptions options = {}) {
  const MappingError error = refusal<T>(text, options);
  EXPECT_FALSE(error.message.empty());
  return std::string{to_string(error.code)} + " " + error.pointer;
}

TEST(Mapping, WritesTheCurrencyOnceAfterTheAmounts) {
  EXPECT_EQ(written(Deposited{usd(1230), usd(5000), "r"}),
            R"({"amount":"12.30","balance_after":"50.00","currency":"USD","reference":"r"})");
  EXPECT_EQ(written(Deposited{usd(1), usd(2), std::nullopt}, Naming::camel_case),
            R"({"amount":"0.01","balanceAfter":"0.02","currency":"USD","reference":null})");
}

TEST(Mapping, UsesTheStructsOwnCurrencyIfItHasOne) {
  const std::string text = R"({"owner_name":"Ada","currency":"JPY","initial_deposit":"500"})";
  EXPECT_EQ(written(Opened{"Ada", currency("JPY"), Money{500, currency("JPY")}}), text);
  const auto back = from_json<Opened>(text);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->initial_deposit, (Money{500, currency("JPY")}));
  EXPECT_EQ(back->currency, currency("JPY"));
}

TEST(Mapping, TakesAnIntegerNumberAsWholeUnits) {
  const auto read = from_json<Deposited>(
      R"({"amount":12,"balance_after":"-1.5","currency":"USD","reference":null})");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->amount, usd(1200));
  EXPECT_EQ(read->balance_after, usd(-150));
}

TEST(Mapping, TellsMalformedAmountsFromInvalidOnes) {
  const auto deposit = [](std::string_view amount, std::string_view code = "\"USD\"") {
    return refused<Deposited>(R"({"amount":)" + std::string{amount} +
                              R"(,"balance_after":"1","currency":)" + std::string{code} + "}");
  };
  EXPECT_EQ(deposit("12.5"), "malformed /amount");
  EXPECT_EQ(deposit("1e2"), "malformed /amount");
  EXPECT_EQ(deposit("null"), "malformed /amount");
  EXPECT_EQ(deposit("true"), "malformed /amount");
  EXPECT_EQ(deposit(R"("abc")"), "amount_invalid /amount");
  EXPECT_EQ(deposit(R"("1.")"), "amount_invalid /amount");
  EXPECT_EQ(deposit(R"("")"), "amount_invalid /amount");
  EXPECT_EQ(deposit(R"("1.001")"), "amount_invalid /amount");
  EXPECT_EQ(deposit("99999999999999999999"), "amount_invalid /amount");
  EXPECT_EQ(deposit("1", R"("XYZ")"), "currency_unknown /currency");
  EXPECT_EQ(deposit("1", R"("usd")"), "currency_unknown /currency");
  EXPECT_EQ(deposit("1", "5"), "malformed /currency");
  EXPECT_EQ(deposit("1", "null"), "malformed /amount");
}

TEST(Mapping, NeedsNoCurrencyForAZeroThatHasNone) {
  EXPECT_EQ(written(Deposited{}),
            R"({"amount":"0","balance_after":"0","currency":null,"reference":null})");
  EXPECT_TRUE(from_json<Deposited>(written(Deposited{})));
  EXPECT_EQ(written(Deposited{Money{}, usd(5), std::nullopt}),
            R"({"amount":"0","balance_after":"0.05","currency":"USD","reference":null})");
}

TEST(Mapping, RefusesToWriteWhatIsNoAmount) {
  const Money lost = usd(std::numeric_limits<std::int64_t>::max()) + usd(1);
  const auto overflowed = to_json(Deposited{usd(1), lost, std::nullopt});
  ASSERT_FALSE(overflowed);
  EXPECT_EQ(overflowed.error().code, MappingCode::amount_invalid);
  EXPECT_EQ(overflowed.error().pointer, "/balance_after");

  const auto mixed = to_json(Deposited{usd(1), Money{1, currency("EUR")}, std::nullopt});
  ASSERT_FALSE(mixed);
  EXPECT_EQ(mixed.error().code, MappingCode::currency_mismatch);
  EXPECT_EQ(to_json(Opened{"a", currency("EUR"), usd(1)}).error().code,
            MappingCode::currency_mismatch);
  EXPECT_EQ(to_json(Deposited{Money{1, {}}, Money{}, std::nullopt}).error().code,
            MappingCode::currency_mismatch);
  EXPECT_EQ(to_json(PlacedV2{"\xff"}).error().code, MappingCode::malformed);
}

TEST(Mapping, KeepsACurrencyPerStruct) {
  const Money eur{5, currency("EUR")};
  const Outer outer{usd(1), {eur, eur, std::nullopt}, {usd(2), usd(2), std::nullopt}};
  const std::string text = written(outer);
  EXPECT_EQ(text,
            R"({"fee":"0.01","currency":"USD",)"
            R"("first":{"amount":"0.05","balance_after":"0.05","currency":"EUR","reference":null},)"
            R"("second":{"amount":"0.02","balance_after":"0.02","currency":"USD",)"
            R"("reference":null}})");
  const auto back = from_json<Outer>(text);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->first.amount, eur);
  EXPECT_EQ(back->second.amount, usd(2));
}

TEST(Mapping, ReadsListsAndOptionalAmounts) {
  const std::string text = R"({"prices":["1.00","2.50"],"discount":null,"currency":"USD",)"
                           R"("inner":{"count":1,"names":[]}})";
  const auto read = from_json<Lines>(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->prices[1], usd(250));
  EXPECT_FALSE(read->discount);
  EXPECT_EQ(written(*read), text);
}

TEST(Mapping, CarriesEveryKindOfMember) {
  const Everything all{.yes = true,
                       .tiny = -128,
                       .big = 9007199254740991,
                       .ratio = 0.25,
                       .at = Timestamp{1'700'000'000'123'456},
                       .id = Uuid::parse("0190c6a1-3f2e-7abc-8def-0123456789ab").value(),
                       .version = Version{3},
                       .position = Position{4},
                       .kind = Kind::savings,
                       .asked = Amount::parse("1.50").value(),
                       .inner = {.count = 1, .names = {"x", "y"}},
                       .list = {{.count = 2, .names = {}}},
                       .maybe = 7,
                       .transaction_count_30days = 9};
  const std::string camel = written(all, Naming::camel_case);
  EXPECT_EQ(camel,
            R"({"yes":true,"tiny":-128,"big":9007199254740991,"ratio":0.25,)"
            R"("at":"2023-11-14T22:13:20.123456Z","id":"0190c6a1-3f2e-7abc-8def-0123456789ab",)"
            R"("version":3,"position":4,"kind":"SAVINGS","asked":"1.50",)"
            R"("inner":{"count":1,"names":["x","y"]},"list":[{"count":2,"names":[]}],)"
            R"("maybe":7,"transactionCount30days":9})");
  const auto back = from_json<Everything>(camel, http_mapping);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(written(*back, Naming::camel_case), camel);
  EXPECT_EQ(written(Nothing{}), "{}");
  EXPECT_TRUE(from_json<Nothing>("{}"));
}

TEST(Mapping, NamesTheMemberThatDoesNotFit) {
  const auto with = [](std::string_view name, std::string_view value) {
    std::string text = written(Everything{});
    const std::string key = "\"" + std::string{name} + "\":";
    const std::size_t begin = text.find(key) + key.size();
    const std::size_t end = text.find_first_of(",}", begin);
    return refused<Everything>(text.replace(begin, end - begin, value));
  };
  EXPECT_EQ(with("yes", "1"), "malformed /yes");
  EXPECT_EQ(with("tiny", "128"), "malformed /tiny");
  EXPECT_EQ(with("tiny", "1.0"), "malformed /tiny");
  EXPECT_EQ(with("big", "-1"), "malformed /big");
  EXPECT_EQ(with("big", "9007199254740992"), "malformed /big");
  EXPECT_EQ(with("big", "99999999999999999999999"), "malformed /big");
  EXPECT_EQ(with("ratio", "\"1\""), "malformed /ratio");
  EXPECT_EQ(with("ratio", "1e999"), "malformed /ratio");
  EXPECT_EQ(with("at", "\"yesterday\""), "malformed /at");
  EXPECT_EQ(with("id", "\"x\""), "malformed /id");
  EXPECT_EQ(with("version", "null"), "malformed /version");
  EXPECT_EQ(with("kind", "\"savings\""), "malformed /kind");
  EXPECT_EQ(with("maybe", "65536"), "malformed /maybe");
  EXPECT_EQ(with("count", "{}"), "malformed /inner/count");
  EXPECT_EQ(with("list", "[{}]"), "malformed /list/0/count");
  EXPECT_EQ(with("list", "[1]"), "malformed /list/0");
  EXPECT_EQ(with("list", "{}"), "malformed /list");
  EXPECT_NE(refusal<Inner>(R"({"count":"x","names":[]})").message.find("found \"x\""),
            std::string::npos);
}

TEST(Mapping, RefusesMembersThatAreUnknownMissingOrTwice) {
  EXPECT_EQ(refused<Inner>(R"({"count":1,"names":[],"extra":2})"), "malformed /extra");
  EXPECT_EQ(refused<Inner>(R"({"names":[]})"), "malformed /count");
  EXPECT_EQ(refused<Inner>(R"({"count":1,"count":1,"names":[]})"), "malformed /count");
  EXPECT_EQ(refused<Inner>("[]"), "malformed ");
  EXPECT_EQ(refused<Inner>("nonsense"), "malformed ");
  EXPECT_NE(refusal<Inner>(R"({"cuont":1})").message.find("count, names"), std::string::npos);
  EXPECT_EQ(refused<Nothing>(R"({"a":1})"), "malformed /a");
}

TEST(Mapping, NamesMembersOverHttpInCamelCaseOnly) {
  EXPECT_TRUE(from_json<PlacedV2>(R"({"orderId":"1"})", http_mapping));
  EXPECT_EQ(refused<PlacedV2>(R"({"order_id":"1"})", http_mapping), "malformed /order_id");
  EXPECT_EQ(refused<PlacedV2>("{}", http_mapping), "malformed /orderId");
  EXPECT_EQ(refused<PlacedV2>(R"({"orderId":"1"})"), "malformed /orderId");
}

TEST(Mapping, SkipsWhatANewerProgramStoredIfAskedTo) {
  const auto read =
      from_json<Inner>(R"({"new":{"count":5},"count":1,"names":["a"]})", stored_mapping);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->count, 1);
}

TEST(Mapping, ReadsMembersInAnyOrder) {
  const auto read =
      from_json<Deposited>(R"({"currency":"KWD","balance_after":"1.234","amount":"2"})");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->amount.minor_units(), 2000);
  EXPECT_EQ(read->balance_after.text(), "1.234");
  Wide wide;
  wide.h7 = 64;
  EXPECT_EQ(from_json<Wide>(written(wide)).value().h7, 64);
}

TEST(Mapping, GivesBackWhatItWrote) {
  EXPECT_TRUE(rc::check("deposits", [] {
    const auto code = *rc::gen::element<std::string>("USD", "JPY", "KWD", "CLF");
    const Currency in = currency(code);
    Deposited event{{*rc::gen::arbitrary<std::int64_t>(), in},
                    {*rc::gen::arbitrary<std::int64_t>(), in},
                    std::nullopt};
    if (*rc::gen::arbitrary<bool>()) {
      event.reference = *rc::gen::container<std::string>(rc::gen::inRange<char>(0, 127));
    }
    for (const Naming naming : {Naming::as_stored, Naming::camel_case}) {
      const auto back = from_json<Deposited>(written(event, naming), {.naming = naming});
      RC_ASSERT(back.has_value());
      RC_ASSERT(back->amount == event.amount);
      RC_ASSERT(back->balance_after == event.balance_after);
      RC_ASSERT(back->reference == event.reference);
    }
  }));
  EXPECT_TRUE(rc::check("numbers", [] {
    Everything all;
    all.tiny = *rc::gen::arbitrary<std::int8_t>();
    all.big = *rc::gen::inRange<std::uint64_t>(0, 9007199254740992);
    all.ratio = *rc::gen::arbitrary<double>();
    all.transaction_count_30days =
        *rc::gen::inRange<std::int64_t>(-9007199254740991, 9007199254740992);
    RC_PRE(std::isfinite(all.ratio));
    const auto back = from_json<Everything>(written(all));
    RC_ASSERT(back.has_value());
    RC_ASSERT(back->tiny == all.tiny);
    RC_ASSERT(back->big == all.big);
    RC_ASSERT(std::bit_cast<std::uint64_t>(back->ratio) == std::bit_cast<std::uint64_t>(all.ratio));
    RC_ASSERT(back->transaction_count_30days == all.transaction_count_30days);
  }));
}

TEST(Mapping, NeverFailsOnTextsOtherThanByAnError) {
  EXPECT_TRUE(rc::check("broken deposits", [] {
    std::string text = written(Deposited{usd(1230), usd(5000), "r\u00e9\\"});
    const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
    text[at] = *rc::gen::arbitrary<char>();
    [[maybe_unused]] const auto whole = from_json<Deposited>(text);
    [[maybe_unused]] const auto cut = from_json<Deposited>(text.substr(0, at));
  }));
}

}  // namespace
}  // namespace stele
