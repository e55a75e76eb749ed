// A user's program: a whole service in 60 lines, blank ones left out. The tidy test holds the time
// that it takes to compile; service_test.cpp drives one like it.

#include "stele/service.h"

using stele::At;
using stele::Money;

struct MoneyDeposited {
  Money amount, balance_after;
};
STELE_DESCRIBE(MoneyDeposited, amount, balance_after);

struct MoneyWithdrawn {
  Money amount, balance_after;
};
STELE_DESCRIBE(MoneyWithdrawn, amount, balance_after);

struct Deposit {
  Money amount;
};
STELE_DESCRIBE(Deposit, amount);

struct Withdraw {
  Money amount;
};
STELE_DESCRIBE(Withdraw, amount);

struct Account {  // The rules; no I/O.
  static constexpr auto category = "account";
  static constexpr int state_version = 1;
  using Events = stele::Events<MoneyDeposited, MoneyWithdrawn>;
  using Commands = stele::Commands<Deposit, Withdraw>;
  struct State {
    Money balance;
  };
  static void evolve(State& state, const MoneyDeposited& e) { state.balance = e.balance_after; }
  static void evolve(State& state, const MoneyWithdrawn& e) { state.balance = e.balance_after; }
  static stele::Decision decide(const State& state, const Deposit& c) {
    return {{MoneyDeposited{c.amount, state.balance + c.amount}}};
  }
  static stele::Decision decide(const State& state, const Withdraw& c) {
    if (state.balance < c.amount) {
      return stele::reject("insufficient_funds", {{"balance", state.balance}});
    }
    return {{MoneyWithdrawn{c.amount, state.balance - c.amount}}};
  }
};

struct AccountRow {
  Money balance;
};
STELE_DESCRIBE(AccountRow, balance);

struct AccountSummary {  // A read model: one row per stream.
  static constexpr auto name = "account_summaries";
  static constexpr int generation = 1;
  static constexpr auto category = "account";
  using Events = Account::Events;
  using Row = AccountRow;
  static void apply(Row& row, const MoneyDeposited& e, const At&) { row.balance = e.balance_after; }
  static void apply(Row& row, const MoneyWithdrawn& e, const At&) { row.balance = e.balance_after; }
};

int main(int argc, char** argv) {
  stele::Service bank{argc, argv};
  bank.decider<Account>().fold<AccountSummary>();
  bank.command<Deposit>("POST /accounts/{id}/deposit");
  bank.command<Withdraw>("POST /accounts/{id}/withdraw");
  bank.query<AccountSummary>("GET /accounts/{id}");
  return bank.run();
}
