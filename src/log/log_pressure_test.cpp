// More appends than the disk or the sealing takes: who waits, who is told so, and what is left
// over.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "log/log.h"
#include "log/testing/simulated_disk.h"

namespace stele::log {
namespace {

using testing::Call;
using testing::SimulatedDisk;

constexpr std::size_t inflight = 32;
constexpr std::uint64_t segment_size = 64 * 1'024;

class LogPressure : public ::testing::Test {
 protected:
  static Options in_background() {
    Options options;
    options.segment_size = segment_size;
    options.unsealed_segments_max = 2;
    return options;
  }

  void open(const Options& options) {
    auto opened = Log::open(disk_, "data", {.clock = system_clock(), .random = *random_}, options);
    ASSERT_TRUE(opened) << opened.error().message;
    log_ = std::move(*opened);
  }

  /// One event of a KiB; `use` takes the request.
  template <typename Use>
  auto with_request(const Use& use) {
    const NewEvent event{.type = "Pressed", .data = data_};
    const StreamAppend stream{.stream = "stream-1", .events = {&event, 1}};
    AppendRequest request{.streams = {&stream, 1}};
    request.id = make_uuid_v7(system_clock().now(), *ids_);
    request.digest = Digest{};
    return use(request);
  }
  Result<AppendOutcome> append() {
    return with_request([this](const AppendRequest& request) { return log_->append(request); });
  }
  Result<void> append_async(CompletionQueue& queue) {
    return with_request(
        [&](const AppendRequest& request) { return log_->append_async(request, queue, 1); });
  }

  [[nodiscard]] bool has_file(std::string_view name) const {
    return std::ranges::any_of(disk_.files(),
                               [name](const std::string& path) { return path.ends_with(name); });
  }
  template <typename Condition>
  static bool soon(const Condition& condition) {
    constexpr int tries_max = 2'000;
    for (int i = 0; i < tries_max && !condition(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
    return condition();
  }

  SimulatedDisk disk_{testing::test_seed()};
  std::unique_ptr<RandomSource> random_ = make_seeded_random(1);
  std::unique_ptr<RandomSource> ids_ = make_seeded_random(2);
  const std::string data_ = std::string(1'024, 'p');
  std::unique_ptr<Log> log_;
};

TEST_F(LogPressure, AClientWithinItsInFlightLimitIsNeverToldThatTheLogIsOverloaded) {
  constexpr std::size_t appends = 600;  // Ten segments: sealing has to keep up with them.
  open(in_background());
  CompletionQueue queue;
  std::vector<Completion> completions;
  std::size_t asked = 0;
  std::size_t answered = 0;
  while (answered < appends) {
    for (; asked < appends && asked - answered < inflight; ++asked) {
      const auto taken = append_async(queue);
      ASSERT_TRUE(taken) << taken.error().message;
    }
    ASSERT_NE(queue.take(completions, std::chrono::seconds{60}), 0U);
    for (const Completion& completion : completions) {
      ASSERT_TRUE(completion.outcome) << completion.outcome.error().message;
    }
    answered += completions.size();
    EXPECT_LE(log_->stats().unsealed_segments, 3U);  // One more is staged, without a file.
  }
  EXPECT_EQ(log_->log_end(), Position{appends});
}

TEST_F(LogPressure, AppendsThatWaitInVainForSealingAreToldSoAndAreNotStored) {
  Options options = in_background();
  options.sealing_wait_max = std::chrono::milliseconds{50};
  open(options);
  ASSERT_TRUE(append());
  // Sealing finds the damage, and leaves the segment as it is.
  const std::string path = "data/log/00000000000000000001.seg";
  constexpr std::uint64_t in_the_first_frame = 4'096 + 64 + 200;
  ASSERT_TRUE(disk_.flip(path, in_the_first_frame, 1));
  std::uint64_t stored = 1;
  Result<AppendOutcome> outcome = append();
  for (int i = 0; i < 400 && outcome; ++i, outcome = append()) ++stored;
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Errc::overloaded);
  EXPECT_EQ(log_->log_end(), Position{stored});
  ASSERT_TRUE(disk_.flip(path, in_the_first_frame, 1));
  ASSERT_TRUE(soon([this] { return append().has_value(); }));
  EXPECT_GT(log_->log_end(), Position{stored});
}

TEST_F(LogPressure, TheFileOfASealedSegmentIsUsedAgainForTheNext) {
  Options options = in_background();
  options.background = false;
  open(options);
  std::size_t used_again = 0;
  disk_.on_call([&](const testing::CallInfo& info) {
    if (info.call == Call::rename && info.path.ends_with("/used.tmp")) ++used_again;
  });
  constexpr int appends_max = 100;  // Seven segments.
  for (int i = 0; i < appends_max && used_again < 2; ++i) {
    ASSERT_TRUE(append());
    ASSERT_TRUE(log_->tick());
  }
  EXPECT_EQ(used_again, 2U);
  disk_.on_call(nullptr);
  const std::uint64_t end = number(log_->log_end());
  for (int i = 0; i < appends_max; ++i) ASSERT_TRUE(append());
  log_.reset();
  open(options);
  EXPECT_GT(number(log_->log_end()), end);
  const auto page = log_->read_all(Position{0}, {}, 1'000);
  ASSERT_TRUE(page);
  EXPECT_EQ(page->events.size(), number(log_->log_end()));
}

TEST_F(LogPressure, AFileThatIsNotUsedAgainSoonIsRemoved) {
  open(in_background());
  while (log_->stats().sealed_segments < 2) ASSERT_TRUE(append());
  EXPECT_TRUE(soon([this] { return log_->stats().unsealed_segments == 1; }));
  EXPECT_TRUE(soon([this] { return !has_file("/used.tmp"); }));
  while (log_->stats().sealed_segments < 4) ASSERT_TRUE(append());
  log_.reset();
  EXPECT_FALSE(has_file("/used.tmp"));
}

}  // namespace
}  // namespace stele::log
