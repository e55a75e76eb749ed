// A statement as CSV (RFC 4180): for spreadsheets, and so written that opening it there runs
// nothing that a customer wrote.

#pragma once

#include <string>

#include "bank/statement.h"

namespace bank {

// A header row and one row per line, in UTF-8, each ended by CR LF:
//
//   timestamp,transactionId,eventId,version,type,description,reference,counterparty,amount,fee,
//   balance,currency
//
// Amounts are as in JSON: exact decimals with a point. A text of people is always quoted; one that
// a spreadsheet would take for a formula (after any blanks it begins with =, +, -, @, a tab, a line
// end, or the wide forms of these signs) gets an apostrophe before it.
[[nodiscard]] std::string to_csv(const Statement& statement);

}  // namespace bank
