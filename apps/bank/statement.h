// The statement of an account over a period: what it held before, what moved, what it held after.
// By the time at which things happened, so that what was entered late stands where it belongs.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bank/read_models.h"
#include "stele/read_model.h"

namespace bank {

inline constexpr std::size_t statement_lines_max = 10'000;

// A movement, with the balance after it in the order of the statement.
struct StatementLine {
  stele::AppendId transaction_id;
  stele::EventId event_id;
  Timestamp timestamp{};
  stele::Version version{};
  MovementType type{};
  Money amount, fee, balance;
  std::string description;
  std::optional<std::string> reference, counterparty;
};
STELE_DESCRIBE(StatementLine, transaction_id, event_id, timestamp, version, type, amount, fee,
               balance, description, reference, counterparty);

// What moved in the period. `credits` is what came in, `debits` what went out with the fees:
// closing = opening + credits - debits.
struct StatementTotals {
  Money credits, debits;
  Money deposits, withdrawals, transfers_in, transfers_out, fees;  // Amounts without fees.
  std::uint64_t count = 0;
};
STELE_DESCRIBE(StatementTotals, credits, debits, deposits, withdrawals, transfers_in, transfers_out,
               fees, count);

struct Statement {
  std::string account_id;
  Currency currency;
  Timestamp from{}, to{};  // From inclusive, to exclusive.
  Money opening_balance, closing_balance;
  StatementTotals totals;
  std::vector<StatementLine> lines;
};
STELE_DESCRIBE(Statement, account_id, currency, from, to, opening_balance, closing_balance, totals,
               lines);

struct Period {
  std::optional<Timestamp> from, to;
};

// The statement of `account`, all from one state of the history. A period without a start begins
// with the account, one without an end holds what there is. Errors: those of the read model, and
// `too_large` for more than `statement_lines_max` lines.
[[nodiscard]] stele::Result<Statement> make_statement(stele::ReadView<TransactionHistory>& history,
                                                      const AccountRow& account,
                                                      const Period& period, Timestamp now);

}  // namespace bank
