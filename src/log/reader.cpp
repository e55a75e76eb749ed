#include "log/reader.h"

#include <algorithm>
#include <span>
#include <utility>

#include "log/segment_events.h"
#include "log/segment_view.h"

namespace stele::log {
namespace {

constexpr std::size_t collect_max = 1'024;   // Candidates that are fetched at once.
constexpr std::size_t reserved_max = 1'024;  // Events that a page has room for at once.
constexpr std::size_t dense_one_in = 8;      // So many events a candidate: read in long runs.
constexpr std::size_t fetched_at_once = 16;  // Events of a stream.

/// Events on their way into a block, with the memory they view.
class Page {
 public:
  explicit Page(std::size_t limit) : limit_{limit} {
    events_.reserve(std::min<std::size_t>(limit, reserved_max));
  }

  void add(const EventView& event, const std::shared_ptr<const void>& owner) {
    if (owners_.empty() || owners_.back() != owner) owners_.push_back(owner);
    events_.push_back(event);
    size_ += event.data.size() + event.metadata.size() + event.stream.size();
  }
  [[nodiscard]] bool full() const {
    return events_.size() >= limit_ || size_ >= read_page_size_max;
  }
  [[nodiscard]] std::size_t left() const { return limit_ - events_.size(); }
  [[nodiscard]] EventBlock take() { return EventBlock{std::move(events_), std::move(owners_)}; }

 private:
  const std::size_t limit_;
  std::size_t size_ = 0;
  std::vector<EventView> events_;
  std::vector<std::shared_ptr<const void>> owners_;
};

IndexQuery hashed(const Filter& filter, std::uint64_t salt) {
  IndexQuery query;
  for (const auto& name : filter.categories) {
    query.categories.push_back(key_hash(salt, KeyKind::category, name));
  }
  for (const auto& name : filter.types) {
    query.types.push_back(key_hash(salt, KeyKind::type, name));
  }
  for (const auto& name : filter.tags) query.tags.push_back(key_hash(salt, KeyKind::tag, name));
  return query;
}

/// Adds events from position `at` on to `page`; `at` becomes the first that was not looked at.
Result<void> scan(const Snapshot& snapshot, std::uint64_t& at, Page& page) {
  while (at <= number(snapshot.end) && !page.full()) {
    const SegmentView segment =
        view_at(*snapshot.layout, segment_at(*snapshot.layout, Position{at}));
    const auto ordinal = static_cast<Ordinal>(at - number(segment.first()));
    const auto loaded = segment.frames_from(ordinal, page.left());
    if (!loaded) return std::unexpected{loaded.error()};
    for (const FrameView& frame : loaded->frames) {
      EventCursor cursor = frame.events();
      for (EventView event; !page.full() && cursor.next(event);) {
        if (number(event.position) < at) continue;
        if (event.position > snapshot.end) return {};
        page.add(event, loaded->owner);
        at = number(event.position) + 1;
      }
    }
  }
  return {};
}

/// The same for events that match, from one segment.
Result<void> filter_segment(const SegmentView& segment, Position end, const IndexQuery& query,
                            const Filter& filter, std::uint64_t& at, Page& page) {
  const std::uint64_t first = number(segment.first());
  const auto stop =
      static_cast<Ordinal>(std::min<std::uint64_t>(segment.events(), number(end) + 1 - first));
  auto from = static_cast<Ordinal>(at - first);
  SegmentEvents events{segment};
  while (from < stop && !page.full()) {
    const auto found = segment.collect(query, from, std::min(page.left(), collect_max));
    if (!found) return std::unexpected{found.error()};
    const bool dense = found->looked_to - from < found->ordinals.size() * dense_one_in;
    const auto ahead = dense ? SegmentEvents::Ahead::run : SegmentEvents::Ahead::one;
    for (const Ordinal ordinal : found->ordinals) {
      if (ordinal >= stop) break;
      const auto event = events.at(ordinal, ahead);
      if (!event) return std::unexpected{event.error()};
      if (filter.matches(**event)) page.add(**event, events.owner());
      at = first + ordinal + 1;
      if (page.full()) return {};
    }
    from = std::max(std::min(found->looked_to, stop), from + 1);
    at = first + from;
  }
  return {};
}

/// Where a stream has events: a segment, and what it knows of the stream.
struct StreamPart {
  SegmentView segment;
  StreamPostings stream;
  [[nodiscard]] std::uint64_t before() const {
    return number(stream.entry.version) - stream.entry.count;
  }
};

/// The parts that hold versions above `down_to`, newest first; at least the newest one.
Result<std::vector<StreamPart>> find_parts(const Layout& layout, std::string_view name,
                                           KeyHash hash, std::uint64_t down_to) {
  std::vector<StreamPart> parts;
  for (std::size_t i = segment_count(layout); i-- > 0;) {
    const SegmentView segment = view_at(layout, i);
    auto found = segment.find_stream(name, hash);
    if (!found) return std::unexpected{found.error()};
    if (!*found) continue;
    parts.push_back({.segment = segment, .stream = std::move(**found)});
    if (parts.back().before() <= down_to) break;
  }
  return parts;
}

class StreamRead {
 public:
  StreamRead(std::string_view name, KeyHash hash, Page& page)
      : name_{name}, hash_{hash}, page_{page} {}

