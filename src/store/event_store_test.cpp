// What the contract's checks and digests mean, without a store.

#include "stele/event_store.h"

#include <gtest/gtest.h>

#include <set>

#include "store/digest.h"
#include "store/validate.h"

namespace stele::store {
namespace {

AppendRequest request_of(std::span<const StreamAppend> streams) { return {.streams = streams}; }

TEST(Validation, NamesTheLimitThatWasBroken) {
  std::vector<StreamAppend> streams(65, StreamAppend{.stream = "a-1"});
  EXPECT_TRUE(check_request(request_of(streams)).error().message.contains("append_streams_max"));
  std::vector<NewEvent> events(4'097, NewEvent{.type = "E", .data = "{}"});
  StreamAppend one{.stream = "a-1", .events = events};
  EXPECT_TRUE(check_request(request_of({&one, 1})).error().message.contains("append_events_max"));
  const std::string big(limits::event_size_max, 'x');
  events.assign(1, NewEvent{.type = "E", .data = big});
  one.events = events;
  EXPECT_TRUE(check_request(request_of({&one, 1})).error().message.contains("event_size_max"));
  events[0] = NewEvent{.type = "E", .data = "{}", .metadata = big};
  EXPECT_TRUE(check_request(request_of({&one, 1})).error().message.contains("metadata_size_max"));
}

TEST(Digest, DiffersWheneverAnythingThatWasAskedDiffers) {
  std::set<Digest> seen;
  const auto add = [&](auto change) {
    const std::vector<std::string_view> tags{"ab", "c"};
    NewEvent event{.type = "E", .data = "12", .metadata = "{}", .tags = tags};
    StreamAppend stream{.stream = "a-1"};
    AppendRequest request;
    std::vector<std::string_view> other{"a", "bc"};
    change(request, stream, event, other);
    stream.events = {&event, 1};
    request.streams = {&stream, 1};
    EXPECT_TRUE(seen.insert(digest_of(request)).second);
    EXPECT_FALSE(seen.insert(digest_of(request)).second);
  };
  using R = AppendRequest;
  using S = StreamAppend;
  using E = NewEvent;
  using T = std::vector<std::string_view>;
  add([](R&, S&, E&, T&) {});
  add([](R&, S& s, E&, T&) { s.stream = "a-2"; });
  add([](R&, S& s, E&, T&) { s.expected = Expected::none(); });
  add([](R&, S& s, E&, T&) { s.expected = Expected::exactly(Version{0}); });
  add([](R&, S& s, E&, T&) { s.expected = Expected::exactly(Version{0}, Tip{0}); });
  add([](R&, S& s, E&, T&) { s.expected = Expected::exactly(Version{0}, Tip{1}); });
  add([](R&, S&, E& e, T&) {
    e.type = "E1";
    e.data = "2";
  });
  add([](R&, S&, E& e, T&) { e.data = "13"; });
  add([](R&, S&, E& e, T&) { e.metadata = ""; });
  add([](R&, S&, E& e, T& t) { e.tags = t; });
  add([](R&, S&, E& e, T&) { e.schema_version = 2; });
  add([](R&, S&, E& e, T&) { e.key_id = "k"; });
  add([](R&, S&, E& e, T&) { e.content_type = "text/plain"; });
  add([](R& r, S&, E&, T&) { r.condition = Condition{.fail_if = {{.types = {"X"}}}}; });
  add([](R& r, S&, E&, T&) { r.condition = Condition{.fail_if = {{.tags = {"X"}}}}; });
  add([](R& r, S&, E&, T&) {
    r.condition = Condition{.fail_if = {{.tags = {"X"}}}, .after = Position{1}};
  });
}

TEST(Digest, IsTheSameForLongRequestsHoweverTheyAreHashed) {
  std::set<Digest> seen;
  for (const std::size_t size : {100U, 1'990U, 2'048U, 2'049U, 5'000U, 200'000U}) {
    std::string data(size, 'x');
    NewEvent event{.type = "E", .data = data};
    const StreamAppend stream{.stream = "a-1", .events = {&event, 1}};
    const Digest first = digest_of(request_of({&stream, 1}));
    EXPECT_EQ(first, digest_of(request_of({&stream, 1})));
    EXPECT_TRUE(seen.insert(first).second);
    data.back() = 'y';
    EXPECT_TRUE(seen.insert(digest_of(request_of({&stream, 1}))).second);
  }
}

}  // namespace
}  // namespace stele::store
