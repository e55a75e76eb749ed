// Crashes of a log that works as in a program: threads append at once, the sync thread writes, the
// background makes segments and seals, a reader reads. The disk is copied in the middle of its
// calls; each copy is what a crash at that moment would have left.
//
// What was known before the copy must be in it. What was asked until after the copy may be in it.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "log/testing/log_script.h"

namespace stele::log::testing {
namespace {

constexpr std::size_t writers = 4;
constexpr std::size_t appends_each = 40;
constexpr std::size_t crashes_max = 24;      // Copies of the disk that one run keeps.
constexpr std::uint64_t calls_between = 61;  // Calls to the disk from one copy to the next.
constexpr std::size_t large_event = 9'000;   // Bytes; so that segments are filled and sealed.

struct CrashPoint {
  std::unique_ptr<SimulatedDisk> disk;
  Facts facts;
  std::uint64_t number = 0;
};

Options busy_options() {
  Options options = OpenedLog::small_options();
  options.background = true;
  options.idle_mark_after = std::chrono::milliseconds{1};
  return options;
}

std::string joined(const std::vector<std::string>& problems) {
  std::string text;
  for (const std::string& problem : problems) text += "\n  " + problem;
  return text;
}

bool changes_bytes(Call call) {
  return call == Call::write_at || call == Call::sync || call == Call::rename ||
         call == Call::sync_folder || call == Call::zero_fill || call == Call::remove;
}

// One thread that appends to a stream of its own and, now and then, to one that all share.
class Writer {
 public:
  Writer(Log& log, LogModel& model, std::uint64_t seed, std::size_t number)
      : log_{log}, model_{model}, random_{make_seeded_random(seed * 31 + number)} {
    own_ = "account-" + std::to_string(number);
  }

  void run() {
    for (std::size_t i = 0; i < appends_each && !model_failed_; ++i) append();
  }

 private:
  void append() {
    auto planned = std::make_shared<Planned>();
    for (std::uint8_t& byte : planned->id.bytes) byte = static_cast<std::uint8_t>(random_->next());
    for (std::uint8_t& byte : planned->digest) byte = static_cast<std::uint8_t>(random_->next());
    const std::uint64_t bits = random_->next();
    const std::size_t size = bits % 4 == 0 ? large_event : bits % 300;
    planned->streams.push_back({.name = own_,
                                .expected = Expected::exactly(state_.version, state_.tip),
                                .events = {{.data = std::string(size, 'x'), .tags = {"t"}}}});
    if (bits / 8 % 3 == 0) {
      planned->streams.push_back({.name = "shared-1", .events = {{.data = "s"}, {.data = "s"}}});
    }
    model_.asked(planned);
    const Request request{*planned};
    const auto outcome = log_.append(request.get());
    model_.answered(planned->id, outcome);
    if (!outcome) {
      model_failed_ = true;
    } else if (const auto* done = std::get_if<Appended>(&*outcome)) {
      state_ = done->streams[0];
    }
  }

  Log& log_;
  LogModel& model_;
  std::unique_ptr<RandomSource> random_;
  std::string own_;
  StreamState state_;
  bool model_failed_ = false;
};

// Copies the disk in the middle of every so many of its calls.
class Camera {
 public:
  Camera(SimulatedDisk& disk, const LogModel& model, std::uint64_t seed)
      : disk_{disk}, model_{model}, offset_{seed % calls_between} {
    disk_.on_call([this](const CallInfo& call) {
      if (!changes_bytes(call.call) || ++calls_ % calls_between != offset_) return;
      take();
    });
  }
  ~Camera() {
    disk_.on_call([](const CallInfo&) {});
  }
  Camera(const Camera&) = delete;
  Camera& operator=(const Camera&) = delete;

  std::vector<CrashPoint> end() {
    disk_.on_call([](const CallInfo&) {});
    const std::lock_guard lock{mutex_};
    return std::move(points_);
  }

