#include "log/recent_index.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace stele::log {
namespace {

constexpr std::uint64_t salt = 77;

KeyHash stream(std::string_view name) { return key_hash(salt, KeyKind::stream, name); }
KeyHash category(std::string_view name) { return key_hash(salt, KeyKind::category, name); }
KeyHash type(std::string_view name) { return key_hash(salt, KeyKind::type, name); }
KeyHash tag(std::string_view name) { return key_hash(salt, KeyKind::tag, name); }

AppendId append_id(std::uint64_t n) {
  AppendId id;
  for (std::size_t i = 0; i < 8; ++i) id.bytes[i] = static_cast<std::uint8_t>(n >> (8 * i));
  return id;
}

// A segment as a test tells it: events one by one, each a frame of its own.
struct Story {
  RecentIndex index;
  std::map<std::string, std::uint64_t> versions;

  void add(const std::string& name, const std::string& what,
           const std::vector<std::string>& tags = {}) {
    std::vector<KeyHash> hashes;
    for (const std::string& each : tags) hashes.push_back(tag(each));
    const std::uint64_t version = ++versions[name];
    const IndexedEvent event{.stream = stream(name),
                             .category = category(name.substr(0, name.find('-'))),
                             .type = type(what),
                             .tags = hashes,
                             .version = Version{version},
                             .tip = Tip{version * 10}};
    const Ordinal next = index.size();
    index.add_frame(key_hash(salt, append_id(next)), 4'096 + next * 100, {&event, 1});
  }
};

TEST(KeyHashes, DifferByKindAndSaltAndAreNeverZero) {
  EXPECT_NE(stream("a"), type("a"));
  EXPECT_NE(stream("a"), key_hash(salt + 1, KeyKind::stream, "a"));
  EXPECT_NE(stream(""), 0U);
}

TEST(RecentIndex, FindsTheLastVersionAndTipOfAStream) {
  Story story;
  story.add("account-1", "Opened");
  story.add("account-2", "Opened");
  story.add("account-1", "Deposited");

  const auto found = story.index.find_stream(stream("account-1"));

  ASSERT_TRUE(found);
  EXPECT_EQ(found->version, Version{2});
  EXPECT_EQ(found->tip, Tip{20});
  EXPECT_EQ(found->last, 2U);
  EXPECT_EQ(found->count, 2U);
  EXPECT_FALSE(story.index.find_stream(stream("account-3")));
}

TEST(RecentIndex, FindsTheFrameOfAnAppendId) {
  Story story;
  for (int i = 0; i < 1'000; ++i) story.add("account-" + std::to_string(i), "Opened");
  std::vector<Ordinal> found;

  story.index.find_append(key_hash(salt, append_id(617)), found);
  EXPECT_EQ(found, std::vector<Ordinal>{617});
  EXPECT_EQ(story.index.frame_offset(617), 4'096U + 61'700U);

  story.index.find_append(key_hash(salt, append_id(1'000)), found);
  EXPECT_TRUE(found.empty());
}

TEST(RecentIndex, GivesTheSameFrameToAllEventsOfAnAppend) {
  RecentIndex index;
  std::vector<IndexedEvent> events(3, {.stream = 5, .category = 6, .type = 7});
  index.add_frame(9, 4'160, events);
  index.add_frame(10, 5'000, events);

  EXPECT_EQ(index.size(), 6U);
  EXPECT_EQ(index.frame_offset(2), 4'160U);
  EXPECT_EQ(index.frame_offset(3), 5'000U);
  std::vector<Ordinal> found;
  index.find_append(10, found);
  EXPECT_EQ(found, std::vector<Ordinal>{3});
}

TEST(RecentIndex, CountsATagThatAnEventCarriesTwiceOnce) {
  Story story;
  story.add("a-1", "X", {"red", "red"});

  EXPECT_EQ(story.index.collect({.tags = {tag("red")}}, 0, 10).ordinals, std::vector<Ordinal>{0});
}

TEST(RecentIndex, SaysHowFarItLooked) {
  Story story;
  for (int i = 0; i < 10; ++i) story.add("a-1", i % 2 == 0 ? "Even" : "Odd");

  const Candidates some = story.index.collect({.types = {type("Odd")}}, 0, 2);
  EXPECT_EQ(some.ordinals, (std::vector<Ordinal>{1, 3}));
  EXPECT_EQ(some.looked_to, 4U);
  const Candidates rest = story.index.collect({.types = {type("Odd")}}, some.looked_to, 100);
  EXPECT_EQ(rest.ordinals, (std::vector<Ordinal>{5, 7, 9}));
  EXPECT_EQ(rest.looked_to, 10U);
  EXPECT_TRUE(story.index.collect({.types = {type("None")}}, 0, 5).ordinals.empty());
  EXPECT_EQ(story.index.collect({.types = {type("None")}}, 0, 5).looked_to, 10U);
}

TEST(RecentIndex, StopsASearchAtTheEndThatIsAskedFor) {
  Story story;
  for (int i = 0; i < 10; ++i) story.add("a-1", i % 2 == 0 ? "Even" : "Odd");

  const Candidates some = story.index.collect({.types = {type("Odd")}}, 0, 100, 5);
  EXPECT_EQ(some.ordinals, (std::vector<Ordinal>{1, 3}));
  EXPECT_EQ(some.looked_to, 5U);
  const Candidates none = story.index.collect({.types = {type("None")}}, 2, 100, 5);
  EXPECT_TRUE(none.ordinals.empty());
  EXPECT_EQ(none.looked_to, 5U);
}

TEST(RecentIndex, StaysWithinItsMemoryForAnEvent) {
  Story story;
  constexpr std::size_t base = 512 * 1'024;
  constexpr std::uint32_t events = 250'000;
  for (std::uint32_t i = 0; i < events; ++i) {
    const std::string number = std::to_string(i % (events / 10));
    story.add("account-" + number, i % 3 == 0 ? "Opened" : "Deposited", {"customer:" + number});
  }
  EXPECT_LE(story.index.memory_size(), base + events * recent_index_event_size_max)
      << "bytes an event: " << story.index.memory_size() / events;
  RecordProperty("bytes_an_event", static_cast<int>(story.index.memory_size() / events));
}

struct Seen {
  std::string stream, type;
  std::vector<std::string> tags;
};

// Goal: for any history and question, the index answers as a walk over all events does.
RC_GTEST_PROP(RecentIndex, AnswersAsANaiveWalkDoes, ()) {
  const auto small = [](int n) { return rc::gen::inRange(0, n); };
  const int length = *small(4'000);
  const int streams = *rc::gen::element(1, 3, 50, 1'000);
  const unsigned seed = *rc::gen::arbitrary<unsigned>();
  std::uint64_t state = seed;
  const auto random = [&](std::uint64_t n) {
    state = state * 6'364'136'223'846'793'005ULL + 1'442'695'040'888'963'407ULL;
    return (state >> 33) % n;
  };
  Story story;
  std::vector<Seen> all;
  for (int i = 0; i < length; ++i) {
    Seen seen{.stream = "c" + std::to_string(random(2)) + "-" +
                        std::to_string(random(static_cast<std::uint64_t>(streams))),
              .type = "T" + std::to_string(random(4)),
              .tags = {}};
    for (std::uint64_t t = random(3); t > 0; --t) {
      seen.tags.push_back("t" + std::to_string(random(5)));
    }
    story.add(seen.stream, seen.type, seen.tags);
    all.push_back(std::move(seen));
  }
  for (int ask = 0; ask < 20; ++ask) {
    const std::string a_stream =
        "c0-" + std::to_string(random(static_cast<std::uint64_t>(streams)));
    std::set<std::string> types, tags;
    for (std::uint64_t n = random(3); n > 0; --n) types.insert("T" + std::to_string(random(5)));
    for (std::uint64_t n = random(3); n > 0; --n) tags.insert("t" + std::to_string(random(5)));
    const bool by_stream = random(3) == 0;
    const bool by_category = random(3) == 0;
    IndexQuery query;
    if (by_stream) query.streams = {stream(a_stream)};
    if (by_category) query.categories = {category("c1"), category("c7")};
    for (const auto& each : types) query.types.push_back(type(each));
    for (const auto& each : tags) query.tags.push_back(tag(each));
    const auto from = static_cast<Ordinal>(random(all.size() + 2));
    const std::size_t limit = 1 + random(200);

    std::vector<Ordinal> expected;
    for (std::size_t i = from; i < all.size() && expected.size() < limit; ++i) {
      const Seen& seen = all[i];
      const bool all_tags = std::all_of(tags.begin(), tags.end(), [&](const std::string& each) {
        return std::find(seen.tags.begin(), seen.tags.end(), each) != seen.tags.end();
      });
      if (all_tags && (types.empty() || types.contains(seen.type)) &&
          (!by_stream || seen.stream == a_stream) &&
          (!by_category || seen.stream.starts_with("c1-"))) {
        expected.push_back(static_cast<Ordinal>(i));
      }
    }
    const Candidates found = story.index.collect(query, from, limit);
    RC_ASSERT(found.ordinals == expected);

    std::vector<Ordinal> backward;
    for (std::size_t i = std::min<std::size_t>(from, all.size());
         i-- > 0 && backward.size() < limit;) {
      if (all[i].stream == a_stream) backward.push_back(static_cast<Ordinal>(i));
    }
    RC_ASSERT(story.index.collect_backward(stream(a_stream), from, limit) == backward);
  }
  for (const auto& [name, version] : story.versions) {
    const auto found = story.index.find_stream(stream(name));
    RC_ASSERT(found && found->version == Version{version} && found->tip == Tip{version * 10});
    RC_ASSERT(all[found->last].stream == name);
  }
}

}  // namespace
}  // namespace stele::log
