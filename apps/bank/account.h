// The bank's accounts: what can happen to one, what one can ask of it, and the rules. No I/O and no
// clock: everything here is a function of its arguments. The names of the events and of their
// members are what the log holds, and never change.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "stele/decider.h"
#include "stele/mapping.h"
#include "stele/money.h"
#include "stele/time.h"

namespace bank {

using stele::Amount;
using stele::Currency;
using stele::Money;
using stele::Timestamp;

inline constexpr std::size_t account_id_size_max = 64;    // Characters.
inline constexpr std::size_t owner_name_size_max = 256;   // Bytes; also a user's id.
inline constexpr std::size_t reference_size_max = 1'024;  // Bytes; also the reason of a closing.

enum class AccountType : std::uint8_t { checking, savings, business };
STELE_DESCRIBE_ENUM_AS(AccountType, (AccountType::checking, "CHECKING"),
                       (AccountType::savings, "SAVINGS"), (AccountType::business, "BUSINESS"));

// Events. -----------------------------------------------------------------------------------------

struct AccountCreated {
  std::optional<std::string> user_id;
  std::string owner_name;
  AccountType account_type{};
  Currency currency;
  Money initial_deposit;
};
STELE_DESCRIBE(AccountCreated, user_id, owner_name, account_type, currency, initial_deposit);

struct MoneyDeposited {
  Money amount, balance_after;
  std::optional<std::string> reference;
};
STELE_DESCRIBE(MoneyDeposited, amount, balance_after, reference);

struct MoneyWithdrawn {
  Money amount, fee, balance_after;
  std::optional<std::string> reference;
};
STELE_DESCRIBE(MoneyWithdrawn, amount, fee, balance_after, reference);

// On the payer. `MoneyReceived` goes to the payee in the same append.
struct MoneyTransferred {
  std::string to_account_id;
  Money amount, transfer_fee, balance_after;
  std::optional<std::string> reference;
};
STELE_DESCRIBE(MoneyTransferred, to_account_id, amount, transfer_fee, balance_after, reference);

struct MoneyReceived {
  std::string from_account_id;
  Money amount, balance_after;
  std::optional<std::string> reference;
};
STELE_DESCRIBE(MoneyReceived, from_account_id, amount, balance_after, reference);

struct AccountClosed {
  std::optional<std::string> reason;
};
STELE_DESCRIBE(AccountClosed, reason);

// Commands: the bodies of the HTTP calls. `occurred_at` becomes the events' metadata. -------------

struct Open {
  std::string owner_name;
  std::optional<std::string> currency;  // Default: USD.
  std::optional<AccountType> account_type;
  std::optional<Amount> initial_deposit;
  std::optional<std::string> user_id;
  std::optional<std::string> id;  // Made if missing.
  std::optional<Timestamp> occurred_at;
};
STELE_DESCRIBE(Open, owner_name, currency, account_type, initial_deposit, user_id, id, occurred_at);

struct Deposit {
  Amount amount;
  std::optional<std::string> currency;  // Of the account, if missing; here and below.
  std::optional<std::string> reference;
  std::optional<Timestamp> occurred_at;
};
STELE_DESCRIBE(Deposit, amount, currency, reference, occurred_at);

struct Withdraw {
  Amount amount;
  std::optional<Amount> fee;
  std::optional<std::string> currency;
  std::optional<std::string> reference;
  std::optional<Timestamp> occurred_at;
};
STELE_DESCRIBE(Withdraw, amount, fee, currency, reference, occurred_at);

struct Transfer {
  std::string to;
  Amount amount;
  std::optional<Amount> fee;
  std::optional<std::string> currency;
  std::optional<std::string> reference;
  std::optional<Timestamp> occurred_at;
};
STELE_DESCRIBE(Transfer, to, amount, fee, currency, reference, occurred_at);

struct Close {
  std::optional<std::string> reason;
  std::optional<Timestamp> occurred_at;
};
STELE_DESCRIBE(Close, reason, occurred_at);

// The rules. --------------------------------------------------------------------------------------

struct Account {
  static constexpr auto category = "account";
  static constexpr int state_version = 1;
  using Events = stele::Events<AccountCreated, MoneyDeposited, MoneyWithdrawn, MoneyTransferred,
                               MoneyReceived, AccountClosed>;
  using Commands = stele::Commands<Open, Deposit, Withdraw, Transfer, Close>;
  struct State {
    bool opened = false;
    bool closed = false;
    Currency currency;
    Money balance;
  };

  static void evolve(State& state, const AccountCreated& e);
  static void evolve(State& state, const MoneyDeposited& e) { state.balance = e.balance_after; }
  static void evolve(State& state, const MoneyWithdrawn& e) { state.balance = e.balance_after; }
  static void evolve(State& state, const MoneyTransferred& e) { state.balance = e.balance_after; }
  static void evolve(State& state, const MoneyReceived& e) { state.balance = e.balance_after; }
  static void evolve(State& state, const AccountClosed&) { state.closed = true; }

  // Rejections: `account_exists`, `currency_unknown`, `amount_invalid`.
  static stele::Decision decide(const State& state, const Open& command,
                                const stele::Context& context);
  // Rejections of those below: `account_unknown`, `account_closed`, `currency_unknown`,
  // `currency_mismatch`, `amount_invalid`; and
  static stele::Decision decide(const State& state, const Deposit& command,
                                const stele::Context& context);
  // `insufficient_funds` with the balance,
  static stele::Decision decide(const State& state, const Withdraw& command,
                                const stele::Context& context);
  // `insufficient_funds`, `same_account`, `payee_unknown`,
  static stele::Keys keys(std::string_view id, const Transfer& command) {
    return {std::string{id}, command.to};
  }
  static stele::Decision decide(const State& payer, const State& payee, const Transfer& command,
                                const stele::Context& context);
  // `balance_not_zero` with the balance.
  static stele::Decision decide(const State& state, const Close& command,
                                const stele::Context& context);
};
STELE_DESCRIBE(Account::State, opened, closed, currency, balance);

// 1 to 64 characters of [A-Za-z0-9._~-].
[[nodiscard]] bool is_account_id(std::string_view id) noexcept;

// What is wrong with the form of a command before any rule looks at it: texts that are too long,
// empty, or ids that name no account. `malformed`, with the pointer as HTTP names it.
[[nodiscard]] std::optional<stele::MappingError> check_form(const Open& command);
[[nodiscard]] std::optional<stele::MappingError> check_form(const Deposit& command);
[[nodiscard]] std::optional<stele::MappingError> check_form(const Withdraw& command);
[[nodiscard]] std::optional<stele::MappingError> check_form(const Transfer& command);
[[nodiscard]] std::optional<stele::MappingError> check_form(const Close& command);

}  // namespace bank
