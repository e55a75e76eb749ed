// A scripted run of the log, and after every call that changes the disk: a power cut, or a kill,
// and what is found afterwards is held against everything that was known at that moment. And every
// sync of the run fails once. STELE_CRASH_SCALE=N looks at N times as many outcomes.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "log/testing/log_script.h"

namespace stele::log::testing {
namespace {

// Reads along, from a thread of its own: at once whenever it is poked, and the poker waits for it.
class Reader {
 public:
  explicit Reader(LogModel& model) : model_{model}, thread_{[this] { run(); }} {}
  ~Reader() {
    {
      const std::lock_guard lock{mutex_};
      stopped_ = true;
    }
    changed_.notify_all();
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  void set(Log* log) {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return !looking_; });
    log_ = log;
  }
  // Waits a bounded time: the log may rightly make readers wait while it syncs.
  void poke() {
    std::unique_lock lock{mutex_};
    if (log_ == nullptr) return;
    poked_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, std::chrono::milliseconds{20}, [this] { return !poked_; });
  }

 private:
  void run() {
    std::unique_lock lock{mutex_};
    while (true) {
      changed_.wait(lock, [this] { return poked_ || stopped_; });
      if (stopped_) return;
      if (log_ != nullptr) {
        looking_ = true;
        Log& log = *log_;
        lock.unlock();
        model_.look(log);
        lock.lock();
        looking_ = false;
      }
      poked_ = false;
      changed_.notify_all();
    }
  }

  LogModel& model_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_:
  Log* log_ = nullptr;
  bool poked_ = false;
  bool looking_ = false;
  bool stopped_ = false;
  std::jthread thread_;  // Last: it uses the others.
};

bool changes_the_disk(Call call) {
  switch (call) {
    case Call::open:
    case Call::make_folder:
    case Call::rename:
    case Call::remove:
    case Call::sync_folder:
    case Call::write_at:
    case Call::sync:
    case Call::zero_fill:
    case Call::truncate:
      return true;
    default:
      return false;
  }
}

std::string joined(const std::vector<std::string>& problems) {
  std::string text;
  for (const std::string& problem : problems) text += "\n  " + problem;
  return text;
}

enum class Crash : std::uint8_t { power_cut, kill, kill_then_power_cut, power_cut_twice };

// What is left after the crash is opened, compared, gone on with, and compared again.
void crash_and_recover(const SimulatedDisk& disk, Facts facts, Crash crash, std::uint64_t seed) {
  const auto after = disk.clone(seed);
  if (crash == Crash::power_cut || crash == Crash::power_cut_twice) {
    after->cut_power();
  } else {
    after->kill();
  }
  if (crash == Crash::kill_then_power_cut || crash == Crash::power_cut_twice) {
    // What the first recovery showed must be on the platter.
    LogModel model{facts};
    auto opened = OpenedLog::open(*after, seed + 17);
    ASSERT_TRUE(opened) << opened.error().message;
    model.look((*opened)->log());
    facts = model.facts();
    after->cut_power();
  }
  const auto problems = recover_and_compare(*after, facts, seed);
  EXPECT_TRUE(problems.empty()) << joined(problems);
}

// Runs the script on a fresh disk and calls `at_point` after each call that changes the disk, and
// before each sync, with what was known just before.
class CrashPoints {
 public:
  using AtPoint = std::function<void(const SimulatedDisk&, const Facts&, std::uint64_t point)>;

  static void visit(std::uint64_t seed, const AtPoint& at_point) {
    SimulatedDisk disk{seed};
    disk.set_write_back_percent(10);
    LogModel model;
    Reader reader{model};
    std::uint64_t point = 0;
    const auto visit_point = [&] {
      if (::testing::Test::HasFailure()) return;
      if (++point % crash_thinning != 0) return;
      const Facts facts = model.facts();
      at_point(disk, facts, point);
    };
    disk.before_sync([&] {
      reader.poke();
      visit_point();
    });
    disk.on_call([&](const CallInfo& call) {
      if (!changes_the_disk(call.call)) return;
      visit_point();
      EXPECT_FALSE(::testing::Test::HasFailure())
          << "at point " << point << ", after call " << call.number << ", " << to_string(call.call)
          << " of " << call.path << ", STELE_SEED=" << seed;
    });
    LogScript script{disk, model, seed};
    EXPECT_TRUE(script.run([&](Log* log) { reader.set(log); }));
    reader.set(nullptr);
    disk.on_call([](const CallInfo&) {});
    disk.before_sync([] {});
    EXPECT_TRUE(model.problems().empty()) << joined(model.problems());
    EXPECT_GT(point, 100U);
  }
};

