// Module: decide
// Tests of deciders that read as a scenario, with any test library:
//
//   const auto result = given<Account>(AccountCreated{...}, MoneyDeposited{...})
//                           .when(Withdraw{...})
//                           .then(MoneyWithdrawn{...});
//   EXPECT_TRUE(result) << result.explanation;
//
// Events go through their JSON on the way to the state, as they do in life. Nothing is stored.

#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stele/decider.h"

namespace stele {

struct TestResult {
  bool passed = true;
  std::string explanation;  ///< What was expected and what came; empty if it passed.
  explicit operator bool() const noexcept { return passed; }
};

/// What came of a command. Compares by type, stream, tags and JSON.
class Outcome {
 public:
  explicit Outcome(Decision decision) : decision_{std::move(decision)} {}

  template <typename... E>
  [[nodiscard]] TestResult then(E&&... events) const {
    return then_events({Emitted{std::forward<E>(events)}...});
  }
  [[nodiscard]] TestResult then_nothing() const { return then_events({}); }
  [[nodiscard]] TestResult then_rejected(std::string_view code) const;
  [[nodiscard]] const Decision& decision() const noexcept { return decision_; }

 private:
  [[nodiscard]] TestResult then_events(const std::vector<Emitted>& expected) const;

  Decision decision_;
};

namespace detail {
/// The part of a scenario that does not depend on the types.
class ScenarioBase {
 public:
  ScenarioBase(const DeciderTable& table, std::vector<Emitted> events) : table_{table} {
    for (Emitted& event : events) happened_.push_back({key_, std::move(event)});
  }

 protected:
  [[nodiscard]] Decision judge(const CommandTable& command, const void* body) const;
  [[nodiscard]] std::shared_ptr<void> fold(std::string_view key, const Query& query) const;

  struct Happened {
    std::string key;
    Emitted event;
  };
  const DeciderTable& table_;
  std::string key_ = "1";
  Timestamp now_{1'000'000'000'000'000};
  std::vector<Happened> happened_;
};
}  // namespace detail

template <typename D>
class Scenario : private detail::ScenarioBase {
 public:
  explicit Scenario(std::vector<Emitted> events)
      : ScenarioBase{detail::decider_table<D>, std::move(events)} {}

  /// Events of another key: `and_given("2", AccountCreated{...})`. The first is "1".
  template <typename... E>
  [[nodiscard]] Scenario and_given(const std::string& key, E&&... events) && {
    (happened_.push_back({key, Emitted{std::forward<E>(events)}}), ...);
    return std::move(*this);
  }
  /// The processor's time; else 2001-09-09T01:46:40Z.
  [[nodiscard]] Scenario at(Timestamp now) && {
    now_ = now;
    return std::move(*this);
  }
  template <Described C>
  [[nodiscard]] Outcome when(const C& command) const {
    const auto* table = table_.command_of(&detail::identity<C>);
    static_assert(detail::states_of<D, C>() > 0, "The decider does not judge this command.");
    return Outcome{judge(*table, &command)};
  }
};

template <typename D, typename... E>
[[nodiscard]] Scenario<D> given(E&&... events) {
  return Scenario<D>{{Emitted{std::forward<E>(events)}...}};
}

}  // namespace stele
