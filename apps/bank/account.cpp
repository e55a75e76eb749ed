#include "bank/account.h"

#include <algorithm>
#include <expected>
#include <utility>

#include "stele/ids.h"

namespace bank {
namespace {

using stele::Context;
using stele::Decision;
using stele::reject;
using stele::Rejection;
using State = Account::State;

std::string quoted(std::string_view text) { return "\"" + std::string{text} + "\""; }

std::string shown(Money money) { return money.text() + " " + std::string{money.currency().code()}; }

Rejection unknown_account(std::string_view id) {
  return reject("account_unknown", stele::Kind::not_found, {{"account", id}})
      .because("There is no account " + quoted(id) + ".");
}

Rejection closed_account(std::string_view id) {
  return reject("account_closed", {{"account", id}})
      .because("The account " + quoted(id) + " is closed and takes no further commands.");
}

// None if the account can be used.
std::optional<Rejection> check_usable(const State& state, std::string_view id) {
  if (!state.opened) return unknown_account(id);
  if (state.closed) return closed_account(id);
  return std::nullopt;
}

Rejection unknown_currency(std::string_view code) {
  return reject("currency_unknown", {{"currency", code}})
      .because(quoted(code) + " is no currency of ISO 4217; give a code such as \"USD\".");
}

// None if the command named no currency, or the account's.
std::optional<Rejection> check_currency(const std::optional<std::string>& given, Currency own) {
  if (!given || *given == own.code()) return std::nullopt;
  if (!Currency::find(*given)) return unknown_currency(*given);
  return reject("currency_mismatch", {{"currency", own.code()}})
      .because("The account is in " + std::string{own.code()} + ", not in " + *given + ".");
}

Rejection invalid_amount(std::string_view what, const Amount& amount, Currency currency,
                         std::string_view must) {
  return reject("amount_invalid", {{"amount", amount.text()}, {"currency", currency.code()}})
      .because("The " + std::string{what} + " " + amount.text() + " " +
               std::string{currency.code()} + " " + std::string{must} + ".");
}

std::expected<Money, Rejection> amount_of(std::string_view what, const Amount& amount,
                                          Currency currency) {
  const auto money = amount.in(currency);
  if (money) return *money;
  return std::unexpected{invalid_amount(what, amount, currency,
                                        "is too large, or has more than the currency's " +
                                            std::to_string(currency.exponent()) + " decimals")};
}

std::expected<Money, Rejection> positive_amount(const Amount& amount, Currency currency) {
  auto money = amount_of("amount", amount, currency);
  if (money && !money->is_positive()) {
    return std::unexpected{invalid_amount("amount", amount, currency, "must be above 0")};
  }
  return money;
}

// An amount that may be left out: 0 then.
std::expected<Money, Rejection> amount_or_zero(std::string_view what,
                                               const std::optional<Amount>& amount,
                                               Currency currency) {
  if (!amount) return Money{0, currency};
  auto money = amount_of(what, *amount, currency);
  if (money && money->is_negative()) {
    return std::unexpected{invalid_amount(what, *amount, currency, "must not be below 0")};
  }
  return money;
}

Rejection overflow(std::string_view what, const Amount& amount, Currency currency) {
  return invalid_amount("amount", amount, currency,
                        "would make " + std::string{what} + " larger than can be kept");
}

Rejection insufficient_funds(Money balance, Money needed) {
  return reject("insufficient_funds", {{"balance", balance}, {"required", needed}})
      .because("The account holds " + shown(balance) + ", which is less than the " + shown(needed) +
               " that this takes.");
}

// What leaves an account: the amount, the fee, and what then remains.
struct Outgoing {
  Money amount, fee, balance_after;
};

std::expected<Outgoing, Rejection> take(const State& state, const Amount& amount,
                                        const std::optional<Amount>& fee) {
  const auto taken = positive_amount(amount, state.currency);
  if (!taken) return std::unexpected{taken.error()};
  const auto charged = amount_or_zero("fee", fee, state.currency);
  if (!charged) return std::unexpected{charged.error()};
  const Money total = *taken + *charged;
  if (!total.ok()) return std::unexpected{overflow("the sum", amount, state.currency)};
  if (state.balance < total) return std::unexpected{insufficient_funds(state.balance, total)};
  return Outgoing{*taken, *charged, state.balance - total};
}

}  // namespace

void Account::evolve(State& state, const AccountCreated& e) {
  state.opened = true;
  state.currency = e.currency;
  state.balance = Money{0, e.currency} + e.initial_deposit;
}

Decision Account::decide(const State& state, const Open& command, const Context& context) {
  if (state.opened) {
    return reject("account_exists", stele::Kind::conflict, {{"account", context.key}})
        .because("There is an account " + quoted(context.key) + " already.");
  }
  const std::string code = command.currency.value_or("USD");
  const auto currency = Currency::find(code);
  if (!currency) return unknown_currency(code);
  auto deposit = amount_or_zero("initial deposit", command.initial_deposit, *currency);
  if (!deposit) return std::move(deposit.error());
  return {AccountCreated{.user_id = command.user_id,
                         .owner_name = command.owner_name,
                         .account_type = command.account_type.value_or(AccountType::checking),
                         .currency = *currency,
                         .initial_deposit = *deposit}};
}

Decision Account::decide(const State& state, const Deposit& command, const Context& context) {
  if (auto refused = check_usable(state, context.key)) return std::move(*refused);
  if (auto refused = check_currency(command.currency, state.currency)) return std::move(*refused);
  auto amount = positive_amount(command.amount, state.currency);
  if (!amount) return std::move(amount.error());
  const Money balance = state.balance + *amount;
  if (!balance.ok()) return overflow("the balance", command.amount, state.currency);
  return {MoneyDeposited{*amount, balance, command.reference}};
}

Decision Account::decide(const State& state, const Withdraw& command, const Context& context) {
  if (auto refused = check_usable(state, context.key)) return std::move(*refused);
  if (auto refused = check_currency(command.currency, state.currency)) return std::move(*refused);
  auto out = take(state, command.amount, command.fee);
  if (!out) return std::move(out.error());
  return {MoneyWithdrawn{out->amount, out->fee, out->balance_after, command.reference}};
}

Decision Account::decide(const State& payer, const State& payee, const Transfer& command,
                         const Context& context) {
  if (!payer.opened) return unknown_account(context.key);
  if (command.to == context.key) {
    return reject("same_account", {{"account", context.key}})
        .because("A transfer needs two accounts; " + quoted(command.to) + " is the payer itself.");
  }
  if (payer.closed) return closed_account(context.key);
  if (!payee.opened) {
    return reject("payee_unknown", {{"to", command.to}})
        .because("There is no account " + quoted(command.to) + " to pay to.");
  }
  if (payee.closed) return closed_account(command.to);
  if (auto refused = check_currency(command.currency, payer.currency)) return std::move(*refused);
  if (auto refused = check_currency(std::string{payer.currency.code()}, payee.currency)) {
    return std::move(*refused).because("The payer's account is in " +
                                       std::string{payer.currency.code()} + ", the payee's in " +
                                       std::string{payee.currency.code()} + ".");
  }
  auto out = take(payer, command.amount, command.fee);
  if (!out) return std::move(out.error());
  const Money received = payee.balance + out->amount;
  if (!received.ok()) return overflow("the payee's balance", command.amount, payee.currency);
  return {
      stele::emit(MoneyTransferred{command.to, out->amount, out->fee, out->balance_after,
                                   command.reference}),
      stele::emit(MoneyReceived{std::string{context.key}, out->amount, received, command.reference})
          .on(1)};
}

Decision Account::decide(const State& state, const Close& command, const Context& context) {
  if (auto refused = check_usable(state, context.key)) return std::move(*refused);
  if (!state.balance.is_zero()) {
    return reject("balance_not_zero", {{"balance", state.balance}})
        .because("The account still holds " + shown(state.balance) +
                 "; pay it out before closing the account.");
  }
  return {AccountClosed{command.reason}};
}

bool is_account_id(std::string_view id) noexcept {
  const auto allowed = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '~' || c == '-';
  };
  return !id.empty() && id.size() <= account_id_size_max && std::ranges::all_of(id, allowed);
}