  Result<void> forward(const StreamPart& part, std::uint64_t after) {
    // The versions of a part have no gaps, so the count tells how many entries to pass over. Should
    // another name share the hash, the first event shows it, and nothing is passed over.
    const std::size_t skip =
        after > part.before() ? static_cast<std::size_t>(after - part.before()) : 0;
    const auto whole = forward_past(part, after, skip);
    if (!whole) return std::unexpected{whole.error()};
    if (*whole) return {};
    const auto again = forward_past(part, after, 0);
    if (!again) return std::unexpected{again.error()};
    return {};
  }

  Result<void> backward(const StreamPart& part, std::uint64_t below) {
    SegmentEvents events{part.segment};
    const std::uint64_t version = number(part.stream.entry.version);
    std::size_t skip = below <= version ? static_cast<std::size_t>(version + 1 - below) : 0;
    Ordinal before = part.segment.events();
    while (!page_.full()) {
      // What is skipped is looked at in the index only, unless another name shares the hash.
      const std::size_t wanted = std::min(page_.left() + skip, collect_max);
      const auto found = part.segment.collect_backward(hash_, before, wanted);
      if (!found) return std::unexpected{found.error()};
      if (found->empty()) return {};
      for (const Ordinal ordinal : *found) {
        before = ordinal;
        if (skip > 1) {  // The last one to skip is read all the same: it proves the count.
          --skip;
          continue;
        }
        const auto event = events.at(ordinal, SegmentEvents::Ahead::one);
        if (!event) return std::unexpected{event.error()};
        const bool mine = (*event)->stream == name_;
        if (mine && number((*event)->version) < below) page_.add(**event, events.owner());
        if (page_.full()) return {};
      }
    }
    return {};
  }

 private:
  /// False if the first event behind the `skip` passed over is not the one after `after`: then
  /// nothing was added.
  Result<bool> forward_past(const StreamPart& part, std::uint64_t after, std::size_t skip) {
    SegmentEvents events{part.segment};
    Ordinal from = 0;
    const Ordinal end = part.segment.events();
    bool first = skip != 0;
    while (from < end && !page_.full()) {
      const std::size_t wanted = std::min(page_.left() + skip, collect_max);
      const auto found = part.segment.collect(part.stream, hash_, from, wanted);
      if (!found) return std::unexpected{found.error()};
      const std::size_t passed = std::min(skip, found->ordinals.size());
      skip -= passed;
      for (std::size_t i = passed; i < found->ordinals.size(); ++i) {
        if ((i - passed) % fetched_at_once == 0) {
          const auto next = std::span{found->ordinals}.subspan(i);
          auto done = events.expect(next.first(std::min(next.size(), fetched_at_once)));
          if (!done) return std::unexpected{done.error()};
        }
        const auto event = events.at(found->ordinals[i], SegmentEvents::Ahead::one);
        if (!event) return std::unexpected{event.error()};
        const bool mine = (*event)->stream == name_;
        if (first && (!mine || number((*event)->version) != after + 1)) return false;
        first = false;
        if (mine && number((*event)->version) > after) page_.add(**event, events.owner());
        if (page_.full()) return true;
      }
      from = std::max(found->looked_to, from + 1);
    }
    return true;
  }

