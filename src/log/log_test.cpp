// The log over the simulated disk: what it stores, refuses, finds again; over many small segments,
// sealed and not, before and after it is opened again.

#include "log/log.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <map>
#include <thread>
#include <vector>

#include "log/testing/simulated_disk.h"

namespace stele::log {
namespace {

using testing::SimulatedDisk;

class StepClock final : public Clock {
 public:
  Timestamp now() const noexcept override { return Timestamp{time_.fetch_add(7)}; }
  void set(std::int64_t to) { time_ = to; }

 private:
  mutable std::atomic<std::int64_t> time_{1'700'000'000'000'000};
};

struct Want {
  std::string stream;
  Expected expected = {};
  std::size_t events = 1;
  std::string type = "Happened";
  std::vector<std::string> tags = {};
  std::string data = "{\"n\": 1}";
};

/// A log on a simulated disk, with a small language to use it.
class LogTest : public ::testing::Test {
 protected:
  static Options by_hand() {
    Options options;
    options.background = false;
    options.segment_size = 64 * 1'024;
    return options;
  }

  void open(const Options& options = by_hand()) {
    log_.reset();
    auto opened = Log::open(*disk_, "data", environment(), options);
    ASSERT_TRUE(opened) << opened.error().message;
    log_ = std::move(*opened);
  }
  Environment environment() {
    return {.clock = clock_, .random = *random_, .on_fatal = [this](const Error& error) {
              fatal_ = error;
            }};
  }

  template <typename Use>
  auto with_request(const std::vector<Want>& wants, std::optional<AppendId> id, Digest digest,
                    std::optional<Condition> condition, const Use& use) {
    std::vector<std::vector<std::string_view>> tags(wants.size());
    std::vector<std::vector<NewEvent>> events(wants.size());
    std::vector<StreamAppend> streams;
    for (std::size_t i = 0; i < wants.size(); ++i) {
      const Want& want = wants[i];
      tags[i].assign(want.tags.begin(), want.tags.end());
      events[i].assign(want.events,
                       NewEvent{.type = want.type, .data = want.data, .tags = tags[i]});
      streams.push_back({.stream = want.stream, .expected = want.expected, .events = events[i]});
    }
    AppendRequest request;
    request.streams = streams;
    request.id = id ? id : std::optional{make_uuid_v7(clock_.now(), *ids_)};
    request.digest = digest;
    request.condition = std::move(condition);
    return use(request);
  }

  Result<AppendOutcome> append(const std::vector<Want>& wants, std::optional<AppendId> id = {},
                               Digest digest = {}, std::optional<Condition> condition = {}) {
    return with_request(wants, id, digest, std::move(condition),
                        [&](const AppendRequest& request) { return log_->append(request); });
  }

  Appended accepted(const std::vector<Want>& wants, std::optional<AppendId> id = {},
                    Digest digest = {}) {
    auto outcome = append(wants, id, digest);
    EXPECT_TRUE(outcome) << outcome.error().message;
    if (!outcome || !std::holds_alternative<Appended>(*outcome)) {
      ADD_FAILURE() << "The append was not accepted.";
      return {};
    }
    return std::get<Appended>(*outcome);
  }
  Conflict refused(const std::vector<Want>& wants, std::optional<Condition> condition = {}) {
    auto outcome = append(wants, {}, {}, std::move(condition));
    EXPECT_TRUE(outcome) << outcome.error().message;
    if (!outcome || !std::holds_alternative<Conflict>(*outcome)) {
      ADD_FAILURE() << "The append was not refused.";
      return {};
    }
    return std::get<Conflict>(*outcome);
  }

