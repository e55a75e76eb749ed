// The bank's read models: one row per account, one per movement of money, and one per day and
// currency. Plain functions from events to rows. Dates are those at which things happened
// (`occurred_at`, else the recording), so that a rebuild gives the same rows.

#pragma once

#include <optional>
#include <string>

#include "bank/account.h"
#include "stele/projection.h"

namespace bank {

// The window of the 30-day count, which is taken when one asks and not kept in a row.
inline constexpr std::chrono::microseconds count_window = std::chrono::hours{30 * 24};

struct AccountRow {
  std::string account_id;
  std::optional<std::string> user_id;
  std::string owner_name;
  AccountType account_type{};
  Currency currency;
  Money current_balance;
  Money available_balance;  // Less holds, of which there are none yet.
  Timestamp created_at{};
  std::optional<Timestamp> last_transaction_at;  // The latest, whatever came in last.
  Money total_deposits;                          // With the initial deposit.
  Money total_withdrawals;                       // With fees.
  Money total_transfers_out;                     // With fees.
  Money total_transfers_in;
  bool is_active = false;
  Timestamp last_updated{};
};
STELE_DESCRIBE(AccountRow, account_id, user_id, owner_name, account_type, currency, current_balance,
               available_balance, created_at, last_transaction_at, total_deposits,
               total_withdrawals, total_transfers_out, total_transfers_in, is_active, last_updated);

struct AccountSummary {
  static constexpr auto name = "account_summaries";
  static constexpr int generation = 1;
  static constexpr auto category = "account";
  using Events = Account::Events;
  using Row = AccountRow;
  static constexpr stele::Index indexes[] = {{{"owner_name"}}, {{"is_active"}}};

  static void apply(Row& row, const AccountCreated& e, const stele::At& at);
  static void apply(Row& row, const MoneyDeposited& e, const stele::At& at);
  static void apply(Row& row, const MoneyWithdrawn& e, const stele::At& at);
  static void apply(Row& row, const MoneyTransferred& e, const stele::At& at);
  static void apply(Row& row, const MoneyReceived& e, const stele::At& at);
  static void apply(Row& row, const AccountClosed& e, const stele::At& at);
};

enum class MovementType : std::uint8_t { credit, debit, transfer_out, transfer_in };
STELE_DESCRIBE_ENUM_AS(MovementType, (MovementType::credit, "CREDIT"),
                       (MovementType::debit, "DEBIT"), (MovementType::transfer_out, "TRANSFER_OUT"),
                       (MovementType::transfer_in, "TRANSFER_IN"));

struct MovementRow {
  stele::AppendId transaction_id;  // Both legs of a transfer share it.
  stele::EventId event_id;
  std::string account_id;
  Timestamp timestamp{};
  std::string event_type;
  stele::Version version{};
  MovementType type{};
  Money amount;  // Without the fee.
  Money fee;     // 0 when money comes in.
  Money balance_after;
  std::string description;
  std::optional<std::string> reference;
  std::optional<std::string> counterparty;  // The other account of a transfer.
};
STELE_DESCRIBE(MovementRow, transaction_id, event_id, account_id, timestamp, event_type, version,
               type, amount, fee, balance_after, description, reference, counterparty);

struct TransactionHistory {
  static constexpr auto name = "transaction_history";
  static constexpr int generation = 2;
  static constexpr auto category = "account";
  using Events = stele::Events<AccountCreated, MoneyDeposited, MoneyWithdrawn, MoneyTransferred,
                               MoneyReceived>;
  using Row = MovementRow;
  static constexpr stele::Index indexes[] = {{{"account_id", "timestamp", "version"}},
                                             {{"account_id", "type", "timestamp", "version"}}};
  // The description names the counterparty, so its words are found too.
  static constexpr stele::FullText full_text = {.columns = {"description", "reference"},
                                                .within = "account_id"};

  static stele::Rows<Row> map(const AccountCreated& e, const stele::At& at);
  static stele::Rows<Row> map(const MoneyDeposited& e, const stele::At& at);
  static stele::Rows<Row> map(const MoneyWithdrawn& e, const stele::At& at);
  static stele::Rows<Row> map(const MoneyTransferred& e, const stele::At& at);
  static stele::Rows<Row> map(const MoneyReceived& e, const stele::At& at);
};

// What moved on one day, UTC, in one currency. A sum over all accounts may pass the 64 bits that
// one account's money has, so a volume is a decimal text, added without a limit.
struct DailyRow {
  std::string day;  // "2026-01-31"
  Currency currency;
  std::uint64_t credit_count = 0;
  std::string credit_volume;  // Amounts without fees, here and below.
  std::uint64_t debit_count = 0;
  std::string debit_volume;
  std::uint64_t transfer_out_count = 0;
  std::string transfer_out_volume;
  std::uint64_t transfer_in_count = 0;
  std::string transfer_in_volume;
  std::string fees;
  std::uint64_t accounts_opened = 0;
};
STELE_DESCRIBE(DailyRow, day, currency, credit_count, credit_volume, debit_count, debit_volume,
               transfer_out_count, transfer_out_volume, transfer_in_count, transfer_in_volume, fees,
               accounts_opened);

// A fold over a key of its own: events of many accounts meet in one row.
struct DailyTotals {
  static constexpr auto name = "daily_totals";
  static constexpr int generation = 1;
  static constexpr auto category = "account";
  using Events = stele::Events<AccountCreated, MoneyDeposited, MoneyWithdrawn, MoneyTransferred,
                               MoneyReceived>;
  using Row = DailyRow;
  static constexpr stele::Index indexes[] = {{{"day", "currency"}}, {{"currency", "day"}}};

  static std::string key(const AccountCreated& e, const stele::At& at);
  static std::string key(const MoneyDeposited& e, const stele::At& at);
  static std::string key(const MoneyWithdrawn& e, const stele::At& at);
  static std::string key(const MoneyTransferred& e, const stele::At& at);
  static std::string key(const MoneyReceived& e, const stele::At& at);
  static void apply(Row& row, const AccountCreated& e, const stele::At& at);
  static void apply(Row& row, const MoneyDeposited& e, const stele::At& at);
  static void apply(Row& row, const MoneyWithdrawn& e, const stele::At& at);
  static void apply(Row& row, const MoneyTransferred& e, const stele::At& at);
  static void apply(Row& row, const MoneyReceived& e, const stele::At& at);
};

// The day of a time, UTC, as rows name it: "2026-01-31".
[[nodiscard]] std::string day_of(Timestamp time);

}  // namespace bank
