// The bank over HTTP where the clock, the size or the stored bytes must be the test's own.

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "bank/read_models.h"
#include "bank/statement.h"
#include "bank/testing/service_fixture.h"
#include "projection/engine.h"

namespace bank {
namespace {

using std::chrono::days;
using std::chrono::microseconds;
using std::chrono::minutes;

class Bank : public testing::BankService {
 protected:
  std::string open_ada(std::string_view more = {}) {
    return token_of(
        post("/accounts", R"({"id": "ada", "ownerName": "Ada")" + std::string{more} + "}"));
  }
  std::string deposit(std::string_view amount, std::string_view more = {}) {
    return token_of(post("/accounts/ada/deposit",
                         R"({"amount": ")" + std::string{amount} + "\"" + std::string{more} + "}"));
  }
  // The movements of 30 days as `target` tells them; -1 if it does not.
  int count_at(std::string_view target) {
    const Answer answer = get(target);
    constexpr std::string_view member = R"("transactionCount30days":)";
    const std::size_t at = answer.body.find(member);
    if (at == std::string::npos) return -1;
    return std::stoi(answer.body.substr(at + member.size()));
  }
  // Puts `count` deposits of 0.01 into the log, as many events at once as it takes.
  void append_deposits(std::size_t count) {
    constexpr std::size_t batch = 4'000;  // Events.
    const Currency usd = Currency::find("USD").value();
    std::int64_t balance = 0;
    stele::Position last{};
    for (std::size_t done = 0; done < count; done += batch) {
      std::vector<std::string> data;
      for (std::size_t i = done; i < std::min(done + batch, count); ++i) {
        data.push_back(stele::to_json(MoneyDeposited{.amount = Money{1, usd},
                                                     .balance_after = Money{++balance, usd},
                                                     .reference = "line " + std::to_string(i)})
                           .value());
      }
      std::vector<stele::NewEvent> events;
      for (const std::string& each : data) {
        events.push_back({.type = "MoneyDeposited", .data = each});
      }
      const stele::StreamAppend stream{.stream = "account-ada", .events = events};
      const auto appended = service_->store().append({.streams = {&stream, 1}});
      ASSERT_TRUE(appended && std::holds_alternative<stele::Appended>(*appended));
      last = std::get<stele::Appended>(*appended).last;
    }
    EXPECT_TRUE(
        service_->engine().wait_until("transaction_history", last, std::chrono::seconds{60}));
  }
};

TEST_F(Bank, TheThirtyDaysSlideWithTheClockToTheMicrosecond) {
  start();
  open_ada();
  const std::string token = deposit("1.00");
  const std::string target = "/accounts/ada?token=" + token;
  ASSERT_EQ(count_at(target), 1);

  clock_.move(days{30} - microseconds{1});
  EXPECT_EQ(count_at(target), 1);
  EXPECT_EQ(count_at("/accounts?token=" + token), 1);
  clock_.move(microseconds{1});  // Exactly 30 days old: it has just left the window.
  EXPECT_EQ(count_at(target), 0);
  EXPECT_EQ(count_at("/accounts?token=" + token), 0);
}

TEST_F(Bank, AMovementEnteredLateIsInTheWindowItHappenedIn) {
  start();
  open_ada();
  deposit("1.00", R"(, "occurredAt": "2026-02-13T12:00:00.000001Z")");  // 30 days less 1 us ago.
  const std::string token = deposit("1.00", R"(, "occurredAt": "2026-02-13T12:00:00Z")");
  EXPECT_EQ(count_at("/accounts/ada?token=" + token), 1);
  clock_.move(-minutes{1});  // A clock that is set back brings it into the window again.
  EXPECT_EQ(count_at("/accounts/ada"), 2);
}

TEST_F(Bank, AListCountsTheMovementsOfEachAccount) {
  start();
  open_ada(R"(, "initialDeposit": "5.00")");
  token_of(post("/accounts", R"({"id": "bob", "ownerName": "Bob"})"));
  token_of(post("/accounts", R"({"id": "cy", "ownerName": "Cy", "initialDeposit": 1})"));
  const std::string token = deposit("1.00");
  const Answer list = get("/accounts?token=" + token);
  const auto count_of = [&list](std::string_view id) {
    const std::size_t item = list.body.find(R"({"id":")" + std::string{id} + "\"");
    const std::size_t at = list.body.find(R"("transactionCount30days":)", item);
    return item == std::string::npos ? '?' : list.body[at + 25];
  };
  EXPECT_EQ(count_of("ada"), '2') << list.body;
  EXPECT_EQ(count_of("bob"), '0') << list.body;
  EXPECT_EQ(count_of("cy"), '1') << list.body;
}

TEST_F(Bank, AStatementHoldsTenThousandLinesAndNoMore) {
  start();
  open_ada();
  append_deposits(statement_lines_max);
  const Answer json = get("/accounts/ada/statement");
  ASSERT_EQ(json.status, 200) << json.body;
  EXPECT_EQ(std::ranges::count(json.body, '{'), 2 + statement_lines_max);  // Itself, its totals.
  EXPECT_TRUE(json.body.contains(R"("closingBalance":"100.00")"));
  const Answer csv = get("/accounts/ada/statement", "Accept: text/csv\r\n");
  ASSERT_EQ(csv.status, 200);
  EXPECT_EQ(std::ranges::count(csv.body, '\n'), 1 + statement_lines_max);
  EXPECT_TRUE(csv.body.ends_with(",0.01,0.00,100.00,USD\r\n"));

  token_of(post("/accounts", R"({"id": "bob", "ownerName": "B", "initialDeposit": 1})"));
  const std::string token =
      token_of(post("/accounts/bob/transfer", R"({"to": "ada", "amount": "1.00"})"));
  for (const char* accept : {"application/json", "text/csv"}) {
    const Answer refused =
        get("/accounts/ada/statement?token=" + token, "Accept: " + std::string{accept} + "\r\n");
    EXPECT_EQ(refused.status, 400) << refused.body.substr(0, 300);
    EXPECT_TRUE(refused.body.contains("more than 10000 movements")) << refused.body.substr(0, 300);
  }
}

TEST_F(Bank, AStatementThatWouldStartInTheFutureIsRefused) {
  start();
  const std::string token = open_ada();
  const Answer refused = get("/accounts/ada/statement?from=2026-03-16&token=" + token);
  EXPECT_EQ(refused.status, 400) << refused.body;
  EXPECT_TRUE(refused.body.contains(R"("pointer":"?from")")) << refused.body;
  EXPECT_TRUE(refused.body.contains("lies ahead")) << refused.body;
  EXPECT_EQ(get("/accounts/ada/statement?from=2026-03-16&to=2026-03-17").status, 200);
  EXPECT_EQ(get("/accounts/ada/statement?from=2026-03-15T12:00:00Z").status, 200);
}

}  // namespace
}  // namespace bank
