// A small bank that the tests of this module judge commands with.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "stele/decider.h"

namespace stele::testing_bank {

struct Deposit {
  std::int64_t amount = 0;
};
STELE_DESCRIBE(Deposit, amount);

struct Withdraw {
  std::int64_t amount = 0;
};
STELE_DESCRIBE(Withdraw, amount);

struct Transfer {
  std::string to;
  std::int64_t amount = 0;
};
STELE_DESCRIBE(Transfer, to, amount);

struct Touch {  // Accepted, brings nothing.
  bool wanted = true;
};
STELE_DESCRIBE(Touch, wanted);

struct Stamp {  // Its event keeps the context.
  std::string note;
};
STELE_DESCRIBE(Stamp, note);

struct Break {  // Its decision throws.
  std::string how;
};
STELE_DESCRIBE(Break, how);

struct Deposited {
  std::int64_t amount = 0, balance_after = 0;
};
STELE_DESCRIBE(Deposited, amount, balance_after);

struct Withdrawn {
  std::int64_t amount = 0, balance_after = 0;
};
STELE_DESCRIBE(Withdrawn, amount, balance_after);

struct Stamped {
  std::string note, key;
  Timestamp now{}, occurred_at{};
};
STELE_DESCRIBE(Stamped, note, key, now, occurred_at);

struct State {
  std::int64_t balance = 0;
  std::uint64_t events = 0;
};
STELE_DESCRIBE(State, balance, events);

struct Account {
  static constexpr auto category = "account";
  static constexpr int state_version = 1;
  using Events = stele::Events<Deposited, Withdrawn, Stamped>;
  using Commands = stele::Commands<Deposit, Withdraw, Transfer, Touch, Stamp, Break>;
  using State = testing_bank::State;

  static void evolve(State& state, const Deposited& event) {
    state.balance += event.amount;
    ++state.events;
  }
  static void evolve(State& state, const Withdrawn& event) {
    state.balance -= event.amount;
    ++state.events;
  }
  static void evolve(State& state, const Stamped& event) {
    if (event.note == "unbearable") throw event.note;
    ++state.events;
  }

  static Decision decide(const State& state, const Deposit& command) {
    if (command.amount <= 0) return reject("amount_invalid");
    return {{Deposited{command.amount, state.balance + command.amount}}};
  }
  static Decision decide(const State& state, const Withdraw& command) {
    if (state.balance < command.amount) {
      return reject("insufficient_funds", {{"balance", state.balance}});
    }
    return {{Withdrawn{command.amount, state.balance - command.amount}}};
  }
  static Keys keys(std::string_view id, const Transfer& command) {
    return {std::string{id}, command.to};
  }
  static Decision decide(const State& from, const State& to, const Transfer& command,
                         const Context& context) {
    if (context.key == command.to) return reject("same_account");
    if (from.balance < command.amount) {
      return reject("insufficient_funds", {{"balance", from.balance}});
    }
    return {emit(Deposited{command.amount, to.balance + command.amount}).on(1),
            Withdrawn{command.amount, from.balance - command.amount}};
  }
  static Decision decide(const State&, const Touch& command) {
    if (!command.wanted) return reject("unwanted", Kind::not_found);
    return {};
  }
  static Decision decide(const State&, const Stamp& command, const Context& context) {
    return {{emit(Stamped{command.note, std::string{context.key}, context.now, context.occurred_at})
                 .tag("note:" + command.note)}};
  }
  static Decision decide(const State&, const Break& command) { throw command.how; }
};

// Exact money: its sums may overflow.
struct Pay {
  Money amount;
};
STELE_DESCRIBE(Pay, amount);
struct Paid {
  Money amount, balance_after;
};
STELE_DESCRIBE(Paid, amount, balance_after);

struct Purse {
  static constexpr auto category = "purse";
  static constexpr int state_version = 1;
  using Events = stele::Events<Paid>;
  using Commands = stele::Commands<Pay>;
  struct State {
    Money balance;
  };
  static void evolve(State& state, const Paid& event) { state.balance = event.balance_after; }
  static Decision decide(const State& state, const Pay& command) {
    return {{Paid{command.amount, state.balance + command.amount}}};
  }
};

/// Seats of courses: a rule over a query, not over a stream.
struct Enroll {
  std::string course, student;
};
STELE_DESCRIBE(Enroll, course, student);

struct Enrolled {
  std::string course, student;
};
STELE_DESCRIBE(Enrolled, course, student);

struct Seats {
  static constexpr auto category = "student";
  static constexpr int state_version = 1;
  static constexpr std::size_t seats_max = 3;
  using Events = stele::Events<Enrolled>;
  using Commands = stele::Commands<Enroll>;
  struct State {
    std::vector<std::string> students;
  };
  static void evolve(State& state, const Enrolled& event) {
    state.students.push_back(event.student);
  }
  static Query scope(const Enroll& command) {
    return {QueryItem{.types = {"Enrolled"}, .tags = {"course:" + command.course}}};
  }
  static Decision decide(const State& state, const Enroll& command) {
    if (state.students.size() >= seats_max) return reject("course_full");
    return {{emit(Enrolled{command.course, command.student}).tag("course:" + command.course)}};
  }
};

}  // namespace stele::testing_bank
