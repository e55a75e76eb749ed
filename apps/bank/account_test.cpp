#include "bank/account.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>
#include <limits>
#include <map>

#include "stele/testing.h"

namespace bank {
namespace {

using stele::given;
using stele::TestResult;

Currency currency(std::string_view code) { return Currency::find(code).value(); }
Money usd(std::int64_t minor) { return {minor, currency("USD")}; }
Amount amount(std::string_view text) { return Amount::parse(text).value(); }

AccountCreated created(Money deposit = usd(0)) {
  return {.user_id = std::nullopt,
          .owner_name = "Ada",
          .account_type = AccountType::checking,
          .currency = deposit.currency(),
          .initial_deposit = deposit};
}

Open open(std::string owner = "Ada") {
  Open command;
  command.owner_name = std::move(owner);
  return command;
}
Deposit deposit(std::string_view text) {
  Deposit command;
  command.amount = amount(text);
  return command;
}
Withdraw withdraw(std::string_view text, std::optional<Amount> fee = std::nullopt) {
  Withdraw command;
  command.amount = amount(text);
  command.fee = std::move(fee);
  return command;
}
Transfer transfer(std::string to, std::string_view text, std::optional<Amount> fee = std::nullopt) {
  Transfer command;
  command.to = std::move(to);
  command.amount = amount(text);
  command.fee = std::move(fee);
  return command;
}

void expect(const TestResult& result) { EXPECT_TRUE(result) << result.explanation; }

// The JSON of a detail of the rejection; empty if it has none.
std::string detail_of(const stele::Outcome& outcome, std::string_view name) {
  const stele::Rejection* rejection = outcome.decision().rejection();
  if (rejection == nullptr) return "accepted";
  for (const stele::Detail& each : rejection->details) {
    if (each.name == name) return each.json;
  }
  return {};
}

TEST(Account, OpensInDollarsForCheckingUnlessToldOtherwise) {
  expect(given<Account>().when(open()).then(created()));

  Open command = open("Grace");
  command.currency = "KWD";
  command.account_type = AccountType::savings;
  command.initial_deposit = amount("1.234");
  command.user_id = "u-7";
  expect(given<Account>().when(command).then(AccountCreated{
      "u-7", "Grace", AccountType::savings, currency("KWD"), Money{1234, currency("KWD")}}));
}

TEST(Account, OpensOnceAndInAKnownCurrencyOnly) {
  expect(given<Account>(created()).when(open()).then_rejected("account_exists"));
  expect(given<Account>(created(), AccountClosed{}).when(open()).then_rejected("account_exists"));
  Open command = open();
  command.currency = "XYZ";
  expect(given<Account>().when(command).then_rejected("currency_unknown"));
  command.currency = "JPY";
  command.initial_deposit = amount("1.5");
  expect(given<Account>().when(command).then_rejected("amount_invalid"));
  command.initial_deposit = amount("-1");
  expect(given<Account>().when(command).then_rejected("amount_invalid"));
  command.initial_deposit = amount("0");
  expect(given<Account>().when(command).then(created(Money{0, currency("JPY")})));
}

TEST(Account, KeepsTheBalanceInEveryEvent) {
  expect(given<Account>(created(usd(500)))
             .when(deposit("12.30"))
             .then(MoneyDeposited{usd(1230), usd(1730), std::nullopt}));
  expect(given<Account>(created(usd(500)), MoneyDeposited{usd(1), usd(501), std::nullopt})
             .when(withdraw("5", amount("0.01")))
             .then(MoneyWithdrawn{usd(500), usd(1), usd(0), std::nullopt}));
}

TEST(Account, RefusesAmountsThatAreNone) {
  for (const char* text : {"0", "0.00", "-1", "1.001", "99999999999999999999"}) {
    expect(given<Account>(created(usd(500))).when(deposit(text)).then_rejected("amount_invalid"));
    expect(given<Account>(created(usd(500))).when(withdraw(text)).then_rejected("amount_invalid"));
  }
  for (const char* fee : {"-0.01", "0.001"}) {
    expect(given<Account>(created(usd(500)))
               .when(withdraw("1", amount(fee)))
               .then_rejected("amount_invalid"));
  }
  expect(given<Account>(created(usd(500)))
             .when(withdraw("1", amount("0")))
             .then(MoneyWithdrawn{usd(100), usd(0), usd(400), std::nullopt}));
}

TEST(Account, RefusesABalanceThatCannotBeKept) {
  constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  expect(given<Account>(created(usd(largest - 1)))
             .when(deposit("0.02"))
             .then_rejected("amount_invalid"));
  expect(given<Account>(created(usd(largest - 1)))
             .when(deposit("0.01"))
             .then(MoneyDeposited{usd(1), usd(largest), std::nullopt}));
  expect(given<Account>(created(usd(largest)))
             .when(withdraw("92233720368547758.07", amount("0.01")))
             .then_rejected("amount_invalid"));
  expect(given<Account>(created(usd(100)))
             .and_given("2", created(usd(largest)))
             .when(transfer("2", "1"))
             .then_rejected("amount_invalid"));
}

TEST(Account, NeverPaysOutMoreThanItHolds) {
  const auto outcome = given<Account>(created(usd(500))).when(withdraw("5", amount("0.01")));
  expect(outcome.then_rejected("insufficient_funds"));
  EXPECT_EQ(detail_of(outcome, "balance"), "\"5.00\"");
  EXPECT_EQ(detail_of(outcome, "required"), "\"5.01\"");
  expect(given<Account>(created(usd(500)))
             .and_given("2", created())
             .when(transfer("2", "4", amount("1.01")))
             .then_rejected("insufficient_funds"));
}

TEST(Account, TakesTheAccountsCurrencyOnly) {
  Deposit command = deposit("1");
  command.currency = "EUR";
  const auto outcome = given<Account>(created()).when(command);
  expect(outcome.then_rejected("currency_mismatch"));
  EXPECT_EQ(detail_of(outcome, "currency"), "\"USD\"");
  command.currency = "usd";
  expect(given<Account>(created()).when(command).then_rejected("currency_unknown"));
  command.currency = "USD";
  expect(given<Account>(created()).when(command).then(
      MoneyDeposited{usd(100), usd(100), std::nullopt}));
}

TEST(Account, MovesMoneyBetweenTwoAccountsInOneDecision) {
  Transfer command = transfer("2", "3.00", amount("0.50"));
  command.reference = "rent";
  expect(given<Account>(created(usd(1000)))
             .and_given("2", created(usd(1)))
             .when(command)
             .then(MoneyTransferred{"2", usd(300), usd(50), usd(650), "rent"},
                   stele::emit(MoneyReceived{"1", usd(300), usd(301), "rent"}).on(1)));
}

TEST(Account, RefusesTransfersThatCannotBe) {
  const auto rejected = [](const auto& scenario, const Transfer& command) {
    const stele::Outcome outcome = scenario.when(command);
    const stele::Rejection* rejection = outcome.decision().rejection();
    return rejection == nullptr ? std::string{"accepted"} : rejection->code;
  };
  const Money eur{0, currency("EUR")};
  EXPECT_EQ(rejected(given<Account>(), transfer("2", "1")), "account_unknown");
  EXPECT_EQ(rejected(given<Account>(created(usd(100))), transfer("1", "1")), "same_account");
  EXPECT_EQ(rejected(given<Account>(created(usd(100))), transfer("2", "1")), "payee_unknown");
  EXPECT_EQ(
      rejected(given<Account>(created(usd(100))).and_given("2", created(eur)), transfer("2", "1")),
      "currency_mismatch");
  EXPECT_EQ(rejected(given<Account>(created(usd(100))).and_given("2", created(), AccountClosed{}),
                     transfer("2", "1")),
            "account_closed");
  EXPECT_EQ(rejected(given<Account>(created(), AccountClosed{}).and_given("2", created()),
                     transfer("2", "1")),
            "account_closed");
}

TEST(Account, ClosesOnlyWhenEmptyAndThenForGood) {
  expect(given<Account>(created()).when(Close{"moved", {}}).then(AccountClosed{"moved"}));
  const auto outcome = given<Account>(created(usd(1))).when(Close{});
  expect(outcome.then_rejected("balance_not_zero"));
  EXPECT_EQ(detail_of(outcome, "balance"), "\"0.01\"");
  for (const auto& closed : {given<Account>(created(), AccountClosed{})}) {
    expect(closed.when(Close{}).then_rejected("account_closed"));
    expect(closed.when(deposit("1")).then_rejected("account_closed"));
    expect(closed.when(withdraw("1")).then_rejected("account_closed"));
  }
}

TEST(Account, IsUnknownUntilItIsOpened) {
  expect(given<Account>().when(deposit("1")).then_rejected("account_unknown"));
  expect(given<Account>().when(withdraw("1")).then_rejected("account_unknown"));
  expect(given<Account>().when(Close{}).then_rejected("account_unknown"));
  const auto outcome = given<Account>().when(Close{});
  EXPECT_EQ(outcome.decision().rejection()->kind, stele::Kind::not_found);
}

TEST(Account, HasAnIdOfSixtyFourHarmlessCharacters) {
  for (const std::string& id : {std::string{"1"}, std::string{"A-z0.9_~"}, std::string(64, 'a')}) {
    EXPECT_TRUE(is_account_id(id)) << id;
  }
  for (const std::string& id : {std::string{}, std::string(65, 'a'), std::string{"a b"},
                                std::string{"a/b"}, std::string{"\u00e9"}, std::string{"a%20"}}) {
    EXPECT_FALSE(is_account_id(id)) << id;
  }
}

TEST(Account, RefusesCommandsOfABadForm) {
  EXPECT_FALSE(check_form(open()));
  EXPECT_EQ(check_form(open(""))->pointer, "/ownerName");
  EXPECT_EQ(check_form(open(std::string(257, 'a')))->pointer, "/ownerName");
  EXPECT_EQ(check_form(open("a\nb"))->pointer, "/ownerName");
  Open command = open();
  command.id = "a/b";
  EXPECT_EQ(check_form(command)->pointer, "/id");
  EXPECT_EQ(check_form(transfer("a b", "1"))->pointer, "/to");
  EXPECT_EQ(check_form(Close{std::string(1025, 'a'), {}})->pointer, "/reason");
  Deposit noted = deposit("1");
  noted.reference = "";
  EXPECT_FALSE(check_form(noted));
  noted.reference = std::string(1025, 'a');
  EXPECT_EQ(check_form(noted)->pointer, "/reference");
}

// The JSON of the events is what the log holds for good.
TEST(Account, StoresItsEventsUnderNamesThatNeverChange) {
  const auto text = [](const auto& event) { return stele::to_json(event).value(); };
  EXPECT_EQ(text(AccountCreated{"u", "Ada", AccountType::business, currency("JPY"),
                                Money{5, currency("JPY")}}),
            R"({"user_id":"u","owner_name":"Ada","account_type":"BUSINESS","currency":"JPY",)"
            R"("initial_deposit":"5"})");
  EXPECT_EQ(text(MoneyDeposited{usd(1), usd(2), "r"}),
            R"({"amount":"0.01","balance_after":"0.02","currency":"USD","reference":"r"})");
  EXPECT_EQ(text(MoneyWithdrawn{usd(1), usd(2), usd(3), std::nullopt}),
            R"({"amount":"0.01","fee":"0.02","balance_after":"0.03","currency":"USD",)"
            R"("reference":null})");
  EXPECT_EQ(text(MoneyTransferred{"2", usd(1), usd(2), usd(3), "r"}),
            R"({"to_account_id":"2","amount":"0.01","transfer_fee":"0.02","balance_after":"0.03",)"
            R"("currency":"USD","reference":"r"})");
  EXPECT_EQ(text(MoneyReceived{"1", usd(1), usd(2), "r"}),
            R"({"from_account_id":"1","amount":"0.01","balance_after":"0.02","currency":"USD",)"
            R"("reference":"r"})");
  EXPECT_EQ(text(AccountClosed{"r"}), R"({"reason":"r"})");
  static_assert(stele::type_name<MoneyTransferred>() == "MoneyTransferred");
}

// Goal: no sequence of commands makes or loses money, or a balance below zero.
// Method: random commands over three accounts; what came in, what went out and what fees took must
// account for every cent that is there.
class Ledger {
 public:
  template <typename C>
  void send(std::size_t at, const C& command) {
    const std::string key = std::to_string(at);
    const stele::Context context{.key = key};
    if constexpr (std::is_same_v<C, Transfer>) {
      const auto to = static_cast<std::size_t>(std::stoi(command.to));
      apply(Account::decide(states[at], states[to], command, context), {at, to});
    } else {
      apply(Account::decide(states[at], command, context), {at, at});
    }
  }