  struct Seen {
    std::uint64_t position;
    std::string stream;
    std::uint64_t version;
    std::string type;
    std::string data;
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  static Seen seen(const EventView& e) {
    return {number(e.position), std::string{e.stream}, number(e.version), std::string{e.type},
            std::string{e.data}};
  }
  std::vector<Seen> all(const Filter& filter = {}, std::size_t limit = 100) {
    std::vector<Seen> out;
    for (Position at{};;) {
      auto page = log_->read_all(at, filter, limit);
      EXPECT_TRUE(page) << page.error().message;
      if (!page) return out;
      for (const EventView& event : page->events) out.push_back(seen(event));
      EXPECT_GE(page->looked_to, at);
      if (page->looked_to == page->log_end) return out;
      EXPECT_GT(page->looked_to, at);
      at = page->looked_to;
    }
  }
  std::vector<std::uint64_t> versions(const std::string& stream, std::uint64_t after,
                                      std::size_t limit, Direction direction = Direction::forward) {
    auto page = log_->read_stream(stream, Version{after}, limit, direction);
    EXPECT_TRUE(page) << page.error().message;
    std::vector<std::uint64_t> out;
    if (!page) return out;
    for (const EventView& event : page->events) {
      EXPECT_EQ(event.stream, stream);
      out.push_back(number(event.version));
    }
    return out;
  }
  /// Fills several segments: streams s-0 to s-9, events of two types, a tag for every seventh.
  void fill(int appends) {
    const std::string data(300, 'x');
    for (int i = 0; i < appends; ++i) {
      std::vector<std::string> tags;
      if (i % 7 == 0) tags.push_back("seventh");
      accepted({{.stream = "s-" + std::to_string(i % 10),
                 .events = 3,
                 .type = i % 2 == 0 ? "Even" : "Odd",
                 .tags = tags,
                 .data = data}});
    }
  }
  void seal_all() {
    for (int i = 0; i < 100 && log_->stats().unsealed_segments > 1; ++i) {
      const auto done = log_->tick();
      ASSERT_TRUE(done) << done.error().message;
    }
    EXPECT_EQ(log_->stats().unsealed_segments, 1U);
  }

