#include "log/sealed_segment.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "log/testing/sealed_log.h"
#include "log/testing/simulated_disk.h"

namespace stele::log {
namespace {

using testing::OpenSegmentWriter;
using testing::SimulatedDisk;
using testing::ToldEvent;
using testing::WrittenEvent;

constexpr std::uint64_t salt = 0x5A17;
const std::string folder = "log";

KeyHash key(KeyKind kind, std::string_view name) { return key_hash(salt, kind, name); }

struct Random {
  std::uint64_t state;
  std::uint64_t operator()(std::uint64_t n) {
    state = state * 6'364'136'223'846'793'005ULL + 1'442'695'040'888'963'407ULL;
    return (state >> 33) % n;
  }
};

// A random history of `events`, told in frames of up to `frame_events`.
std::vector<WrittenEvent> tell(OpenSegmentWriter& writer, Random& random, std::size_t events,
                               std::size_t streams, std::size_t frame_events) {
  while (writer.written().size() < events) {
    std::vector<ToldEvent> frame(1 + random(frame_events));
    for (ToldEvent& event : frame) {
      event.stream = "c" + std::to_string(random(2)) + "-" + std::to_string(random(streams));
      event.type = "T" + std::to_string(random(4));
      event.data = std::string(random(300), 'x') + std::to_string(random(1'000'000));
      for (std::uint64_t n = random(3); n > 0; --n) {
        const std::string tag = "t" + std::to_string(random(5));
        if (std::ranges::find(event.tags, tag) == event.tags.end()) event.tags.push_back(tag);
      }
    }
    writer.append(frame);
    if (random(3) == 0) writer.close_group();
    if (random(20) == 0) writer.close_group();  // Now and then an idle mark.
  }
  return writer.written();
}

struct Sealed {
  std::vector<WrittenEvent> written;
  SealReport report = {};
  std::shared_ptr<const SealedSegment> segment = nullptr;
};

std::shared_ptr<BlockCache> small_cache() { return std::make_shared<BlockCache>(1 << 20); }

Sealed seal(SimulatedDisk& disk, std::uint64_t seed, std::size_t events, std::size_t streams,
            std::size_t frame_events, Position first = Position{1}) {
  OpenSegmentWriter writer{disk, folder, first, salt};
  Random random{seed};
  Sealed sealed{.written = tell(writer, random, events, streams, frame_events)};
  const auto report = seal_segment(disk, writer.finish(), nullptr);
  if (!report) throw std::runtime_error{report.error().message};
  sealed.report = *report;
  auto segment = SealedSegment::open(disk, folder, first, small_cache());
  if (!segment) throw std::runtime_error{segment.error().message};
  sealed.segment = std::move(*segment);
  return sealed;
}

// What differs between a segment and what was written to it; empty if nothing.
std::string difference(const SealedSegment& segment, const std::vector<WrittenEvent>& written) {
  Ordinal at = 0;
  while (at < segment.info().events) {
    const auto block = segment.block_with(at);
    if (!block) return block.error().message;
    if ((*block)->first != at) return "a block begins elsewhere";
    at = (*block)->end;
  }
  if (at != written.size()) return "another number of events";
  for (Ordinal ordinal = 0; ordinal < written.size(); ++ordinal) {
    const WrittenEvent& expected = written[ordinal];
    const auto frame = segment.frame_with(ordinal);
    if (!frame) return frame.error().message;
    if (frame->first != expected.frame_first) return "another frame";
    if (frame->frame.append_id() != expected.append_id) return "another append id";
    EventCursor events = frame->frame.events();
    EventView event;
    for (Ordinal n = frame->first; n <= ordinal; ++n) {
      if (!events.next(event)) return "a frame is short";
    }
    if (event.id != expected.id || event.stream != expected.told.stream ||
        event.version != expected.version || event.data != expected.told.data ||
        number(event.position) != number(segment.first()) + ordinal) {
      return "another event";
    }
  }
  return "";
}

TEST(SealedSegment, GivesBackEveryEventAsItWasWritten) {
  SimulatedDisk disk;
  const Sealed sealed = seal(disk, 1, 3'000, 100, 5, Position{5'001});

