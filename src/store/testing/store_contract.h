// The suite that every event store must pass: each sentence of stele/event_store.h and append.h,
// writers that race, and random commands against a naive model. A new store adds one line to a test
// program that links stele_store_testing:
//
//   STELE_STORE_CONTRACT(Memory, [] { return stele::testing::in_memory(); });

#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "stele/event_store.h"

namespace stele::testing {

/// A store and the means to close it and open it again.
class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  [[nodiscard]] virtual EventStore& store() = 0;
  /// Whether `reopen` keeps what was appended.
  [[nodiscard]] virtual bool durable() const = 0;
  /// Closes the store and opens it on the same data. Called only if durable.
  virtual void reopen() = 0;
};

using MakeStore = std::function<std::unique_ptr<StoreUnderTest>()>;

/// A new memory store.
[[nodiscard]] std::unique_ptr<StoreUnderTest> in_memory();

/// An event whose parts are texts.
[[nodiscard]] inline NewEvent event(std::string_view type, std::string_view data = "{}",
                                    std::span<const std::string_view> tags = {}) {
  return {.type = type, .data = data, .tags = tags};
}

class StoreContract : public ::testing::TestWithParam<MakeStore> {
 protected:
  [[nodiscard]] EventStore& store() { return under_test_->store(); }

  /// Appends to one stream; the outcome.
  Result<AppendOutcome> append(std::string_view stream, Expected expected,
                               std::initializer_list<NewEvent> events,
                               std::optional<AppendId> id = std::nullopt,
                               std::optional<Condition> condition = std::nullopt);
  /// The same; fails the test unless it is accepted.
  Appended must_append(std::string_view stream, std::initializer_list<NewEvent> events);
  /// All events after `after` that match, by `read_all` to the log's end.
  std::vector<EventView> all(const Filter& filter = {}, Position after = {});
  std::vector<EventView> stream_events(std::string_view stream);
  StreamState tip(std::string_view stream) { return store().stream_tip(stream).value(); }
  void reopen_if_durable() {
    kept_.clear();
    if (under_test_->durable()) under_test_->reopen();
  }

  std::unique_ptr<StoreUnderTest> under_test_ = GetParam()();
  std::vector<EventBlock> kept_;  // What the views that were handed out point into.
};

/// The same fixture; a suite of its own because its tests run longer.
class StoreRaces : public StoreContract {};
class StoreModel : public StoreContract {};

/// A static library's tests are linked only if something in their files is asked for.
[[nodiscard]] bool link_store_contract();
[[nodiscard]] bool link_store_races();
[[nodiscard]] bool link_store_model();

// Of an outcome.
[[nodiscard]] bool is_accepted(const Result<AppendOutcome>& outcome);  // And not replayed.
[[nodiscard]] bool is_replayed(const Result<AppendOutcome>& outcome);
[[nodiscard]] const Conflict* conflict_of(const Result<AppendOutcome>& outcome);
[[nodiscard]] std::optional<Errc> error_of(const Result<AppendOutcome>& outcome);

}  // namespace stele::testing

#define STELE_STORE_CONTRACT(Name, make)                                            \
  namespace stele::testing {                                                        \
  [[maybe_unused]] static const bool linked_##Name =                                \
      link_store_contract() && link_store_races() && link_store_model();            \
  INSTANTIATE_TEST_SUITE_P(Name, StoreContract, ::testing::Values(MakeStore{make}), \
                           [](const auto&) { return std::string{"Store"}; });       \
  INSTANTIATE_TEST_SUITE_P(Name, StoreRaces, ::testing::Values(MakeStore{make}),    \
                           [](const auto&) { return std::string{"Store"}; });       \
  INSTANTIATE_TEST_SUITE_P(Name, StoreModel, ::testing::Values(MakeStore{make}),    \
                           [](const auto&) { return std::string{"Store"}; });       \
  }                                                                                 \
  static_assert(true, "Takes the semicolon.")
