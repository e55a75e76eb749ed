// An account as HTTP shows it: from its row in the read model, or folded from the log up to a
// version or a time.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "bank/read_models.h"
#include "stele/error.h"
#include "stele/event_store.h"
#include "stele/registry.h"

namespace bank {

struct AccountView {
  std::string id, account_id;
  std::optional<std::string> user_id;
  std::string owner_name;
  AccountType account_type{};
  Currency currency;
  Money balance, current_balance, available_balance;
  Timestamp created_at{}, updated_at{};
  std::optional<Timestamp> last_transaction_at;
  std::uint64_t transaction_count_30days = 0;
  Money total_deposits, total_withdrawals, total_transfers_out, total_transfers_in;
  bool is_active = false;
  Timestamp last_updated{};
  stele::Version version{};    // Of the account's stream.
  stele::Position position{};  // Of its last event that is shown.
};
STELE_DESCRIBE(AccountView, id, account_id, user_id, owner_name, account_type, currency, balance,
               current_balance, available_balance, created_at, updated_at, last_transaction_at,
               transaction_count_30days, total_deposits, total_withdrawals, total_transfers_out,
               total_transfers_in, is_active, last_updated, version, position);

[[nodiscard]] AccountView view_of(const AccountRow& row, stele::Version version,
                                  stele::Position position, std::uint64_t count_30days);

// Up to where the log is folded: a version, or what was recorded at or before a time. Both empty:
// to its end.
struct AsOf {
  std::optional<stele::Version> version = std::nullopt;
  std::optional<Timestamp> time = std::nullopt;
};

// The account as it was; none if it had not that many events, or none yet at that time. The 30 days
// are those before the time asked for, or before the recording of the last event that is shown.
// Events of older schema versions are brought to the newest by `upcasters`. `may_go_on` is asked
// before each page of the stream. Errors: `timed_out` if it said no, and those of reading.
[[nodiscard]] stele::Result<std::optional<AccountView>> account_as_of(
    const stele::EventStore& store, const stele::Upcasters& upcasters, std::string_view id,
    const AsOf& as_of, const std::function<bool()>& may_go_on);

}  // namespace bank
