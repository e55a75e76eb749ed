#include "bank/read_models.h"

#include <gtest/gtest.h>

#include "bank/account_view.h"
#include "stele/event_store.h"

namespace bank {
namespace {

Currency currency(std::string_view code) { return Currency::find(code).value(); }
Money usd(std::int64_t minor) { return {minor, currency("USD")}; }
Timestamp day(std::int64_t days) { return Timestamp{days * 86'400'000'000}; }

AccountCreated created(Money deposit) {
  return {.user_id = "u-1",
          .owner_name = "Ada",
          .account_type = AccountType::savings,
          .currency = deposit.currency(),
          .initial_deposit = deposit};
}

stele::At at(std::int64_t days, std::uint64_t version = 1, std::string_view type = "") {
  stele::At where;
  where.stream = "account-42";
  where.version = stele::Version{version};
  where.type = type;
  where.occurred_at = day(days);
  where.recorded_at = day(1'000);
  return where;
}

TEST(AccountSummary, CountsTheInitialDepositAsADeposit) {
  AccountRow row;
  AccountSummary::apply(row, created(usd(500)), at(10));
  EXPECT_EQ(row.account_id, "42");
  EXPECT_EQ(row.user_id, "u-1");
  EXPECT_EQ(row.owner_name, "Ada");
  EXPECT_EQ(row.current_balance, usd(500));
  EXPECT_EQ(row.available_balance, usd(500));
  EXPECT_EQ(row.total_deposits, usd(500));
  EXPECT_EQ(row.created_at, day(10));
  EXPECT_EQ(row.last_transaction_at, day(10));
  EXPECT_TRUE(row.is_active);
}

TEST(AccountSummary, HasNoTransactionBeforeMoneyMoves) {
  AccountRow row;
  AccountSummary::apply(row, created(usd(0)), at(10));
  EXPECT_FALSE(row.last_transaction_at);
  EXPECT_EQ(row.total_deposits.text(), "0.00");
  EXPECT_EQ(row.total_transfers_in.text(), "0.00");
  EXPECT_EQ(row.last_updated, day(10));
}

TEST(AccountSummary, CountsFeesIntoWhatWentOut) {
  AccountRow row;
  AccountSummary::apply(row, created(usd(1000)), at(1));
  AccountSummary::apply(row, MoneyWithdrawn{usd(100), usd(10), usd(890), {}}, at(2));
  AccountSummary::apply(row, MoneyTransferred{"7", usd(200), usd(20), usd(670), {}}, at(3));
  AccountSummary::apply(row, MoneyReceived{"7", usd(5), usd(675), {}}, at(4));
  AccountSummary::apply(row, MoneyDeposited{usd(25), usd(700), {}}, at(5));
  EXPECT_EQ(row.total_withdrawals, usd(110));
  EXPECT_EQ(row.total_transfers_out, usd(220));
  EXPECT_EQ(row.total_transfers_in, usd(5));
  EXPECT_EQ(row.total_deposits, usd(1025));
  EXPECT_EQ(row.current_balance, usd(700));
  EXPECT_EQ(
      row.total_deposits + row.total_transfers_in - row.total_withdrawals - row.total_transfers_out,
      row.current_balance);
}

TEST(AccountSummary, KeepsAClosedAccountAsARow) {
  AccountRow row;
  AccountSummary::apply(row, created(usd(0)), at(1));
  AccountSummary::apply(row, AccountClosed{"moved"}, at(2));
  EXPECT_FALSE(row.is_active);
  EXPECT_EQ(row.account_id, "42");
  EXPECT_EQ(row.last_updated, day(2));
}

TEST(AccountSummary, DoesNotGoBackInTimeForWhatWasEnteredLate) {
  AccountRow row;
  AccountSummary::apply(row, created(usd(100)), at(10));
  AccountSummary::apply(row, MoneyDeposited{usd(1), usd(101), {}}, at(3));
  EXPECT_EQ(row.last_transaction_at, day(10));
  EXPECT_EQ(row.last_updated, day(10));
  EXPECT_EQ(row.current_balance, usd(101));
}

TEST(TransactionHistory, DescribesEachMovement) {
  const auto row = [](const auto& event, std::string_view type) {
    const auto rows = TransactionHistory::map(event, at(3, 9, type));
    EXPECT_EQ(rows.items().size(), 1U);
    return *rows.items().front().row;
  };
  const MovementRow deposit = row(MoneyDeposited{usd(5), usd(6), "gift"}, "MoneyDeposited");
  EXPECT_EQ(deposit.type, MovementType::credit);
  EXPECT_EQ(deposit.description, "Deposit - gift");
  EXPECT_EQ(deposit.reference, "gift");
  EXPECT_EQ(deposit.event_type, "MoneyDeposited");
  EXPECT_EQ(deposit.account_id, "42");
  EXPECT_EQ(deposit.timestamp, day(3));
  EXPECT_EQ(deposit.version, stele::Version{9});
  EXPECT_EQ(deposit.fee.text(), "0.00");
  EXPECT_FALSE(deposit.counterparty);

  const MovementRow withdrawal = row(MoneyWithdrawn{usd(5), usd(1), usd(6), {}}, "MoneyWithdrawn");
  EXPECT_EQ(withdrawal.type, MovementType::debit);
  EXPECT_EQ(withdrawal.description, "Withdrawal - N/A");
  EXPECT_EQ(withdrawal.amount, usd(5));
  EXPECT_EQ(withdrawal.fee, usd(1));

  const MovementRow out =
      row(MoneyTransferred{"7", usd(5), usd(1), usd(6), "rent"}, "MoneyTransferred");
  EXPECT_EQ(out.type, MovementType::transfer_out);
  EXPECT_EQ(out.description, "Transfer to 7");
  EXPECT_EQ(out.counterparty, "7");
  EXPECT_EQ(out.fee, usd(1));

  const MovementRow in = row(MoneyReceived{"7", usd(5), usd(6), {}}, "MoneyReceived");
  EXPECT_EQ(in.type, MovementType::transfer_in);
  EXPECT_EQ(in.description, "Transfer from 7");
  EXPECT_EQ(in.fee.text(), "0.00");
}

TEST(TransactionHistory, ShowsAnOpeningOnlyIfMoneyCameWithIt) {
  EXPECT_TRUE(TransactionHistory::map(created(usd(0)), at(1)).items().empty());
  const auto rows = TransactionHistory::map(created(usd(7)), at(1, 1, "AccountCreated"));
  ASSERT_EQ(rows.items().size(), 1U);
  const MovementRow& row = *rows.items().front().row;
  EXPECT_EQ(row.type, MovementType::credit);
  EXPECT_EQ(row.amount, usd(7));
  EXPECT_EQ(row.balance_after, usd(7));
  EXPECT_EQ(row.description, "Deposit - N/A");
}

// Time travel, on a store in memory. -------------------------------------------------------------

class FixedClock final : public stele::Clock {
 public:
  [[nodiscard]] Timestamp now() const noexcept override { return time; }
  Timestamp time = day(100);
};

class TimeTravel : public ::testing::Test {
 protected:
  template <typename E>
  void append(const E& event, std::int64_t recorded_day, std::string_view metadata = {}) {
    clock_.time = day(recorded_day);
    const std::string data = stele::to_json(event).value();
    const stele::NewEvent added{.type = stele::type_name<E>(), .data = data, .metadata = metadata};
    const stele::StreamAppend stream{.stream = "account-42", .events = {&added, 1}};
    ASSERT_TRUE(store_->append({.streams = {&stream, 1}}));
  }
  std::optional<AccountView> as_of(const AsOf& what) {
    return account_as_of(*store_, {}, "42", what, [] { return true; }).value();
  }

  FixedClock clock_;
  std::unique_ptr<stele::EventStore> store_ = stele::make_memory_store(clock_);
};

TEST_F(TimeTravel, ShowsAnAccountAtAVersion) {
  append(created(usd(100)), 100);
  append(MoneyDeposited{usd(50), usd(150), {}}, 101);
  append(MoneyDeposited{usd(1), usd(151), {}}, 140);

  EXPECT_EQ(as_of({.version = stele::Version{1}})->balance, usd(100));
  EXPECT_EQ(as_of({.version = stele::Version{2}})->balance, usd(150));
  EXPECT_EQ(as_of({.version = stele::Version{2}})->transaction_count_30days, 2U);
  EXPECT_EQ(as_of({.version = stele::Version{3}})->transaction_count_30days, 1U);
  EXPECT_EQ(as_of({.version = stele::Version{3}})->version, stele::Version{3});
  EXPECT_EQ(as_of({})->balance, usd(151));
  EXPECT_FALSE(as_of({.version = stele::Version{4}}));
  EXPECT_FALSE(as_of({.version = stele::Version{0}}));
}

TEST_F(TimeTravel, ShowsAnAccountAsItWasRecordedAtATime) {
  append(created(usd(100)), 100);
  append(MoneyDeposited{usd(50), usd(150), {}}, 110,
         R"({"occurred_at":"1970-01-02T00:00:00.000000Z"})");

  EXPECT_FALSE(as_of({.time = day(99)}));
  EXPECT_EQ(as_of({.time = day(100)})->balance, usd(100));
  EXPECT_EQ(as_of({.time = day(109)})->balance, usd(100));
  EXPECT_EQ(as_of({.time = day(110)})->balance, usd(150));
  // The second deposit happened long before: it is in the balance, not in the 30 days.
  EXPECT_EQ(as_of({.time = day(110)})->transaction_count_30days, 1U);
}

TEST_F(TimeTravel, StopsWhenItsTimeIsUp) {
  append(created(usd(100)), 100);
  const auto late = account_as_of(*store_, {}, "42", {}, [] { return false; });
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, stele::Errc::timed_out);
}

}  // namespace
}  // namespace bank