 private:
  void take() {
    const std::lock_guard lock{mutex_};
    if (points_.size() == crashes_max) return;
    CrashPoint point{.disk = nullptr, .facts = model_.facts(), .number = points_.size()};
    point.disk = disk_.clone(offset_ * 1'000 + points_.size());
    const Facts later = model_.facts();
    point.facts.asked = later.asked;
    point.facts.refused = later.refused;
    points_.push_back(std::move(point));
  }

  SimulatedDisk& disk_;
  const LogModel& model_;
  std::uint64_t offset_;
  std::atomic<std::uint64_t> calls_{0};
  std::mutex mutex_;
  std::vector<CrashPoint> points_;  // Guarded by mutex_.
};

void crash_and_recover(CrashPoint& point, std::uint64_t seed) {
  switch (point.number % 3) {
    case 0:
      point.disk->cut_power();
      break;
    case 1:
      point.disk->kill();
      break;
    default: {  // A kill; then a power cut right after the log was opened and read.
      point.disk->kill();
      LogModel model{point.facts};
      auto opened = OpenedLog::open(*point.disk, seed + 3);
      ASSERT_TRUE(opened) << opened.error().message;
      model.look((*opened)->log());
      point.facts = model.facts();
      point.disk->cut_power();
    }
  }
  const auto problems = recover_and_compare(*point.disk, point.facts, seed * 3);
  EXPECT_TRUE(problems.empty()) << joined(problems);
}

// Runs the writers and a reader on an open log; what the camera saw meanwhile.
std::vector<CrashPoint> run_busy(SimulatedDisk& disk, LogModel& model, std::uint64_t seed) {
  auto opened = OpenedLog::open(disk, seed, busy_options());
  EXPECT_TRUE(opened) << opened.error().message;
  if (!opened) return {};
  Log& log = (*opened)->log();
  Camera camera{disk, model, seed};
  std::atomic<bool> writing{true};
  {
    std::jthread reader{[&] {
      while (writing) model.look(log);
    }};
    std::vector<std::jthread> threads;
    for (std::size_t n = 0; n < writers; ++n) {
      threads.emplace_back([&, n] { Writer{log, model, seed, n}.run(); });
    }
    threads.clear();
    writing = false;
  }
  EXPECT_GT(log.stats().sealed_segments, 0U) << "nothing was sealed meanwhile";
  return camera.end();
}

TEST(LogBusyCrash, NothingAcknowledgedOrSeenIsLostWhenItCrashesWhileThreadsAppendAndSeal) {
  std::uint64_t crashes = 0;
  const std::uint64_t runs = std::max<std::uint64_t>(1, 12 * crash_scale() / crash_thinning);
  for (std::uint64_t run = 0; run < runs && !HasFailure(); ++run) {
    const std::uint64_t seed = test_seed() + run;
    SCOPED_TRACE("STELE_SEED=" + std::to_string(seed));
    SimulatedDisk disk{seed};
    disk.set_write_back_percent(10);
    LogModel model;
    auto points = run_busy(disk, model, seed);
    EXPECT_TRUE(model.problems().empty()) << joined(model.problems());
    EXPECT_GT(model.facts().accepted.size(), writers * appends_each / 2);
    for (CrashPoint& point : points) {
      SCOPED_TRACE("crash " + std::to_string(point.number));
      crash_and_recover(point, seed);
      ++crashes;
    }
    disk.kill();
    Facts facts = model.facts();
    const auto problems = recover_and_compare(disk, facts, seed * 3);
    EXPECT_TRUE(problems.empty()) << joined(problems);
  }
  EXPECT_GT(crashes, runs);
}

TEST(LogBusyCrash, AFailedSyncUnderLoadLosesNothingThatWasAcknowledged) {
  const std::uint64_t runs = std::max<std::uint64_t>(2, 24 * crash_scale() / crash_thinning);
  for (std::uint64_t run = 0; run < runs && !HasFailure(); ++run) {
    const std::uint64_t seed = test_seed() + run;
    SCOPED_TRACE("STELE_SEED=" + std::to_string(seed));
    SimulatedDisk disk{seed};
    LogModel model;
    {
      auto opened = OpenedLog::open(disk, seed, busy_options());
      ASSERT_TRUE(opened);
      disk.fail({.call = Call::sync, .nth = 3 + run * 7 % 60, .for_ever = run % 2 == 0});
      std::vector<std::jthread> threads;
      for (std::size_t n = 0; n < writers; ++n) {
        threads.emplace_back([&, n] { Writer{(*opened)->log(), model, seed, n}.run(); });
      }
    }
    EXPECT_TRUE(model.problems().empty()) << joined(model.problems());
    disk.clear_faults();
    if (run % 3 == 0) disk.evict();
    if (run % 3 == 1) {
      disk.cut_power();
    } else {
      disk.kill();
    }
    Facts facts = model.facts();
    const auto problems = recover_and_compare(disk, facts, seed * 3);
    EXPECT_TRUE(problems.empty()) << joined(problems);
  }
}

}  // namespace
}  // namespace stele::log::testing
