// Goal: a log that today's bank wrote serves a later bank whose events have changed.
// Method: today's bank writes a data folder; a later one, with a second version of MoneyDeposited
// and an upcaster, is started on it: its rules, projections and repeated commands must meet the
// newest form only, and the log must show what was stored.

#include <string>

#include "bank/account.h"
#include "bank/testing/service_fixture.h"

namespace bank::later {

// Version 2 says over which channel the money came.
struct MoneyDeposited {
  static constexpr int schema_version = 2;
  Money amount, balance_after;
  std::optional<std::string> reference;
  std::string channel;
};
STELE_DESCRIBE(MoneyDeposited, amount, balance_after, reference, channel);

// What version 1 did not say is said to be unknown, not made up.
MoneyDeposited with_channel(const bank::MoneyDeposited& old) {
  return {.amount = old.amount,
          .balance_after = old.balance_after,
          .reference = old.reference,
          .channel = "UNKNOWN"};
}

struct Account {
  static constexpr auto category = "account";
  static constexpr int state_version = 2;  // The rules look at the channel now.
  using Events = stele::Events<AccountCreated, MoneyDeposited>;
  using Commands = stele::Commands<Deposit>;
  struct State {
    Money balance;
    std::uint64_t of_unknown_channel = 0;
  };
  static void evolve(State& state, const AccountCreated& e) { state.balance = e.initial_deposit; }
  static void evolve(State& state, const MoneyDeposited& e) {
    state.balance = e.balance_after;
    if (e.channel == "UNKNOWN") ++state.of_unknown_channel;
  }
  static stele::Decision decide(const State& state, const Deposit& command) {
    const auto amount = command.amount.in(state.balance.currency());
    if (!amount) return stele::reject("amount_invalid");
    return {MoneyDeposited{*amount, state.balance + *amount, command.reference,
                           "AFTER-" + std::to_string(state.of_unknown_channel)}};
  }
};

struct ChannelRow {
  std::string channels;  // Of each deposit, in order.
};
STELE_DESCRIBE(ChannelRow, channels);

struct Channels {
  static constexpr auto name = "channels";
  static constexpr int generation = 1;
  static constexpr auto category = "account";
  using Events = stele::Events<MoneyDeposited>;
  using Row = ChannelRow;
  static void apply(Row& row, const MoneyDeposited& e, const stele::At&) {
    row.channels += e.channel + ";";
  }
};

void register_later_bank(stele::Service& service) {
  service.upcast(&with_channel);
  service.decider<Account>().fold<Channels>();
  service.command<Deposit>("POST /accounts/{id}/deposit",
                           {.answer = [](stele::JsonWriter& writer, const stele::Accepted& done) {
                             writer.key("channel");
                             writer.string(done.find<MoneyDeposited>()->channel);
                           }});
  service.query<Channels>("GET /accounts/{id}/channels");
}

}  // namespace bank::later

namespace bank {
namespace {

class Evolution : public testing::BankService {
 protected:
  void write_as_today() {
    start("embedded");
    token_of(post("/accounts", R"({"id": "ada", "ownerName": "Ada", "initialDeposit": 1})"));
    token_of(post("/accounts/ada/deposit", R"({"amount": "5.00", "reference": "gift"})",
                  "Idempotency-Key: gift\r\n"));
  }
};

TEST_F(Evolution, TheRulesAndReadModelsOfALaterBankMeetTheNewestFormOnly) {
  write_as_today();
  start("embedded", later::register_later_bank);
  const Answer deposit = post("/accounts/ada/deposit", R"({"amount": "2.00"})");
  ASSERT_EQ(deposit.status, 200) << deposit.body;
  EXPECT_TRUE(deposit.body.contains(R"("channel":"AFTER-1")")) << deposit.body;
  const Answer row = get("/accounts/ada/channels?token=" + token_of(deposit));
  EXPECT_TRUE(row.body.contains(R"("channels":"UNKNOWN;AFTER-1;")")) << row.body;
}

TEST_F(Evolution, ACommandThatOlderCodeAcceptedIsAnsweredInTheNewestForm) {
  write_as_today();
  start("embedded", later::register_later_bank);
  const Answer again = post("/accounts/ada/deposit", R"({"amount": "5.0", "reference": "gift"})",
                            "Idempotency-Key: gift\r\n");
  EXPECT_EQ(again.status, 200) << again.body;
  EXPECT_EQ(again.headers.count("idempotent-replayed"), 1U);
  EXPECT_TRUE(again.body.contains(R"("version":2,"position":2,)")) << again.body;
  EXPECT_TRUE(again.body.contains(R"("channel":"UNKNOWN")")) << again.body;
}

TEST_F(Evolution, TheLogShowsWhatWasStored) {
  write_as_today();
  start("embedded", later::register_later_bank);
  token_of(post("/accounts/ada/deposit", R"({"amount": "2.00"})"));
  const Answer stream = get("/v1/streams/account-ada?after=1");
  const std::size_t second = stream.body.find(R"("position":3)");
  EXPECT_FALSE(stream.body.substr(0, second).contains("channel")) << stream.body;
  EXPECT_TRUE(stream.body.substr(0, second).contains(R"("schemaVersion":1)")) << stream.body;
  EXPECT_TRUE(stream.body.substr(second).contains(R"("schemaVersion":2)")) << stream.body;
  EXPECT_TRUE(stream.body.substr(second).contains(R"("channel":"AFTER-1")")) << stream.body;
}

TEST_F(Evolution, AnEventThatNoUpcasterReachesIsNotTakenForTheNewest) {
  write_as_today();
  start("embedded", [](stele::Service& service) {
    service.decider<later::Account>();
    service.command<Deposit>("POST /accounts/{id}/deposit");
  });
  const Answer refused = post("/accounts/ada/deposit", R"({"amount": "2.00"})");
  EXPECT_EQ(refused.status, 500) << refused.body;
  EXPECT_TRUE(refused.body.contains(R"("code":"corrupt")")) << refused.body;
}

TEST_F(Evolution, TwoStepsFromOneVersionAreAFault) {
  stele::Service service{{.settings = {{"store.kind", "memory"}}, .use_variables = false}};
  service.upcast(&later::with_channel).upcast(&later::with_channel);
  const auto started = service.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, stele::Errc::invalid);
  EXPECT_TRUE(started.error().message.contains("MoneyDeposited"));
}

}  // namespace
}  // namespace bank
