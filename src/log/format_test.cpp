#include "log/format.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/crc32c.h"
#include "log/bytes.h"

namespace stele::log {
namespace {

constexpr std::uint32_t seed = 77;

SegmentHeader example_header() {
  SegmentHeader header;
  header.log_id.bytes[0] = 9;
  header.salt = 0x1122334455667788;
  header.epoch = Epoch{3};
  header.first = Position{1'000};
  header.first_group = 17;
  header.frames_before = 999;
  header.chain[15] = 4;
  header.previous_first = Position{1};
  header.last_recorded_at = Timestamp{5};
  header.made_at = Timestamp{6};
  return header;
}

struct Made {
  std::vector<std::byte> bytes;
  AppendId id;
};

/// Three streams: two events, a pure check, one event.
Made make_frame() {
  const std::array<std::string_view, 2> tags{"owner:ann", "x"};
  const std::array first{
      NewEvent{.type = "Opened", .data = "{\"a\": 1}", .metadata = "{}", .tags = tags},
      NewEvent{.type = "Paid",
               .data = "\x01\x02",
               .content_type = "application/octet-stream",
               .schema_version = 7,
               .key_id = "key-1"}};
  const std::array last{NewEvent{.type = "Seen", .data = ""}};
  const std::array streams{StreamAppend{.stream = "account-1", .events = first},
                           StreamAppend{.stream = "account-2"},
                           StreamAppend{.stream = "owner-9", .events = last}};
  AppendRequest request{.streams = streams};
  request.id = AppendId{.bytes = {1, 2, 3}};
  request.digest = Digest{4, 5};
  auto encoded = EncodedAppend::encode(request, [](std::span<EventId> ids) {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      ids[i].bytes[15] = static_cast<std::uint8_t>(i + 1);
    }
  });
  const std::array before{StreamState{Version{4}, Tip{40}}, StreamState{Version{6}, Tip{60}},
                          StreamState{}};
  encoded->patch(Position{100}, Timestamp{1'234}, before, seed);
  return {.bytes = {encoded->bytes().begin(), encoded->bytes().end()}, .id = *request.id};
}

TEST(SegmentHeader, ReadsWhatItWrites) {
  const SegmentHeader header = example_header();
  const auto bytes = encode(header);
  EXPECT_EQ(decode_segment_header(bytes, "x.seg"), header);
}

TEST(SegmentHeader, FindsEveryFlippedBit) {
  auto bytes = encode(example_header());
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_EQ(decode_segment_header(bytes, "x.seg").error().code, Errc::corrupt);
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
  }
}

TEST(SegmentHeader, RefusesANewerFormatAndFeaturesItDoesNotKnow) {
  const auto with_crc = [](auto bytes) {
    store(bytes.data() + segment_header_size - 4, crc32c(bytes.data(), segment_header_size - 4));
    return bytes;
  };
  auto newer = encode(example_header());
  store(newer.data() + 8, format_version + 1);
  EXPECT_EQ(decode_segment_header(with_crc(newer), "x").error().code, Errc::unsupported);
  SegmentHeader featured = example_header();
  featured.required_features = 1ULL << 40;
  EXPECT_EQ(decode_segment_header(encode(featured), "x").error().code, Errc::unsupported);
}

TEST(SegmentNames, CarryTheFirstPosition) {
  EXPECT_EQ(segment_name(Position{42}), "00000000000000000042.seg");
  EXPECT_EQ(position_in_name("00000000000000000042.seg", ".seg"), Position{42});
  for (const char* name : {"42.seg", "0000000000000000004x.seg", "00000000000000000042.idx", ""}) {
    EXPECT_EQ(position_in_name(name, ".seg"), Position{});
  }
}

TEST(GroupHeader, BelongsToOneSegmentOfOneLog) {
  const GroupHeader header{.number = 5,
                           .size = 900,
                           .frames = 2,
                           .durable_group = 4,
                           .durable_position = Position{10},
                           .first = Position{11}};
  std::array<std::byte, group_header_size> bytes{};
  const std::uint32_t own = segment_seed(1, Position{1});
  encode(header, 1, own, bytes);
  GroupHeader read;
  ASSERT_TRUE(decode_group_header(bytes, 1, own, read));
  EXPECT_EQ(read, header);
  EXPECT_FALSE(decode_group_header(bytes, 1, segment_seed(1, Position{2}), read));
  EXPECT_FALSE(decode_group_header(bytes, 2, segment_seed(2, Position{1}), read));
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(decode_group_header(bytes, 1, own, read)) << bit;
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
  }
}

TEST(Frame, GivesBackTheBytesThatWentIn) {
  const Made made = make_frame();
  const auto frame = FrameView::parse(made.bytes, seed);
  ASSERT_TRUE(frame) << frame.error().message;
  EXPECT_EQ(frame->append_id(), made.id);
  EXPECT_EQ(frame->first(), Position{100});
  EXPECT_EQ(frame->last(), Position{102});
  EXPECT_EQ(frame->size(), made.bytes.size());

  std::vector<EventView> events;
  EventCursor cursor = frame->events();
  for (EventView event; cursor.next(event);) events.push_back(event);
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].stream, "account-1");
  EXPECT_EQ(events[0].version, Version{5});
  EXPECT_EQ(events[0].type, "Opened");
  EXPECT_EQ(events[0].data, "{\"a\": 1}");
  EXPECT_EQ(events[0].metadata, "{}");
  EXPECT_EQ(events[0].content_type, content_type_json);
  EXPECT_EQ(events[0].tags.packed(), "\x09owner:ann\x01x");
  EXPECT_EQ(events[1].version, Version{6});
  EXPECT_EQ(events[1].content_type, "application/octet-stream");
  EXPECT_EQ(events[1].key_id, "key-1");
  EXPECT_EQ(events[1].schema_version, 7);
  EXPECT_EQ(events[1].recorded_at, Timestamp{1'234});
  EXPECT_EQ(events[2].stream, "owner-9");
  EXPECT_EQ(events[2].version, Version{1});
  EXPECT_EQ(events[2].position, Position{102});
  EXPECT_EQ(events[2].data, "");
}

TEST(Frame, HoldsTheWholeFirstAnswer) {
  const Made made = make_frame();
  const Appended answer = FrameView::parse(made.bytes, seed)->answer();
  ASSERT_EQ(answer.streams.size(), 3U);
  EXPECT_EQ(answer.streams[0], (StreamState{Version{6}, Tip{2}}));
  EXPECT_EQ(answer.streams[1], (StreamState{Version{6}, Tip{60}}));
  EXPECT_EQ(answer.streams[2], (StreamState{Version{1}, Tip{3}}));
  EXPECT_EQ(answer.first, Position{100});
  EXPECT_EQ(answer.last, Position{102});
}

TEST(Frame, FindsEveryFlippedBitAndEveryCut) {
  std::vector<std::byte> bytes = make_frame().bytes;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(FrameView::parse(bytes, seed)) << bit;
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(FrameView::parse(std::span{bytes}.first(size), seed));
  }
  EXPECT_FALSE(FrameView::parse(bytes, seed + 1));
}

TEST(Frame, StaysInsideItsBytesEvenWithoutChecksums) {
  const std::vector<std::byte> good = make_frame().bytes;
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int value : {0, 1, 0x7F, 0xFF}) {
      std::vector<std::byte> bytes = good;  // Its own allocation: ASan sees a step outside.
      bytes[at] = static_cast<std::byte>(value);
      const auto frame = FrameView::parse(bytes, seed, FrameView::Check::structure);
      if (!frame) continue;
      EventCursor cursor = frame->events();
      std::size_t sum = 0;
      for (EventView event; cursor.next(event);) {
        sum += event.data.size() + event.type.size();
        for (const std::string_view tag : event.tags) sum += tag.size();
      }
      EXPECT_LE(sum, bytes.size());
    }
  }
}

TEST(FrameChain, DependsOnTheBytesAndTheirOrderNotOnThePieces) {
  const auto text = [](std::string_view t) { return as_bytes(t); };
  FrameChain whole{ChainHash{}};
  whole.add(text("onetwo"));
  FrameChain pieces{ChainHash{}};
  pieces.add(text("one"));
  pieces.add(text("two"));
  FrameChain swapped{ChainHash{}};
  swapped.add(text("twoone"));
  EXPECT_EQ(whole.value(), pieces.value());
  EXPECT_NE(whole.value(), swapped.value());
  EXPECT_NE(FrameChain{ChainHash{1}}.value(), FrameChain{ChainHash{}}.value());
}

}  // namespace
}  // namespace stele::log
