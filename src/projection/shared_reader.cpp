#include "projection/shared_reader.h"

#include <algorithm>

namespace stele::projection {

Result<std::shared_ptr<const SharedPage>> SharedReader::read(Position after) {
  const std::lock_guard lock{mutex_};
  for (auto page = pages_.rbegin(); page != pages_.rend(); ++page) {
    if ((*page)->after <= after && after < (*page)->looked_to) return *page;
  }
  return read_page(after);
}

Result<std::shared_ptr<const SharedPage>> SharedReader::read_page(Position after) {
  auto read = store_.read_all(after, filter_, limit_);
  if (!read) return std::unexpected{std::move(read.error())};
  auto page = std::make_shared<SharedPage>();
  page->after = after;
  page->looked_to = read->looked_to;
  page->log_end = read->log_end;
  page->events = std::move(read->events);
  page->newest.assign(page->events.begin(), page->events.end());
  if (upcasters_ != nullptr && !upcasters_->empty()) {
    for (EventView& event : page->newest) {
      auto newest = upcasters_->apply(event, page->upcast.emplace_back());
      if (newest) {
        event = *newest;
      } else {
        page->broken.emplace(event.position, std::move(newest.error()));
      }
    }
  }
  adapt(*page);
  if (page->looked_to > after) {
    pages_.push_back(page);
    if (pages_.size() > shared_pages_max) pages_.pop_front();
  }
  return page;
}

// The store bounds a read by a count only: after a page of large events, ask for fewer.
void SharedReader::adapt(const SharedPage& page) {
  std::size_t bytes = 0;
  for (const EventView& event : page.newest) {
    bytes += event.data.size() + event.metadata.size() + event.stream.size();
  }
  if (bytes > bytes_max_) {
    limit_ = std::max<std::size_t>(1, limit_ / 2);
  } else if (bytes < bytes_max_ / 4) {
    limit_ = std::min(events_max_, limit_ * 2);
  }
}

}  // namespace stele::projection
