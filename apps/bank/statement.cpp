#include "bank/statement.h"

#include <algorithm>
#include <utility>

namespace bank {
namespace {

using stele::Compare;

bool comes_in(MovementType type) {
  return type == MovementType::credit || type == MovementType::transfer_in;
}

// What `row` does to the balance.
Money effect(const MovementRow& row) {
  return comes_in(row.type) ? row.amount : -(row.amount + row.fee);
}

// What moved before `time`, added up.
stele::Result<Money> balance_before(stele::ReadView<TransactionHistory>& history,
                                    const AccountRow& account, Timestamp time) {
  const auto totals = history.total({.where = {{"account_id", Compare::equal, account.account_id},
                                               {"timestamp", Compare::less, time}},
                                     .sums = {"amount", "fee"},
                                     .group_by = {"type"}});
  if (!totals) return std::unexpected{totals.error()};
  Money balance{0, account.currency};
  for (const stele::Total& total : *totals) {
    const Money amount{total.sums[0], account.currency};
    const Money fees{total.sums[1], account.currency};
    const bool in = total.group[0] == stele::Value{stele::enum_text(MovementType::credit)} ||
                    total.group[0] == stele::Value{stele::enum_text(MovementType::transfer_in)};
    balance = in ? balance + amount : balance - amount - fees;
  }
  return balance;
}

void add_to(StatementTotals& totals, const MovementRow& row) {
  (comes_in(row.type) ? totals.credits : totals.debits) += row.amount + row.fee;
  totals.fees += row.fee;
  ++totals.count;
  switch (row.type) {
    case MovementType::credit:
      totals.deposits += row.amount;
      return;
    case MovementType::debit:
      totals.withdrawals += row.amount;
      return;
    case MovementType::transfer_out:
      totals.transfers_out += row.amount;
      return;
    case MovementType::transfer_in:
      totals.transfers_in += row.amount;
      return;
  }
}

void add_line(Statement& statement, const MovementRow& row) {
  statement.closing_balance += effect(row);
  add_to(statement.totals, row);
  statement.lines.push_back({.transaction_id = row.transaction_id,
                             .event_id = row.event_id,
                             .timestamp = row.timestamp,
                             .version = row.version,
                             .type = row.type,
                             .amount = row.amount,
                             .fee = row.fee,
                             .balance = statement.closing_balance,
                             .description = row.description,
                             .reference = row.reference,
                             .counterparty = row.counterparty});
}

stele::Error too_many_lines() {
  return {.code = stele::Errc::too_large,
          .message = "The period holds more than " + std::to_string(statement_lines_max) +
                     " movements; ask for a shorter one with ?from and ?to."};
}

}  // namespace

stele::Result<Statement> make_statement(stele::ReadView<TransactionHistory>& history,
                                        const AccountRow& account, const Period& period,
                                        Timestamp now) {
  Statement statement;
  statement.account_id = account.account_id;
  statement.currency = account.currency;
  const Money zero{0, account.currency};
  statement.totals = {zero, zero, zero, zero, zero, zero, zero, 0};
  statement.opening_balance = zero;
  stele::Select select{.where = {{"account_id", Compare::equal, account.account_id}},
                       .order_by = {"timestamp", "version"},
                       .limit = stele::select_limit_max};
  if (period.from) {
    const auto before = balance_before(history, account, *period.from);
    if (!before) return std::unexpected{before.error()};
    statement.opening_balance = *before;
    select.where.push_back({"timestamp", Compare::greater_equal, *period.from});
  }
  if (period.to) select.where.push_back({"timestamp", Compare::less, *period.to});
  statement.closing_balance = statement.opening_balance;

  do {
    auto page = history.select(select);
    if (!page) return std::unexpected{page.error()};
    if (statement.lines.size() + page->rows.size() > statement_lines_max) {
      return std::unexpected{too_many_lines()};
    }
    for (const auto& found : page->rows) add_line(statement, found.row);
    select.cursor = std::move(page->next);
  } while (!select.cursor.empty());

  const auto& lines = statement.lines;
  statement.from = period.from.value_or(
      lines.empty() ? account.created_at : std::min(account.created_at, lines.front().timestamp));
  // Exclusive, so it lies past what is shown; a movement may be dated a little ahead.
  const std::chrono::microseconds step{1};
  statement.to =
      period.to.value_or(lines.empty() ? now : std::max(now, lines.back().timestamp + step));
  return statement;
}

}  // namespace bank
