#include "log/append_scan.h"

#include <algorithm>
#include <utility>

#include "log/reader.h"
#include "log/segment_view.h"

namespace stele::log {

AppendRecord record_of(const FrameView& frame) {
  AppendRecord record{.answer = frame.answer()};
  const std::vector<FrameStream> streams = frame.streams();
  const bool all_written =
      std::ranges::all_of(streams, [](const FrameStream& one) { return one.events != 0; });
  if (all_written) return record;
  record.streams.reserve(streams.size());
  for (const FrameStream& one : streams) record.streams.emplace_back(one.name);
  return record;
}

Result<AppendPage> scan_appends(const Snapshot& snapshot, Position after, std::size_t limit) {
  AppendPage page;
  std::vector<EventView> events;
  std::vector<std::shared_ptr<const void>> owners;
  std::size_t size = 0;
  std::uint64_t at = number(after) + 1;
  while (at <= number(snapshot.end) && events.size() < limit && size < read_page_size_max) {
    const SegmentView segment =
        view_at(*snapshot.layout, segment_at(*snapshot.layout, Position{at}));
    const auto ordinal = static_cast<Ordinal>(at - number(segment.first()));
    const auto loaded = segment.frames_from(ordinal, limit - events.size());
    if (!loaded) return std::unexpected{loaded.error()};
    owners.push_back(loaded->owner);
    for (const FrameView& frame : loaded->frames) {
      if (number(frame.last()) < at) continue;
      if (frame.last() > snapshot.end || events.size() >= limit) break;
      page.appends.push_back(record_of(frame));
      EventCursor cursor = frame.events();
      for (EventView event; cursor.next(event);) {
        if (number(event.position) >= at) events.push_back(event);
      }
      size += frame.size();
      at = number(frame.last()) + 1;
    }
  }
  page.events = EventBlock{std::move(events), std::move(owners)};
  page.log_end = snapshot.end;
  return page;
}

}  // namespace stele::log
