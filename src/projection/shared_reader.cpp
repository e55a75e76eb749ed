#include "projection/shared_reader.h"

#include <algorithm>

namespace stele::projection {

void SharedReader::join(Member member, Position after) {
  const std::lock_guard lock{mutex_};
  convoy_.insert_or_assign(member, after);
}

void SharedReader::leave(Member member) {
  const std::lock_guard lock{mutex_};
  if (convoy_.erase(member) > 0) moved_.notify_all();
}

Result<std::shared_ptr<const SharedPage>> SharedReader::read(Position after, Member member) {
  std::unique_lock lock{mutex_};
  const auto place = convoy_.find(member);
  if (place == convoy_.end()) {
    if (auto page = find(after)) return page;
    return read_page(after, pages_);
  }
  place->second = after;
  moved_.notify_all();
  const auto until = std::chrono::steady_clock::now() + convoy_wait_max;
  while (true) {
    if (auto page = find(after)) return page;
    if (convoy_pages_.size() < shared_pages_max || !oldest_is_needed(member)) break;
    if (moved_.wait_until(lock, until) == std::cv_status::timeout) leave_the_slow_behind(member);
  }
  return read_page(after, convoy_pages_);
}

std::shared_ptr<const SharedPage> SharedReader::find(Position after) const {
  for (const Pages* pages : {&convoy_pages_, &pages_}) {
    for (auto page = pages->rbegin(); page != pages->rend(); ++page) {
      if ((*page)->after <= after && after < (*page)->looked_to) return *page;
    }
  }
  return nullptr;
}

bool SharedReader::oldest_is_needed(Member but) const {
  const SharedPage& oldest = *convoy_pages_.front();
  return std::ranges::any_of(convoy_, [&](const auto& member) {
    return member.first != but && oldest.after <= member.second && member.second < oldest.looked_to;
  });
}

void SharedReader::leave_the_slow_behind(Member but) {
  const SharedPage& oldest = *convoy_pages_.front();
  std::erase_if(convoy_, [&](const auto& member) {
    return member.first != but && oldest.after <= member.second && member.second < oldest.looked_to;
  });
}

Result<std::shared_ptr<const SharedPage>> SharedReader::read_page(Position after, Pages& pages) {
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
    pages.push_back(page);
    if (pages.size() > shared_pages_max) pages.pop_front();
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