  StepClock clock_;
  std::unique_ptr<RandomSource> random_ = make_seeded_random(1);
  std::unique_ptr<RandomSource> ids_ = make_seeded_random(2);
  std::unique_ptr<SimulatedDisk> disk_ = std::make_unique<SimulatedDisk>(testing::test_seed());
  std::optional<Error> fatal_;
  std::unique_ptr<Log> log_;
};

TEST_F(LogTest, GivesBackWhatWasAppendedAlsoWhenItIsOpenedAgain) {
  open();
  const LogId id = log_->log_id();
  const Appended first = accepted({{.stream = "a-1", .events = 2, .data = "one"}});
  accepted({{.stream = "a-2", .data = "two"}, {.stream = "a-1", .data = "three"}});
  EXPECT_EQ(first.first, Position{1});
  EXPECT_EQ(first.last, Position{2});
  const std::vector<Seen> want{{1, "a-1", 1, "Happened", "one"},
                               {2, "a-1", 2, "Happened", "one"},
                               {3, "a-2", 1, "Happened", "two"},
                               {4, "a-1", 3, "Happened", "three"}};
  EXPECT_EQ(all(), want);
  EXPECT_EQ(all({}, 1), want);
  open();
  EXPECT_EQ(all(), want);
  EXPECT_EQ(log_->log_id(), id);
  EXPECT_EQ(log_->epoch(), Epoch{1});
  EXPECT_EQ(number(log_->stream_tip("a-1")->version), 3U);
  EXPECT_EQ(accepted({{.stream = "a-1"}}).first, Position{5});
}

TEST_F(LogTest, JudgesEveryKindOfExpectation) {
  open();
  const Appended one = accepted({{.stream = "a-1", .expected = Expected::none(), .events = 2}});
  const StreamState state = one.streams.at(0);
  EXPECT_EQ(state.version, Version{2});
  EXPECT_EQ(refused({{.stream = "a-1", .expected = Expected::none()}}).streams.at(0).found, state);
  EXPECT_EQ(refused({{.stream = "a-9", .expected = Expected::some()}}).streams.at(0).found,
            StreamState{});
  EXPECT_EQ(
      refused({{.stream = "a-1", .expected = Expected::exactly(Version{1})}}).streams.at(0).found,
      state);
  const Tip wrong{number(state.tip) + 1};
  refused({{.stream = "a-1", .expected = Expected::exactly(Version{2}, wrong)}});
  accepted({{.stream = "a-1", .expected = Expected::exactly(Version{2}, state.tip)}});
  accepted({{.stream = "a-1", .expected = Expected::some()}});
}

TEST_F(LogTest, RefusesTheWholeAppendAndNamesEveryConflict) {
  open();
  accepted({{.stream = "a-1"}});
  const Conflict conflict = refused({{.stream = "a-1", .expected = Expected::none()},
                                     {.stream = "a-2"},
                                     {.stream = "a-3", .expected = Expected::some()}});
  ASSERT_EQ(conflict.streams.size(), 2U);
  EXPECT_EQ(conflict.streams[0].index, 0U);
  EXPECT_EQ(conflict.streams[1].index, 2U);
  EXPECT_EQ(all().size(), 1U);
  EXPECT_EQ(log_->stream_tip("a-2"), StreamState{});
}

TEST_F(LogTest, AnswersAPureCheckWithoutWriting) {
  open();
  const Appended one = accepted({{.stream = "a-1"}});
  const Appended check =
      accepted({{.stream = "a-1", .expected = Expected::exactly(Version{1}), .events = 0}});
  EXPECT_EQ(check.first, Position{0});
  EXPECT_EQ(check.last, Position{1});
  EXPECT_EQ(check.streams, one.streams);
  refused({{.stream = "a-1", .expected = Expected::none(), .events = 0}});
  // "Write x if y is still at v", in one append.
  const Appended both =
      accepted({{.stream = "b-1"}, {.stream = "a-1", .expected = Expected::some(), .events = 0}});
  EXPECT_EQ(both.streams.at(1), one.streams.at(0));
  EXPECT_EQ(log_->log_end(), Position{2});
}

TEST_F(LogTest, GivesTheFirstAnswerToAnIdItKnowsFromEverySegment) {
  const AppendId id = make_uuid_v7(Timestamp{1}, *ids_);
  open();
  accepted({{.stream = "check-1"}});
  const Appended first =
      accepted({{.stream = "a-1", .events = 2}, {.stream = "check-1", .events = 0}}, id, {1});
  const auto expect_replay = [&] {
    const Appended again =
        accepted({{.stream = "a-1", .expected = Expected::none(), .events = 2}}, id, {1});
    EXPECT_TRUE(again.replayed);
    EXPECT_EQ(again.first, first.first);
    EXPECT_EQ(again.last, first.last);
    EXPECT_EQ(again.streams, first.streams);
    EXPECT_EQ(again.recorded_at, first.recorded_at);
    EXPECT_EQ(append({{.stream = "a-1"}}, id, {2}).error().code, Errc::id_reused);
    const auto found = log_->find_append(id);
    ASSERT_TRUE(found && *found);
    EXPECT_EQ((*found)->streams, first.streams);
    EXPECT_TRUE((*found)->replayed);
  };
  expect_replay();
  fill(200);
  expect_replay();
  seal_all();
  EXPECT_GT(log_->stats().sealed_segments, 1U);
  expect_replay();
  open();
  expect_replay();
  EXPECT_FALSE(*log_->find_append(make_uuid_v7(Timestamp{1}, *ids_)));
}

TEST_F(LogTest, RefusesWhenAnEventMatchesTheConditionWhereverItLies) {
  open();
  fill(100);
  const Appended marked = accepted({{.stream = "a-1", .type = "Marked", .tags = {"k", "l"}}});
  const auto condition = [](std::vector<QueryItem> items, std::uint64_t after) {
    return Condition{.fail_if = std::move(items), .after = Position{after}};
  };
  const auto expect_all = [&] {
    EXPECT_EQ(
        refused({{.stream = "b-1"}}, condition({{.types = {"Marked"}}}, 0)).condition_position,
        marked.first);
    refused({{.stream = "b-1"}}, condition({{.types = {"No"}}, {.tags = {"l", "k"}}}, 0));
    refused({{.stream = "b-1"}},
            condition({{.types = {"X", "Marked"}, .tags = {"k"}}}, number(marked.first) - 1));
    for (const QueryItem& item :
         {QueryItem{.types = {"Marked"}, .tags = {"x"}}, QueryItem{.tags = {"k", "seventh"}},
          QueryItem{.types = {"No"}}}) {
      EXPECT_TRUE(std::holds_alternative<Appended>(
          *append({{.stream = "b-1"}}, {}, {}, condition({item}, 0))));
    }
    EXPECT_TRUE(std::holds_alternative<Appended>(
        *append({{.stream = "b-1"}}, {}, {}, condition({{.tags = {"k"}}}, number(marked.first)))));
  };
  expect_all();
  fill(200);
  expect_all();
  seal_all();
  expect_all();
  open();
  expect_all();
}

TEST_F(LogTest, ReadsFiltersAndStreamsOverSealedAndOpenSegments) {
  open();
  fill(300);
  const auto events = all();
  ASSERT_EQ(events.size(), 900U);
  const auto expect_reads = [&] {
    EXPECT_EQ(all(), events);
    EXPECT_EQ(all({}, 7), events);
    const auto matching = [&](auto matches) {
      std::vector<Seen> out;
      for (const Seen& event : events) {
        if (matches(event)) out.push_back(event);
      }
      return out;
    };
    EXPECT_EQ(all({.types = {"Odd"}}), matching([](const Seen& e) { return e.type == "Odd"; }));
    EXPECT_EQ(all({.types = {"Odd", "Even"}}, 11), events);
    EXPECT_EQ(all({.categories = {"s"}}), events);
    EXPECT_TRUE(all({.categories = {"t"}}).empty());
    EXPECT_EQ(all({.tags = {"seventh"}}, 5),
              matching([](const Seen& e) { return (e.position - 1) / 3 % 7 == 0; }));
    EXPECT_EQ(all({.categories = {"s"}, .types = {"Even"}, .tags = {"seventh"}}),
              matching([](const Seen& e) { return (e.position - 1) / 3 % 14 == 0; }));
    EXPECT_EQ(versions("s-3", 0, 1'000).size(), 90U);
    EXPECT_EQ(versions("s-3", 41, 3), (std::vector<std::uint64_t>{42, 43, 44}));
    EXPECT_EQ(versions("s-3", 90, 3), (std::vector<std::uint64_t>{}));
    EXPECT_EQ(versions("s-3", 0, 2, Direction::backward), (std::vector<std::uint64_t>{90, 89}));
    EXPECT_EQ(versions("s-3", 42, 3, Direction::backward),
              (std::vector<std::uint64_t>{41, 40, 39}));
    EXPECT_EQ(versions("s-3", 3, 9, Direction::backward), (std::vector<std::uint64_t>{2, 1}));
    EXPECT_EQ(versions("s-3", 0, 1'000, Direction::backward).size(), 90U);
    EXPECT_TRUE(versions("s-33", 0, 10).empty());
    EXPECT_EQ(number(log_->stream_tip("s-3")->version), 90U);
  };
  EXPECT_GT(log_->stats().unsealed_segments, 2U);
  expect_reads();
  seal_all();
  expect_reads();
  open();
  EXPECT_GT(log_->stats().sealed_segments, 2U);
  expect_reads();
}

TEST_F(LogTest, GoesOnWithAColdStreamAfterItsSegmentsWereSealed) {
  open();
  const Appended cold = accepted({{.stream = "cold-1", .events = 3}});
  fill(200);
  seal_all();
  EXPECT_EQ(refused({{.stream = "cold-1", .expected = Expected::none()}}).streams.at(0).found,
            cold.streams.at(0));
  const Appended next = accepted(
      {{.stream = "cold-1", .expected = Expected::exactly(Version{3}, cold.streams.at(0).tip)}});
  EXPECT_EQ(next.streams.at(0).version, Version{4});
  EXPECT_EQ(versions("cold-1", 0, 10), (std::vector<std::uint64_t>{1, 2, 3, 4}));
}

TEST_F(LogTest, TakesAFrameThatIsLargerThanASegment) {
  open();
  const std::string big(300'000, 'b');
  accepted({{.stream = "a-1", .data = big}});
  accepted({{.stream = "a-1"}});
  accepted({{.stream = "a-1", .events = 3, .data = big}});
  accepted({{.stream = "a-1"}});
  const auto events = all();
  open();
  EXPECT_EQ(all(), events);
  EXPECT_EQ(all().size(), 6U);
  seal_all();
  EXPECT_EQ(all(), events);
}

TEST_F(LogTest, NeverLetsTimeGoBack) {
  open();
  const Timestamp first = accepted({{.stream = "a-1"}}).recorded_at;
  clock_.set(5);
  EXPECT_GE(accepted({{.stream = "a-1"}}).recorded_at, first);
  open();
  EXPECT_GE(accepted({{.stream = "a-1"}}).recorded_at, first);
}

TEST_F(LogTest, AnswersAsynchronousAppendsInTheGroupThatTheyShare) {
  open();
  CompletionQueue queue;
  for (std::uint64_t token = 0; token < 5; ++token) {
    const Want want{.stream = "a-1", .expected = token == 3 ? Expected::none() : Expected::any()};
    ASSERT_TRUE(with_request({want}, {}, {}, {}, [&](const AppendRequest& request) {
      return log_->append_async(request, queue, token);
    }));
  }
  std::vector<Completion> done;
  EXPECT_EQ(queue.take(done, std::chrono::microseconds{0}), 0U);  // Conflicts wait as well.
  EXPECT_EQ(log_->log_end(), Position{0});
  EXPECT_TRUE(all().empty());
  EXPECT_EQ(log_->stream_tip("a-1"), StreamState{});
  const std::uint64_t syncs = log_->stats().syncs;
  ASSERT_TRUE(log_->tick());
  EXPECT_EQ(log_->stats().syncs, syncs + 1);
  ASSERT_EQ(queue.take(done, std::chrono::microseconds{0}), 5U);
  for (std::uint64_t token = 0; token < 5; ++token) {
    EXPECT_EQ(done[token].token, token);
    EXPECT_EQ(std::holds_alternative<Appended>(*done[token].outcome), token != 3);
  }
  EXPECT_EQ(all().size(), 4U);
}

TEST_F(LogTest, RefusesAsynchronousAppendsWhenTooMuchWaitsForTheDisk) {
  Options options = by_hand();
  options.staged_size_max = 4'000;
  open(options);
  CompletionQueue queue;
  const Want want{.stream = "a-1", .data = std::string(1'500, 'x')};
  const auto send = [&] {
    return with_request({want}, {}, {}, {}, [&](const AppendRequest& request) {
      return log_->append_async(request, queue, 1);
    });
  };
  EXPECT_TRUE(send());
  EXPECT_TRUE(send());
  EXPECT_EQ(send().error().code, Errc::overloaded);
  accepted({want});  // A blocking one makes room for itself.
  EXPECT_EQ(all().size(), 3U);
}

TEST_F(LogTest, RefusesAppendsAndReadsOnWhenOpenedForReading) {
  open();
  accepted({{.stream = "a-1"}});
  Options options = by_hand();
  options.read_only = true;
  open(options);
  EXPECT_EQ(append({{.stream = "a-1"}}).error().code, Errc::read_only);
  EXPECT_EQ(all().size(), 1U);
}

TEST_F(LogTest, IsHeldByOneAtATime) {
  open();
  EXPECT_EQ(Log::open(*disk_, "data", environment(), by_hand()).error().code, Errc::held);
}

TEST_F(LogTest, SaysWhenAFolderIsNotALog) {
  ASSERT_TRUE(disk_->make_folder("data/log"));
  ASSERT_TRUE(disk_->open("data/log/holiday.jpg", OpenMode::create));
  const auto opened = Log::open(*disk_, "data", environment(), by_hand());
  EXPECT_EQ(opened.error().code, Errc::invalid);
  EXPECT_TRUE(opened.error().message.contains("holiday.jpg"));
}

TEST_F(LogTest, TurnsReadOnlyOnAFullDiskAndComesBackByItself) {
  open();
  accepted({{.stream = "a-1"}});
  disk_->set_capacity(disk_->used_bytes() + 4'096);
  const std::string data(5'000, 'x');
  std::optional<Error> error;
  std::size_t stored = 1;
  for (int i = 0; i < 30 && !error; ++i) {
    auto outcome = append({{.stream = "a-1", .data = data}});
    if (outcome) {
      ++stored;
    } else {
      error = outcome.error();
    }
  }
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Errc::log_full);
  EXPECT_TRUE(error->message.contains("The disk is full"));
  EXPECT_TRUE(log_->stats().disk_full);
  EXPECT_EQ(append({{.stream = "a-2", .data = data}}).error().code, Errc::log_full);
  EXPECT_EQ(all().size(), stored);
  EXPECT_EQ(number(log_->stream_tip("a-1")->version), stored);

  open();  // It always opens.
  EXPECT_EQ(all().size(), stored);
  EXPECT_EQ(append({{.stream = "a-2", .data = data}}).error().code, Errc::log_full);
  disk_->set_capacity(std::nullopt);
  ASSERT_TRUE(log_->tick());
  EXPECT_FALSE(log_->stats().disk_full);
  EXPECT_EQ(accepted({{.stream = "a-1", .data = data}}).first, Position{stored + 1});
  EXPECT_FALSE(fatal_);
}

TEST_F(LogTest, AnswersOutcomeUnknownAndStopsAfterAFailedSync) {
  open();
  accepted({{.stream = "a-1"}});
  disk_->fail({.call = testing::Call::sync});
  EXPECT_EQ(append({{.stream = "a-1"}}).error().code, Errc::outcome_unknown);
  ASSERT_TRUE(fatal_);
  const auto next = append({{.stream = "a-1"}});
  EXPECT_EQ(next.error().code, Errc::unavailable);
  EXPECT_EQ(all().size(), 1U);
}

TEST_F(LogTest, KeepsItsPromisesWithManyThreads) {
  Options options;
  options.segment_size = 256 * 1'024;
  options.idle_mark_after = std::chrono::milliseconds{5};
  open(options);
  constexpr int writers = 6;
  constexpr int appends_each = 150;
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> seen_to{0};
  std::thread reader{[&] {
    Position at{};
    while (!stop.load() || at < log_->log_end()) {
      const Position end = log_->wait(at, std::chrono::milliseconds{20});
      auto page = log_->read_all(at, {}, 50);
      ASSERT_TRUE(page) << page.error().message;
      for (const EventView& event : page->events) {
        ASSERT_EQ(number(event.position), number(at) + 1);
        at = event.position;
      }
      seen_to = number(at);
      ASSERT_GE(page->log_end, end);
    }
  }};
  std::vector<std::thread> threads;
  for (int w = 0; w < writers; ++w) {
    threads.emplace_back([&, w] {
      auto ids = make_seeded_random(std::uint64_t{100} + static_cast<std::uint64_t>(w));
      const std::string own = "own-" + std::to_string(w);
      std::uint64_t won = 0;
      for (int i = 0; i < appends_each; ++i) {
        const std::string data(200, 'd');
        const std::array event{NewEvent{.type = "T", .data = data}};
        const std::array streams{
            StreamAppend{
                .stream = own, .expected = Expected::exactly(Version{won}), .events = event},
            StreamAppend{.stream = "shared-1", .events = event}};
        AppendRequest request{.streams = streams};
        request.id = make_uuid_v7(Timestamp{1}, *ids);
        request.digest = Digest{};
        const auto outcome = log_->append(request);
        ASSERT_TRUE(outcome) << outcome.error().message;
        const auto* appended = std::get_if<Appended>(&*outcome);
        ASSERT_NE(appended, nullptr);
        ++won;
        ASSERT_EQ(appended->streams[0].version, Version{won});
        ASSERT_GE(log_->log_end(), appended->last);
        ASSERT_GE(log_->stream_tip(own)->version, Version{won});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  stop = true;
  log_->wake();
  reader.join();
  EXPECT_EQ(seen_to, 2U * writers * appends_each);
  EXPECT_EQ(versions("shared-1", 0, 10'000).size(), std::size_t{writers} * appends_each);
  open(options);
  EXPECT_EQ(versions("shared-1", 0, 10'000).size(), std::size_t{writers} * appends_each);
  EXPECT_FALSE(fatal_);
}

}  // namespace
}  // namespace stele::log
