// Frames (log/format.h) made of any bytes, with their checksums put right, so that what is behind
// them is reached: a decoder that never leaves its bytes, and an encoder that agrees with it.

#include <cstring>

#include "base/crc32c.h"
#include "log/bytes.h"
#include "log/format.h"
#include "target.h"

namespace stele::fuzz {
namespace {

using log::EncodedAppend;
using log::FrameView;

constexpr std::uint64_t salt = 0x5A17;

struct Parts {
  std::vector<log::FrameStream> streams;
  std::vector<EventView> events;
};

Parts parts_of(const FrameView& frame) {
  Parts parts{.streams = frame.streams(), .events = {}};
  log::EventCursor cursor = frame.events();
  EventView event;
  while (cursor.next(event)) parts.events.push_back(event);
  return parts;
}

bool same(const EventView& a, const EventView& b) {
  return a.id == b.id && a.stream == b.stream && a.type == b.type && a.data == b.data &&
         a.metadata == b.metadata && a.content_type == b.content_type && a.key_id == b.key_id &&
         a.tags.packed() == b.tags.packed() && a.schema_version == b.schema_version &&
         a.version == b.version && a.position == b.position;
}

void encode_again(const FrameView& frame, const Parts& parts) {
  std::vector<std::vector<std::string_view>> tags(parts.events.size());
  std::vector<NewEvent> events;
  for (std::size_t i = 0; i < parts.events.size(); ++i) {
    const EventView& event = parts.events[i];
    for (const std::string_view tag : event.tags) tags[i].push_back(tag);
    events.push_back({.type = event.type,
                      .data = event.data,
                      .content_type = event.content_type,
                      .metadata = event.metadata,
                      .tags = tags[i],
                      .schema_version = event.schema_version,
                      .key_id = event.key_id,
                      .id = event.id});
  }
  std::vector<StreamAppend> streams;
  std::vector<StreamState> before;
  std::size_t at = 0;
  for (const log::FrameStream& stream : parts.streams) {
    streams.push_back(
        {.stream = stream.name, .events = std::span{events}.subspan(at, stream.events)});
    before.push_back(stream.before);
    at += stream.events;
  }
  auto encoded =
      EncodedAppend::encode({.id = frame.append_id(), .streams = streams, .digest = frame.digest()},
                            [](std::span<EventId>) {});
  require(encoded.has_value(), "what was decoded can be encoded");
  encoded->patch(frame.first(), frame.recorded_at(), before, log::log_seed(salt));
  const auto again = FrameView::parse(encoded->bytes(), log::log_seed(salt));
  require(again.has_value(), "what was encoded can be decoded");
  const Parts parts_again = parts_of(*again);
  require(parts_again.events.size() == parts.events.size(), "no event is lost in between");
  for (std::size_t i = 0; i < parts.events.size(); ++i) {
    require(same(parts.events[i], parts_again.events[i]), "an event stays the same");
  }
}

void look_at(const FrameView& frame) {
  const Parts parts = parts_of(frame);
  require(parts.streams.size() == frame.stream_count(), "a frame has the streams that it says");
  require(parts.events.size() == frame.event_count(), "a frame has the events that it says");
  const Appended answer = frame.answer();
  require(answer.streams.size() == parts.streams.size(), "an answer names every stream");
  encode_again(frame, parts);
}

const Registered registered{
    "frame", [](std::string_view input) {
      std::vector<std::byte> bytes = exact_copy(input);
      const std::uint32_t seed = log::log_seed(salt);
      if (const auto frame = FrameView::parse(bytes, seed)) look_at(*frame);
      const auto size = FrameView::size_at(bytes);
      if (!size || *size > bytes.size()) return;
      const std::size_t heads = log::frame_header_size +
                                log::stream_head_size * log::load<std::uint16_t>(bytes.data() + 12);
      const std::span<std::byte> all = std::span{bytes}.first(*size);
      log::store(all.data() + 4, crc32c(all.data() + heads, all.size() - heads));
      log::store(all.data(), crc32c(all.data() + 4, heads - 4, seed));
      const auto whole = FrameView::parse(bytes, seed);
      const auto structure = FrameView::parse(bytes, seed, FrameView::Check::structure);
      require(whole.has_value() == structure.has_value(), "checksums are all that `all` adds");
      if (whole) look_at(*whole);
    }};

}  // namespace
}  // namespace stele::fuzz