namespace {

using Fault = std::optional<stele::MappingError>;

Fault fault(std::string_view member, std::string message) {
  return stele::MappingError{.pointer = "/" + std::string{member}, .message = std::move(message)};
}

Fault check_text(std::string_view member, std::string_view text, std::size_t size_max) {
  const auto good = stele::check_name(member, text, size_max);
  return good ? std::nullopt : fault(member, good.error().message);
}

// A text for people, which may be empty.
Fault check_note(std::string_view member, const std::optional<std::string>& text) {
  return text && !text->empty() ? check_text(member, *text, reference_size_max) : std::nullopt;
}

Fault check_id(std::string_view member, std::string_view id) {
  if (is_account_id(id)) return std::nullopt;
  return fault(member,
               "An account's id has 1 to 64 of the characters A-Z, a-z, 0-9, \".\", "
               "\"_\", \"~\" and \"-\".");
}

}  // namespace

Fault check_form(const Open& command) {
  if (auto bad = check_text("ownerName", command.owner_name, owner_name_size_max)) return bad;
  if (command.user_id) {
    if (auto bad = check_text("userId", *command.user_id, owner_name_size_max)) return bad;
  }
  return command.id ? check_id("id", *command.id) : std::nullopt;
}

Fault check_form(const Deposit& command) { return check_note("reference", command.reference); }

Fault check_form(const Withdraw& command) { return check_note("reference", command.reference); }

Fault check_form(const Transfer& command) {
  if (auto bad = check_id("to", command.to)) return bad;
  return check_note("reference", command.reference);
}

Fault check_form(const Close& command) { return check_note("reason", command.reason); }

}  // namespace bank