  [[nodiscard]] Money held() const {
    Money sum;
    for (const auto& state : states) sum += state.balance;
    return sum;
  }

  std::array<Account::State, 3> states;
  Money came_in, went_out;

 private:
  void apply(const stele::Decision& decision, std::array<std::size_t, 2> accounts) {
    for (const stele::Emitted& emitted : decision.events()) {
      Account::State& state = states[accounts[emitted.stream()]];
      const std::string_view type = emitted.made().type;
      const std::string_view data = emitted.made().data;
      const auto read = [&]<typename E>(const E*) {
        auto event = stele::from_json<E>(data).value();
        Account::evolve(state, event);
        return event;
      };
      if (type == "AccountCreated")
        came_in += read(static_cast<AccountCreated*>(nullptr)).initial_deposit;
      if (type == "MoneyDeposited") came_in += read(static_cast<MoneyDeposited*>(nullptr)).amount;
      if (type == "MoneyWithdrawn") {
        const auto event = read(static_cast<MoneyWithdrawn*>(nullptr));
        went_out += event.amount + event.fee;
      }
      if (type == "MoneyTransferred")
        went_out += read(static_cast<MoneyTransferred*>(nullptr)).transfer_fee;
      if (type == "MoneyReceived") (void)read(static_cast<MoneyReceived*>(nullptr));
      if (type == "AccountClosed") (void)read(static_cast<AccountClosed*>(nullptr));
    }
  }
};

TEST(Account, NeitherMakesNorLosesMoney) {
  EXPECT_TRUE(rc::check("every cent is accounted for", [] {
    Ledger ledger;
    for (std::size_t i = 0; i < 3; ++i) ledger.send(i, open());
    const auto steps = *rc::gen::inRange(0, 60);
    for (int i = 0; i < steps; ++i) {
      const auto at = *rc::gen::inRange<std::size_t>(0, 3);
      const std::string sum = std::to_string(*rc::gen::inRange(0, 50)) + "." +
                              std::to_string(*rc::gen::inRange(10, 100));
      std::optional<Amount> fee;
      if (*rc::gen::arbitrary<bool>()) fee = amount("0.25");
      switch (*rc::gen::inRange(0, 5)) {
        case 0:
        case 1:
          ledger.send(at, deposit(sum));
          break;
        case 2:
          ledger.send(at, withdraw(sum, fee));
          break;
        case 3:
          ledger.send(at, transfer(std::to_string(*rc::gen::inRange(0, 3)), sum, fee));
          break;
        default:
          ledger.send(at, Close{});
      }
      RC_ASSERT(ledger.held() == ledger.came_in - ledger.went_out);
      for (const auto& state : ledger.states) {
        RC_ASSERT(!state.balance.is_negative());
        RC_ASSERT(!state.closed || state.balance.is_zero());
      }
    }
  }));
}

}  // namespace
}  // namespace bank
