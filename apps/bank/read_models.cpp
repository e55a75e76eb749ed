#include "bank/read_models.h"

#include <algorithm>
#include <utility>

namespace bank {
namespace {

using stele::At;

void touch(AccountRow& row, const At& at) {
  row.last_updated = std::max(row.last_updated, at.occurred_at);
}

// Money moved: the balance is new, and there was a transaction.
void move(AccountRow& row, Money balance, const At& at) {
  row.current_balance = balance;
  row.available_balance = balance;
  row.last_transaction_at =
      std::max(row.last_transaction_at.value_or(at.occurred_at), at.occurred_at);
  touch(row, at);
}

// A row with what all movements have.
MovementRow movement(const At& at, MovementType type, Money amount, Money balance_after) {
  MovementRow row;
  row.transaction_id = at.append_id;
  row.event_id = at.event_id;
  row.account_id = stele::id_of(at.stream);
  row.timestamp = at.occurred_at;
  row.event_type = at.type;
  row.version = at.version;
  row.type = type;
  row.amount = amount;
  row.fee = Money{0, amount.currency()};
  row.balance_after = balance_after;
  return row;
}

std::string described(std::string_view what, const std::optional<std::string>& reference) {
  return std::string{what} + " - " + reference.value_or("N/A");
}

}  // namespace

void AccountSummary::apply(Row& row, const AccountCreated& e, const At& at) {
  const Money zero{0, e.currency};
  row.account_id = stele::id_of(at.stream);
  row.user_id = e.user_id;
  row.owner_name = e.owner_name;
  row.account_type = e.account_type;
  row.currency = e.currency;
  row.current_balance = row.available_balance = zero;
  row.total_withdrawals = row.total_transfers_out = row.total_transfers_in = zero;
  row.total_deposits = zero + e.initial_deposit;
  row.created_at = at.occurred_at;
  row.is_active = true;
  if (e.initial_deposit.is_positive()) move(row, e.initial_deposit, at);
  touch(row, at);
}

void AccountSummary::apply(Row& row, const MoneyDeposited& e, const At& at) {
  row.total_deposits += e.amount;
  move(row, e.balance_after, at);
}

void AccountSummary::apply(Row& row, const MoneyWithdrawn& e, const At& at) {
  row.total_withdrawals += e.amount + e.fee;
  move(row, e.balance_after, at);
}

void AccountSummary::apply(Row& row, const MoneyTransferred& e, const At& at) {
  row.total_transfers_out += e.amount + e.transfer_fee;
  move(row, e.balance_after, at);
}

void AccountSummary::apply(Row& row, const MoneyReceived& e, const At& at) {
  row.total_transfers_in += e.amount;
  move(row, e.balance_after, at);
}

void AccountSummary::apply(Row& row, const AccountClosed&, const At& at) {
  row.is_active = false;
  touch(row, at);
}

stele::Rows<MovementRow> TransactionHistory::map(const AccountCreated& e, const At& at) {
  if (!e.initial_deposit.is_positive()) return {};
  MovementRow row = movement(at, MovementType::credit, e.initial_deposit, e.initial_deposit);
  row.description = described("Deposit", std::nullopt);
  return row;
}

stele::Rows<MovementRow> TransactionHistory::map(const MoneyDeposited& e, const At& at) {
  MovementRow row = movement(at, MovementType::credit, e.amount, e.balance_after);
  row.reference = e.reference;
  row.description = described("Deposit", e.reference);
  return row;
}

stele::Rows<MovementRow> TransactionHistory::map(const MoneyWithdrawn& e, const At& at) {
  MovementRow row = movement(at, MovementType::debit, e.amount, e.balance_after);
  row.fee = e.fee;
  row.reference = e.reference;
  row.description = described("Withdrawal", e.reference);
  return row;
}

stele::Rows<MovementRow> TransactionHistory::map(const MoneyTransferred& e, const At& at) {
  MovementRow row = movement(at, MovementType::transfer_out, e.amount, e.balance_after);
  row.fee = e.transfer_fee;
  row.reference = e.reference;
  row.description = "Transfer to " + e.to_account_id;
  row.counterparty = e.to_account_id;
  return row;
}

stele::Rows<MovementRow> TransactionHistory::map(const MoneyReceived& e, const At& at) {
  MovementRow row = movement(at, MovementType::transfer_in, e.amount, e.balance_after);
  row.reference = e.reference;
  row.description = "Transfer from " + e.from_account_id;
  row.counterparty = e.from_account_id;
  return row;
}

}  // namespace bank
