#include "log/hash_frame.h"

#include <iterator>
#include <span>
#include <string_view>

namespace stele::log {
namespace {

std::size_t count_tags(const FrameView& frame) {
  std::size_t tags = 0;
  EventCursor cursor = frame.events();
  for (EventView event; cursor.next(event);) {
    for (auto tag = event.tags.begin(); tag != event.tags.end(); ++tag) ++tags;
  }
  return tags;
}

}  // namespace

void hash_frame(const FrameView& frame, std::uint64_t salt, std::vector<IndexedEvent>& events,
                std::vector<KeyHash>& tag_hashes) {
  events.clear();
  tag_hashes.clear();
  // The spans into `tag_hashes` must not move.
  if (const std::size_t tags = count_tags(frame); tags > tag_hashes.capacity()) {
    tag_hashes.reserve(tags);
  }
  if (frame.event_count() > events.capacity()) events.reserve(frame.event_count());
  std::string_view stream;
  std::string_view type;
  KeyHash stream_hash = 0;
  KeyHash category_hash = 0;
  KeyHash type_hash = 0;
  EventCursor cursor = frame.events();
  for (EventView event; cursor.next(event);) {
    if (event.stream.data() != stream.data()) {
      stream = event.stream;
      stream_hash = key_hash(salt, KeyKind::stream, stream);
      category_hash = key_hash(salt, KeyKind::category, category_of(stream));
    }
    if (event.type != type) {  // In most appends the types are few.
      type = event.type;
      type_hash = key_hash(salt, KeyKind::type, type);
    }
    const std::size_t tags_before = tag_hashes.size();
    for (const std::string_view tag : event.tags) {
      tag_hashes.push_back(key_hash(salt, KeyKind::tag, tag));
    }
    events.push_back({.stream = stream_hash,
                      .category = category_hash,
                      .type = type_hash,
                      .tags = std::span{tag_hashes}.subspan(tags_before),
                      .version = event.version,
                      .tip = tip_of(event.id)});
  }
}

}  // namespace stele::log