  const std::string_view name_;
  const KeyHash hash_;
  Page& page_;
};

}  // namespace

Result<ReadPage> Reader::read_all(Position after, const Filter& filter, std::size_t limit) const {
  Page page{limit};
  std::uint64_t at = number(after) + 1;
  if (filter.empty()) {
    if (auto done = scan(snapshot_, at, page); !done) return std::unexpected{done.error()};
  } else {
    const IndexQuery query = hashed(filter, salt_);
    while (at <= number(snapshot_.end) && !page.full()) {
      const SegmentView segment =
          view_at(*snapshot_.layout, segment_at(*snapshot_.layout, Position{at}));
      auto done = filter_segment(segment, snapshot_.end, query, filter, at, page);
      if (!done) return std::unexpected{done.error()};
    }
  }
  const Position looked_to = std::max(Position{at - 1}, after);
  return ReadPage{.events = page.take(), .looked_to = looked_to, .log_end = snapshot_.end};
}

Result<StreamPage> Reader::read_stream(std::string_view stream, Version after, std::size_t limit,
                                       Direction direction) const {
  const KeyHash hash = key_hash(salt_, KeyKind::stream, stream);
  const bool forward = direction == Direction::forward;
  const std::uint64_t bound = number(after);
  auto parts = find_parts(*snapshot_.layout, stream, hash, forward ? bound : ~std::uint64_t{0});
  if (!parts) return std::unexpected{parts.error()};
  StreamPage out;
  if (parts->empty()) return out;
  out.state = {.version = parts->front().stream.entry.version,
               .tip = parts->front().stream.entry.tip};

  Page page{limit};
  StreamRead read{stream, hash, page};
  if (forward) {
    for (auto part = parts->rbegin(); part != parts->rend() && !page.full(); ++part) {
      if (auto done = read.forward(*part, bound); !done) return std::unexpected{done.error()};
    }
  } else {
    const std::uint64_t below = bound == 0 ? number(out.state.version) + 1 : bound;
    std::size_t index = segment_count(*snapshot_.layout);
    while (!page.full() && index-- > 0) {
      const SegmentView segment = view_at(*snapshot_.layout, index);
      auto found = segment.find_stream(stream, hash);
      if (!found) return std::unexpected{found.error()};
      if (!*found) continue;
      const StreamPart part{.segment = segment, .stream = std::move(**found)};
      if (part.before() + 1 < below) {
        if (auto done = read.backward(part, below); !done) return std::unexpected{done.error()};
      }
      if (part.before() == 0) break;
    }
  }
  out.events = page.take();
  return out;
}

Result<StreamState> Reader::stream_tip(std::string_view stream) const {
  const KeyHash hash = key_hash(salt_, KeyKind::stream, stream);
  const auto parts = find_parts(*snapshot_.layout, stream, hash, ~std::uint64_t{0});
  if (!parts) return std::unexpected{parts.error()};
  if (parts->empty()) return StreamState{};
  return StreamState{.version = parts->front().stream.entry.version,
                     .tip = parts->front().stream.entry.tip};
}

Result<std::optional<Appended>> Reader::find_append(const AppendId& id) const {
  const KeyHash hash = key_hash(salt_, id);
  for (std::size_t i = segment_count(*snapshot_.layout); i-- > 0;) {
    auto found = view_at(*snapshot_.layout, i).find_append(id, hash);
    if (!found) return found;
    if (!*found) continue;
    (*found)->replayed = true;
    return found;
  }
  return std::optional<Appended>{};
}

}  // namespace stele::log
