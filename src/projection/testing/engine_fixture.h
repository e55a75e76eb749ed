// An engine over a store in memory and read models in a folder of the test's own.

#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "drivers/sqlite/sqlite.h"
#include "observe/logger.h"
#include "projection/engine.h"
#include "projection/sqlite/sqlite_generations.h"
#include "projection/sqlite/sqlite_sink.h"
#include "projection/testing/flaky_sink.h"
#include "projection/testing/sample.h"
#include "projection/testing/scratch_folder.h"

namespace stele::projection::testing {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Gives up soon, for tests of failures.
inline constexpr EngineOptions impatient{.attempts_max = 3,
                                         .park_attempts_max = 2,
                                         .backoff_first = milliseconds{1},
                                         .backoff_max = milliseconds{5},
                                         .log_wait_max = milliseconds{20}};

/// A clock that a test moves.
class ManualClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const noexcept override { return Timestamp{now_.load()}; }
  void advance(std::chrono::microseconds by) { now_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_{1'000'000'000};
};

class EngineTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::unique_ptr<Engine> engine(EngineOptions options = impatient) {
    return std::make_unique<Engine>(*store_, clock_, observe::null_logger(), options);
  }
  [[nodiscard]] std::shared_ptr<GenerationStore> place() const {
    return make_sqlite_generations(folder_.path());
  }
  [[nodiscard]] std::shared_ptr<GenerationStore> flaky(Faults& faults) const {
    return std::make_shared<FlakyGenerations>(place(), faults);
  }
  void pay(std::string_view stream, std::int64_t amount) {
    append(*store_, stream, Paid{.amount = amount});
  }

  template <typename P>
  [[nodiscard]] std::map<std::string, typename P::Row> rows(const ProjectionSpec& spec) const {
    std::map<std::string, typename P::Row> all;
    const auto database = sqlite::Database::open(sqlite_file(folder_.path(), spec)).value();
    std::vector<std::string> keys;
    auto select = database->prepare("SELECT row_key FROM " + spec.name).value();
    while (select.step().value()) keys.emplace_back(select.text(0));
    const auto reader = place()->make_sink();
    EXPECT_TRUE(reader->open(spec));
    EXPECT_TRUE(reader->begin());
    const std::vector<std::string_view> views{keys.begin(), keys.end()};
    EXPECT_TRUE(reader->load(views, [&](std::size_t i, const StoredRow& row) -> Result<void> {
      all[keys[i]] = read_row<typename P::Row>(row.cells).value();
      return {};
    }));
    reader->abandon();
    return all;
  }

  /// Waits until `condition` holds, at most ten seconds.
  template <typename Condition>
  static bool soon(Condition condition) {
    for (int i = 0; i < 10'000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(milliseconds{1});
    }
    return false;
  }

  const ScratchFolder folder_;
  ManualClock clock_;
  std::unique_ptr<EventStore> store_ = make_memory_store(clock_);
};

}  // namespace stele::projection::testing
