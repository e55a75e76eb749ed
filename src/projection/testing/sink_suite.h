// What every sink must do. A new sink adds one line to its tests:
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, SinkSuite, one_place(&make_place));

#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "projection/generations.h"
#include "stele/event_store.h"

namespace stele::projection::testing {

/// An empty place for rows, removed when destroyed.
class SinkPlace {
 public:
  virtual ~SinkPlace() = default;
  /// Each connects to the same place.
  [[nodiscard]] virtual std::shared_ptr<GenerationStore> connect() = 0;
  /// Puts the place back to how it was when `keep_copy` was called, as a restore from a backup
  /// does. Nothing is connected then.
  virtual void keep_copy() = 0;
  virtual void restore_copy() = 0;

  [[nodiscard]] std::unique_ptr<Sink> make() { return connect()->make_sink(); }
};
using MakePlace = std::unique_ptr<SinkPlace> (*)();

/// Names a place for INSTANTIATE_TEST_SUITE_P. It stands in the suite's own file, so that a program
/// that instantiates the suite is also linked with its tests.
[[nodiscard]] ::testing::internal::ParamGenerator<MakePlace> one_place(MakePlace place);

class SinkSuite : public ::testing::TestWithParam<MakePlace> {
 protected:
  SinkSuite();
  ~SinkSuite() override;

  struct TestRow {
    std::uint64_t position = 0;
    std::string text;
  };

  /// A sink that was opened, and the checkpoint that it told.
  struct Opened {
    std::unique_ptr<Sink> sink;
    std::optional<Checkpoint> held;
  };
  [[nodiscard]] Opened open();
  /// One batch that writes `text` at `key`, as of `position`.
  [[nodiscard]] Result<void> write(Sink& sink, std::string_view key, std::string_view text,
                                   std::uint64_t position, bool erase = false);
  [[nodiscard]] static std::optional<TestRow> find(Sink& sink, std::string_view key);
  [[nodiscard]] static Parked record(std::string_view key, std::uint64_t position);
  /// One batch that only keeps a record and moves the checkpoint to `position`.
  [[nodiscard]] Result<void> park(Sink& sink, const Parked& parked, std::uint64_t position) const;
  [[nodiscard]] Checkpoint at(std::uint64_t position) const;

  std::unique_ptr<SinkPlace> place_;
  ProjectionSpec spec_;
};

}  // namespace stele::projection::testing