  EXPECT_EQ(difference(*sealed.segment, sealed.written), "");
  EXPECT_EQ(sealed.segment->first(), Position{5'001});
  EXPECT_EQ(number(sealed.segment->last()), 5'000 + sealed.written.size());
  EXPECT_FALSE(sealed.segment->index_was_rebuilt());
  const auto verified = sealed.segment->verify();
  EXPECT_TRUE(verified) << verified.error().message;
  EXPECT_LT(sealed.report.size_after, sealed.report.size_before) << "x's compress well";
}

TEST(SealedSegment, KeepsAFrameThatIsLargerThanABlock) {
  SimulatedDisk disk;
  OpenSegmentWriter writer{disk, folder, Position{1}, salt};
  writer.append({{.stream = "a-1", .data = "small"}});
  writer.append({{.stream = "a-1", .data = std::string(800'000, 'y')}});
  writer.append({{.stream = "a-2", .data = "small again"}});
  ASSERT_TRUE(seal_segment(disk, writer.finish(), nullptr));

  const auto segment = SealedSegment::open(disk, folder, Position{1}, small_cache());
  ASSERT_TRUE(segment);
  EXPECT_EQ(difference(**segment, writer.written()), "");
}

TEST(SealedSegment, FindsTheStateOfAStreamAndNothingForOthers) {
  SimulatedDisk disk;
  const Sealed sealed = seal(disk, 2, 5'000, 400, 3);
  std::map<std::string, const WrittenEvent*> last;
  for (const WrittenEvent& event : sealed.written) last[event.told.stream] = &event;

  for (const auto& [name, event] : last) {
    const auto found = sealed.segment->find_stream(name);
    ASSERT_TRUE(found && *found) << name;
    EXPECT_EQ((*found)->version, event->version);
    EXPECT_EQ((*found)->tip, tip_of(event->id));
    EXPECT_EQ((*found)->last, static_cast<Ordinal>(event - sealed.written.data()));
    EXPECT_EQ((*found)->count, number(event->version));
  }
  for (int i = 0; i < 1'000; ++i) {
    const auto found = sealed.segment->find_stream("absent-" + std::to_string(i));
    EXPECT_TRUE(found && !*found);
  }
}

TEST(SealedSegment, FindsEveryAppendByItsIdAndNoOther) {
  SimulatedDisk disk;
  const Sealed sealed = seal(disk, 3, 4'000, 50, 4);

  for (const WrittenEvent& event : sealed.written) {
    const auto found = sealed.segment->find_append(event.append_id);
    ASSERT_TRUE(found && *found);
    EXPECT_EQ((*found)->first, event.frame_first);
  }
  AppendId other = sealed.written.front().append_id;
  for (int i = 0; i < 1'000; ++i) {
    other.bytes[3] = static_cast<std::uint8_t>(i);
    other.bytes[2] = static_cast<std::uint8_t>(200 + i / 256);
    const auto found = sealed.segment->find_append(other);
    EXPECT_TRUE(found && !*found);
  }
}

// Goal: for any history and question, the sealed index answers as a walk over all events does.
RC_GTEST_PROP(SealedSegment, AnswersAsANaiveWalkDoes, ()) {
  Random random{*rc::gen::arbitrary<std::uint64_t>()};
  const auto streams = static_cast<std::size_t>(*rc::gen::element(1, 3, 50, 1'000));
  const auto events = static_cast<std::size_t>(*rc::gen::inRange(1, 6'000));
  const auto frame_events = static_cast<std::size_t>(*rc::gen::element(1, 10));
  SimulatedDisk disk;
  const Sealed sealed = seal(disk, random(1 << 30), events, streams, frame_events);
  const auto& all = sealed.written;
  const SealedSegment& segment = *sealed.segment;
  for (int ask = 0; ask < 30; ++ask) {
    const std::string a_stream = "c0-" + std::to_string(random(streams));
    std::set<std::string> types, tags;
    for (std::uint64_t n = random(3); n > 0; --n) types.insert("T" + std::to_string(random(5)));
    for (std::uint64_t n = random(3); n > 0; --n) tags.insert("t" + std::to_string(random(5)));
    const bool by_stream = random(3) == 0;
    const bool by_category = random(3) == 0;
    IndexQuery query;
    if (by_stream) query.streams = {key(KeyKind::stream, a_stream)};
    if (by_category) {
      query.categories = {key(KeyKind::category, "c1"), key(KeyKind::category, "c7")};
    }
    for (const auto& each : types) query.types.push_back(key(KeyKind::type, each));
    for (const auto& each : tags) query.tags.push_back(key(KeyKind::tag, each));
    const auto from = static_cast<Ordinal>(random(all.size() + 2));
    const std::size_t limit = 1 + random(400);

    std::vector<Ordinal> expected;
    for (std::size_t i = from; i < all.size() && expected.size() < limit; ++i) {
      const ToldEvent& told = all[i].told;
      const bool all_tags = std::ranges::all_of(tags, [&](const std::string& each) {
        return std::ranges::find(told.tags, each) != told.tags.end();
      });
      if (all_tags && (types.empty() || types.contains(told.type)) &&
          (!by_stream || told.stream == a_stream) &&
          (!by_category || told.stream.starts_with("c1-"))) {
        expected.push_back(static_cast<Ordinal>(i));
      }
    }
    const auto found = segment.collect(query, from, limit);
    RC_ASSERT(found.has_value());
    RC_ASSERT(found->ordinals == expected);

    const std::string word = random(2) == 0 ? a_stream : "T2";
    const KeyHash hash = key(word == "T2" ? KeyKind::type : KeyKind::stream, word);
    std::vector<Ordinal> backward;
    for (std::size_t i = std::min<std::size_t>(from, all.size());
         i-- > 0 && backward.size() < limit;) {
      if (all[i].told.stream == word || all[i].told.type == word) {
        backward.push_back(static_cast<Ordinal>(i));
      }
    }
    const auto found_backward = segment.collect_backward(hash, from, limit);
    RC_ASSERT(found_backward.has_value());
    RC_ASSERT(*found_backward == backward);
  }
}

TEST(SealedSegment, AnswersLongListsOfEveryForm) {
  SimulatedDisk disk;
  OpenSegmentWriter writer{disk, folder, Position{1}, salt};
  Random random{9};
  std::map<std::string, std::vector<Ordinal>> by_tag;
  constexpr Ordinal events = 60'000;
  for (Ordinal i = 0; i < events;) {
    std::vector<ToldEvent> frame(100);
    for (ToldEvent& event : frame) {
      event.stream = "one-stream";
      if (random(2) == 0) event.tags.push_back("half");
      if (random(20) == 0) event.tags.push_back("some");
      if (random(300) == 0) event.tags.push_back("few");
      for (const auto& tag : event.tags) by_tag[tag].push_back(i);
      ++i;
    }
    writer.append(frame);
  }
  ASSERT_TRUE(seal_segment(disk, writer.finish(), nullptr));
  const auto segment = SealedSegment::open(disk, folder, Position{1}, small_cache());
  ASSERT_TRUE(segment);
  const auto all =
      (*segment)->collect({.streams = {key(KeyKind::stream, "one-stream")}}, 0, events);
  ASSERT_TRUE(all);
  EXPECT_EQ(all->ordinals.size(), events);
  for (const auto& [tag, ordinals] : by_tag) {
    const KeyHash hash = key(KeyKind::tag, tag);
    EXPECT_EQ((*segment)->collect({.tags = {hash}}, 0, events)->ordinals, ordinals) << tag;
    for (Ordinal from = 0; from < events; from += 1'009) {
      const auto next = std::ranges::lower_bound(ordinals, from);
      const auto found = (*segment)->collect({.tags = {hash}}, from, 1);
      ASSERT_TRUE(found);
      if (next == ordinals.end()) {
        EXPECT_TRUE(found->ordinals.empty());
      } else {
        EXPECT_EQ(found->ordinals, std::vector<Ordinal>{*next}) << tag;
      }
    }
  }
}

TEST(SealedSegment, BuildsAMissingIndexAgain) {
  SimulatedDisk disk;
  const Sealed sealed = seal(disk, 4, 1'000, 20, 3);
  ASSERT_TRUE(disk.remove(folder + "/" + index_name(Position{1})));

  const auto segment = SealedSegment::open(disk, folder, Position{1}, small_cache());

  ASSERT_TRUE(segment);
  EXPECT_TRUE((*segment)->index_was_rebuilt());
  EXPECT_TRUE((*segment)->verify());
  const auto again = SealedSegment::open(disk, folder, Position{1}, small_cache());
  EXPECT_FALSE((*again)->index_was_rebuilt());
}

TEST(SealedSegment, KeepsTheIndexInMemoryWhenTheDiskIsFull) {
  SimulatedDisk disk;
  const Sealed sealed = seal(disk, 4, 1'000, 20, 3);
  ASSERT_TRUE(disk.remove(folder + "/" + index_name(Position{1})));
  disk.set_capacity(disk.used_bytes());

  const auto segment = SealedSegment::open(disk, folder, Position{1}, small_cache());

  ASSERT_TRUE(segment) << segment.error().message;
  const auto& last = sealed.written.back();
  const auto found = (*segment)->find_stream(last.told.stream);
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->version, last.version);
}

TEST(SealedSegment, RefusesTheIndexOfAnotherSegment) {
  SimulatedDisk disk;
  (void)seal(disk, 5, 500, 20, 3);
  ASSERT_TRUE(disk.rename(folder + "/" + index_name(Position{1}), folder + "/kept"));
  const Sealed sealed = seal(disk, 6, 500, 20, 3);
  ASSERT_TRUE(disk.rename(folder + "/kept", folder + "/" + index_name(Position{1})));

  const auto segment = SealedSegment::open(disk, folder, Position{1}, small_cache());

  ASSERT_TRUE(segment);
  EXPECT_TRUE((*segment)->index_was_rebuilt());
  EXPECT_TRUE((*segment)->verify());
}

TEST(SealedSegment, SpendsUnderTwelveBytesOfIndexOnAnEventOfTheBank) {
  SimulatedDisk disk;
  OpenSegmentWriter writer{disk, folder, Position{1}, salt};
  Random random{3};
  constexpr std::size_t events = 100'000;
  for (std::size_t i = 0; i < events; ++i) {
    writer.append({{.stream = "account-" + std::to_string(random(events / 10)),
                    .type = random(3) == 0 ? "MoneyWithdrawn" : "MoneyDeposited",
                    .data = std::string(200, 'd')}});
  }
  const auto report = seal_segment(disk, writer.finish(), nullptr);
  ASSERT_TRUE(report);
  EXPECT_LT(report->index_size, 12 * events) << report->index_size;
  RecordProperty("index_bytes_per_1000_events", static_cast<int>(report->index_size / 100));
}

TEST(BlockCache, StaysWithinItsSizeAndKeepsWhatIsUsedAgain) {
  BlockCache cache{1 << 20};
  const auto block = [] {
    auto made = std::make_shared<Block>();
    made->bytes = std::make_unique<std::byte[]>(4'096);
    made->size = 4'096;
    return made;
  };
  for (std::uint32_t i = 0; i < 16; ++i) cache.put(1, i, block());
  for (std::uint32_t i = 100; i < 5'000; ++i) {
    for (std::uint32_t hot = 0; hot < 16; ++hot) (void)cache.find(1, hot);
    cache.put(1, i, block());
    ASSERT_LE(cache.memory_size(), std::size_t{1} << 20);
  }
  for (std::uint32_t hot = 0; hot < 16; ++hot) EXPECT_NE(cache.find(1, hot), nullptr);
  EXPECT_EQ(cache.find(1, 100), nullptr);
  EXPECT_EQ(cache.find(2, 0), nullptr);
}

}  // namespace
}  // namespace stele::log