TEST(LogCrash, AScriptedRunWithoutFaultsKeepsEveryPromise) {
  for (std::uint64_t n = 0; n < 3 * crash_scale(); ++n) {
    const std::uint64_t seed = test_seed() + n;
    SimulatedDisk disk{seed};
    LogModel model;
    LogScript script{disk, model, seed};
    ASSERT_TRUE(script.run());
    EXPECT_TRUE(model.problems().empty()) << joined(model.problems());
    Facts facts = model.facts();
    EXPECT_GT(facts.accepted.size(), 30U);
    EXPECT_GT(facts.refused.size(), 10U);
    const auto problems = recover_and_compare(disk, facts, seed);
    EXPECT_TRUE(problems.empty()) << joined(problems);
  }
}

TEST(LogCrash, NothingAcknowledgedOrSeenIsLostWhenThePowerIsCutAfterAnyCall) {
  for (std::uint64_t n = 0; n < crash_scale(); ++n) {
    CrashPoints::visit(test_seed() + n, [](const auto& disk, const Facts& facts, auto point) {
      crash_and_recover(disk, facts, Crash::power_cut, point * 31);
    });
  }
}

TEST(LogCrash, NothingAcknowledgedOrSeenIsLostWhenKilledAfterAnyCall) {
  for (std::uint64_t n = 0; n < crash_scale(); ++n) {
    CrashPoints::visit(test_seed() + n, [](const auto& disk, const Facts& facts, auto point) {
      crash_and_recover(disk, facts, Crash::kill, point);
    });
  }
}

// A page cache that survived a kill proves nothing: what a recovery shows, it must have written.
TEST(LogCrash, WhatARecoveryShowedSurvivesAPowerCutRightAfterIt) {
  for (std::uint64_t n = 0; n < crash_scale(); ++n) {
    CrashPoints::visit(test_seed() + n, [](const auto& disk, const Facts& facts, auto point) {
      const bool kill = crash_scale() > 1 || point % 2 == 0;
      if (kill) crash_and_recover(disk, facts, Crash::kill_then_power_cut, point);
      if (!kill || crash_scale() > 1) crash_and_recover(disk, facts, Crash::power_cut_twice, point);
    });
  }
}

// Crashes at every call of the recovery, too. Only at some points: each has many below it.
TEST(LogCrash, ARecoveryThatIsCutOffAnywhereLosesNothing) {
  CrashPoints::visit(test_seed(), [](const auto& disk, const Facts& facts, std::uint64_t point) {
    const std::uint64_t stride = std::max<std::uint64_t>(1, 20 / crash_scale());
    if (point / crash_thinning % stride != test_seed() % stride) return;
    for (const bool power : {false, true}) {
      const auto first = disk.clone(point);
      if (power) {
        first->cut_power();
      } else {
        first->kill();
      }
      std::uint64_t call = 0;
      first->on_call([&](const CallInfo& info) {
        if (!changes_the_disk(info.call) || ::testing::Test::HasFailure()) return;
        ++call;
        crash_and_recover(*first, facts, call % 2 == 0 ? Crash::power_cut : Crash::kill, call);
      });
      const auto opened = OpenedLog::open(*first, point);
      EXPECT_TRUE(opened) << opened.error().message;
      first->on_call([](const CallInfo&) {});
    }
  });
}

// A failed sync may have made pages clean that are not on the platter: the log answers "outcome
// unknown", writes no more, and the next opening must not trust the cache.
TEST(LogCrash, AFailedSyncLosesNothingThatWasAcknowledged) {
  std::uint64_t sync = 1;
  for (bool reached = true; reached && !HasFailure(); sync += crash_thinning) {
    for (std::uint64_t k = 0; k < crash_scale(); ++k) {
      SCOPED_TRACE("sync " + std::to_string(sync) + ", seed " + std::to_string(test_seed() + k));
      SimulatedDisk disk{test_seed() + k * 977 + sync};
      disk.fail({.call = Call::sync, .nth = sync});
      LogModel model;
      LogScript script{disk, model, test_seed() + k};
      const bool whole = script.run();
      reached = disk.calls(Call::sync) >= sync;
      EXPECT_TRUE(whole || reached);
      if (OpenedLog* opened = script.opened(); opened != nullptr && opened->fatal()) {
        const std::uint64_t writes = disk.calls(Call::write_at);
        EXPECT_FALSE(script.append_one());
        EXPECT_EQ(disk.calls(Call::write_at), writes) << "it wrote after a failed sync";
        model.look(opened->log());
      }
      script.close();
      EXPECT_TRUE(model.problems().empty()) << joined(model.problems());
      const Facts facts = model.facts();
      for (const Crash crash : {Crash::power_cut, Crash::kill_then_power_cut}) {
        crash_and_recover(disk, facts, crash, sync);
      }
      if ((sync + k) % 2 == 0) disk.evict();
      crash_and_recover(disk, facts, Crash::kill, sync);
    }
  }
  EXPECT_GT(sync, 40U);
}

}  // namespace
}  // namespace stele::log::testing
