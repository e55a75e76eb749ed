#include "log/open_segment.h"

#include <algorithm>
#include <utility>

namespace stele::log {
namespace {

constexpr std::size_t first_read_size = 4'096;  // Bytes: most frames are smaller.
constexpr Ordinal collect_piece = 4'096;        // Events that are searched under the lock at once.

struct Buffer {
  std::shared_ptr<std::byte[]> bytes;
  std::size_t size = 0;

  explicit Buffer(std::size_t n) : bytes{new std::byte[n]}, size{n} {}
  [[nodiscard]] std::span<std::byte> span() const { return {bytes.get(), size}; }
};

/// The last event of `name` in a frame, as an entry.
std::optional<StreamEntry> entry_in(const FrameView& frame, std::string_view name,
                                    Position segment_first) {
  std::optional<StreamEntry> entry;
  EventCursor cursor = frame.events();
  for (EventView event; cursor.next(event);) {
    if (event.stream != name) continue;
    entry =
        StreamEntry{.version = event.version,
                    .tip = tip_of(event.id),
                    .last = static_cast<Ordinal>(number(event.position) - number(segment_first))};
  }
  return entry;
}

}  // namespace

OpenSegment::OpenSegment(const SegmentHeader& header, std::string path, std::uint64_t capacity)
    : first_{header.first},
      path_{std::move(path)},
      salt_{header.salt},
      log_seed_{stele::log::log_seed(header.salt)},
      segment_seed_{stele::log::segment_seed(header.salt, header.first)},
      capacity_{capacity} {}

void OpenSegment::add_frame(KeyHash append_id, std::uint32_t frame_offset,
                            std::span<const IndexedEvent> events) {
  const std::lock_guard lock{mutex_};
  index_.add_frame(append_id, frame_offset, events);
}

void OpenSegment::publish(Ordinal events, std::uint64_t end) {
  durable_end_.store(end);
  durable_events_.store(events);
}

Candidates OpenSegment::collect(const IndexQuery& query, Ordinal from, std::size_t limit) const {
  const Ordinal durable = durable_events();
  Candidates found;
  if (from >= durable) {
    found.looked_to = durable;
    return found;
  }
  // Piece by piece: whoever adds waits for one piece, not for a long search that finds little. The
  // events of one stream are found without a search.
  const bool one_stream = query.streams.size() == 1 && query.categories.empty() &&
                          query.types.empty() && query.tags.empty();
  for (found.looked_to = from; found.looked_to < durable && found.ordinals.size() < limit;) {
    const Ordinal end = one_stream ? durable : std::min(durable, found.looked_to + collect_piece);
    const std::size_t left = limit - found.ordinals.size();
    const std::lock_guard lock{mutex_};
    const Candidates piece = index_.collect(query, found.looked_to, left, end);
    found.ordinals.insert(found.ordinals.end(), piece.ordinals.begin(), piece.ordinals.end());
    found.looked_to = std::max(piece.looked_to, found.looked_to + 1);
  }
  return found;
}

std::vector<Ordinal> OpenSegment::collect_backward(KeyHash key, Ordinal before,
                                                   std::size_t limit) const {
  const Ordinal end = std::min(before, durable_events());
  const std::lock_guard lock{mutex_};
  return index_.collect_backward(key, end, limit);
}

std::vector<Ordinal> OpenSegment::find_append(KeyHash append_id) const {
  const Ordinal durable = durable_events();
  std::vector<Ordinal> found;
  {
    const std::lock_guard lock{mutex_};
    index_.find_append(append_id, found);
  }
  std::erase_if(found, [durable](Ordinal ordinal) { return ordinal >= durable; });
  return found;
}

Result<std::optional<StreamEntry>> OpenSegment::find_stream(std::string_view name,
                                                            KeyHash hash) const {
  const Ordinal durable = durable_events();
  std::optional<StreamEntry> entry;
  std::vector<Ordinal> candidates;
  std::uint32_t staged = 0;
  {
    const std::lock_guard lock{mutex_};
    entry = index_.find_stream(hash);
    if (!entry) return std::optional<StreamEntry>{};
    if (entry->last >= durable) {
      staged = static_cast<std::uint32_t>(
          index_.collect({.streams = {hash}}, durable, index_.size()).ordinals.size());
    }
    candidates = index_.collect_backward(hash, durable, 1);
  }
  // The last durable event tells version and tip, and confirms the name. With another name of the
  // same hash the search goes on further back.
  Ordinal before = durable;
  while (!candidates.empty()) {
    before = candidates.front();
    const auto loaded = frame_with(before);
    if (!loaded) return std::unexpected{loaded.error()};
    if (auto found = entry_in(loaded->frames.front(), name, first_)) {
      found->count = entry->count - staged;
      return found;
    }
    candidates = collect_backward(hash, before, 1);
  }
  return std::optional<StreamEntry>{};
}

Error OpenSegment::damaged(std::uint64_t offset, const Error& error) const {
  if (error.code != Errc::corrupt) return error;
  return {.code = Errc::corrupt,
          .message = "\"" + path_ + "\" is damaged at byte " + std::to_string(offset) + ": " +
                     error.message + " Run `stele verify`."};
}

Result<LoadedFrames> OpenSegment::load(std::uint32_t offset) const {
  const std::uint64_t end = durable_end();
  Buffer buffer{std::min<std::uint64_t>(first_read_size, end - offset)};
  if (auto read = file_->read_at(offset, buffer.span()); !read) {
    return std::unexpected{read.error()};
  }
  const auto size = FrameView::size_at(buffer.span());
  if (!size) return std::unexpected{damaged(offset, size.error())};
  if (*size > buffer.size) {
    if (*size > end - offset) {
      return std::unexpected{damaged(offset, {Errc::corrupt, "A frame has an impossible size."})};
    }
    buffer = Buffer{*size};
    if (auto read = file_->read_at(offset, buffer.span()); !read) {
      return std::unexpected{read.error()};
    }
  }
  auto frame = FrameView::parse(buffer.span(), log_seed_);
  if (!frame) return std::unexpected{damaged(offset, frame.error())};
  return LoadedFrames{.owner = std::move(buffer.bytes), .frames = {*frame}};
}

Result<LoadedFrames> OpenSegment::frame_with(Ordinal ordinal) const {
  std::uint32_t offset = 0;
  {
    const std::lock_guard lock{mutex_};
    offset = index_.frame_offset(ordinal);
  }
  return load(offset);
}

Result<LoadedFrames> OpenSegment::frames_from(Ordinal ordinal, std::size_t limit) const {
  const Ordinal durable = durable_events();
  const std::uint64_t end = durable_end();
  std::vector<std::uint32_t> offsets;
  {
    const std::lock_guard lock{mutex_};
    std::uint32_t previous = 0;
    const auto until = std::min<std::uint64_t>(durable, std::uint64_t{ordinal} + limit);
    for (Ordinal at = ordinal; at < until; ++at) {
      const std::uint32_t offset = index_.frame_offset(at);
      if (offset == previous) continue;
      if (!offsets.empty() && offset - offsets.front() >= run_size_max) break;
      offsets.push_back(offset);
      previous = offset;
    }
  }
  if (offsets.size() == 1) return load(offsets.front());
  const std::uint32_t start = offsets.front();
  // Of the last frame only the beginning is known: enough for most of them to be whole.
  const std::uint64_t stop = std::min<std::uint64_t>(end, offsets.back() + first_read_size);
  const Buffer buffer{stop - start};
  if (auto read = file_->read_at(start, buffer.span()); !read) {
    return std::unexpected{read.error()};
  }
  LoadedFrames loaded{.owner = buffer.bytes};
  for (const std::uint32_t offset : offsets) {
    const auto bytes = buffer.span().subspan(offset - start);
    const auto size = FrameView::size_at(bytes);
    if (size && *size > bytes.size()) break;  // It goes on behind what was read.
    auto frame = FrameView::parse(bytes, log_seed_);
    if (!frame) return std::unexpected{damaged(offset, frame.error())};
    loaded.frames.push_back(*frame);
  }
  if (loaded.frames.empty()) return load(start);
  return loaded;
}

}  // namespace stele::log
