// The frame of format.h: decoding that never leaves its bytes, and encoding in two steps (the
// submitter's and the writer's).

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "base/crc32c.h"
#include "log/bytes.h"
#include "log/format.h"

namespace stele::log {
namespace {

constexpr std::size_t body_crc_at = 4;
constexpr std::size_t body_size_at = 8;
constexpr std::size_t streams_count_at = 12;
constexpr std::size_t events_count_at = 14;
constexpr std::size_t append_id_at = 16;
constexpr std::size_t digest_at = 32;
constexpr std::size_t first_at = 48;
constexpr std::size_t recorded_at_at = 56;
constexpr std::size_t table_entry_size = 3;  // Of a stream in the body, without its name.

std::unexpected<Error> frame_corrupt(std::string_view why) {
  return fail(Errc::corrupt, "A frame " + std::string{why} + ".");
}

std::size_t heads_end(std::size_t streams) {
  return frame_header_size + streams * stream_head_size;
}

struct EventSizes {
  std::size_t data, metadata, tags, type, content_type, key_id;

  [[nodiscard]] std::size_t total() const {
    return event_header_size + type + content_type + key_id + tags + metadata + data;
  }
};

EventSizes load_sizes(const std::byte* at) noexcept {
  return {.data = load<std::uint32_t>(at + 16),
          .metadata = load<std::uint16_t>(at + 20),
          .tags = load<std::uint16_t>(at + 22),
          .type = load<std::uint8_t>(at + 26),
          .content_type = load<std::uint8_t>(at + 27),
          .key_id = load<std::uint8_t>(at + 28)};
}

bool tags_are_whole(std::string_view packed) {
  while (!packed.empty()) {
    const std::size_t size = std::size_t{1} + static_cast<std::uint8_t>(packed.front());
    if (size > packed.size()) return false;
    packed.remove_prefix(size);
  }
  return true;
}

std::size_t packed_size(std::span<const std::string_view> tags) {
  std::size_t size = 0;
  for (const std::string_view tag : tags) size += 1 + tag.size();
  return size;
}

EventSizes sizes_of(const NewEvent& event) {
  const bool json = event.content_type == content_type_json;
  return {.data = event.data.size(),
          .metadata = event.metadata.size(),
          .tags = packed_size(event.tags),
          .type = event.type.size(),
          .content_type = json ? 0 : event.content_type.size(),
          .key_id = event.key_id.size()};
}

bool fits(const EventSizes& sizes, std::span<const std::string_view> tags) {
  return sizes.data <= frame_size_max && sizes.metadata <= 0xFFFF && sizes.tags <= 0xFFFF &&
         sizes.type <= 0xFF && sizes.content_type <= 0xFF && sizes.key_id <= 0xFF &&
         std::ranges::all_of(tags, [](std::string_view tag) { return tag.size() <= 0xFF; });
}

/// Writes forward; the space was computed before.
class Cursor {
 public:
  explicit Cursor(std::byte* at) : at_{at} {}

  template <std::integral T>
  void number(T value) {
    store(at_, value);
    at_ += sizeof value;
  }
  void raw(const void* data, std::size_t size) {
    if (size != 0) std::memcpy(at_, data, size);
    at_ += size;
  }
  void text(std::string_view value) { raw(value.data(), value.size()); }
  [[nodiscard]] const std::byte* at() const { return at_; }

 private:
  std::byte* at_;
};

void put_event(Cursor& out, const NewEvent& event, const EventId& id) {
  const EventSizes sizes = sizes_of(event);
  out.raw(id.bytes.data(), id.bytes.size());
  out.number(static_cast<std::uint32_t>(sizes.data));
  out.number(static_cast<std::uint16_t>(sizes.metadata));
  out.number(static_cast<std::uint16_t>(sizes.tags));
  out.number(event.schema_version);
  out.number(static_cast<std::uint8_t>(sizes.type));
  out.number(static_cast<std::uint8_t>(sizes.content_type));
  out.number(static_cast<std::uint8_t>(sizes.key_id));
  out.number(std::uint8_t{0});
  out.text(event.type);
  if (sizes.content_type != 0) out.text(event.content_type);
  out.text(event.key_id);
  for (const std::string_view tag : event.tags) {
    out.number(static_cast<std::uint8_t>(tag.size()));
    out.text(tag);
  }
  out.text(event.metadata);
  out.text(event.data);
}

/// The size of the body, or an error that names the part that does not fit its field.
Result<std::size_t> body_size(const AppendRequest& request) {
  std::size_t size = 0;
  for (const StreamAppend& stream : request.streams) {
    if (stream.stream.size() > 0xFF) return fail(Errc::invalid, "A stream's name is too long.");
    size += table_entry_size + stream.stream.size();
    for (const NewEvent& event : stream.events) {
      const EventSizes sizes = sizes_of(event);
      if (!fits(sizes, event.tags)) {
        return fail(Errc::too_large, "An event of stream \"" + std::string{stream.stream} +
                                         "\" has a part that is over its limit.");
      }
      size += sizes.total();
    }
  }
  return size;
}

}  // namespace

Result<std::size_t> FrameView::size_at(std::span<const std::byte> bytes) {
  if (bytes.size() < frame_header_size) return frame_corrupt("is cut short");
  const std::size_t streams = load<std::uint16_t>(bytes.data() + streams_count_at);
  const std::size_t size = heads_end(streams) + load<std::uint32_t>(bytes.data() + body_size_at);
  if (streams == 0 || streams > limits::append_streams_max || size > frame_size_max) {
    return frame_corrupt("has an impossible size");
  }
  return size;
}

Result<FrameView::Place> FrameView::place_at(std::span<const std::byte> bytes) {
  const auto size = size_at(bytes);
  if (!size) return std::unexpected{size.error()};
  const std::byte* const at = bytes.data();
  const Place place{.size = *size,
                    .first = Position{load<std::uint64_t>(at + first_at)},
                    .events = load<std::uint16_t>(at + events_count_at)};
  if (place.events == 0) return frame_corrupt("has no events");
  return place;
}

Result<FrameView> FrameView::parse(std::span<const std::byte> bytes, std::uint32_t seed,
                                   Check check) {
  const auto size = size_at(bytes);
  if (!size) return std::unexpected{size.error()};
  if (*size > bytes.size()) return frame_corrupt("is cut short");
  const std::byte* at = bytes.data();
  FrameView view;
  view.bytes_ = bytes.first(*size);
  view.stream_count_ = load<std::uint16_t>(at + streams_count_at);
  view.event_count_ = load<std::uint16_t>(at + events_count_at);
  view.streams_at_ = heads_end(view.stream_count_);
  if (check == Check::all) {
    if (load<std::uint32_t>(at) != crc32c(at + 4, view.streams_at_ - 4, seed)) {
      return frame_corrupt("fails its header's checksum");
    }
    if (load<std::uint32_t>(at + body_crc_at) != crc32c(view.bytes_.subspan(view.streams_at_))) {
      return frame_corrupt("fails its body's checksum");
    }
  }
  std::memcpy(view.append_id_.bytes.data(), at + append_id_at, 16);
  std::memcpy(view.digest_.data(), at + digest_at, 16);
  view.first_ = Position{load<std::uint64_t>(at + first_at)};
  view.recorded_at_ = Timestamp{load<std::int64_t>(at + recorded_at_at)};
  if (!view.parse_streams() || (check != Check::known && !view.check_events())) {
    return frame_corrupt("does not hold together");
  }
  return view;
}

bool FrameView::parse_streams() {
  std::size_t at = streams_at_;
  std::size_t events = 0;
  for (std::uint32_t i = 0; i < stream_count_; ++i) {
    if (bytes_.size() - at < table_entry_size) return false;
    events += load<std::uint16_t>(&bytes_[at]);
    const std::size_t entry = table_entry_size + load<std::uint8_t>(&bytes_[at + 2]);
    if (entry == table_entry_size || bytes_.size() - at < entry) return false;
    at += entry;
  }
  events_at_ = at;
  return events == event_count_ && events != 0 && events <= limits::append_events_max;
}

bool FrameView::check_events() const {
  std::size_t at = events_at_;
  for (std::uint32_t i = 0; i < event_count_; ++i) {
    if (bytes_.size() - at < event_header_size) return false;
    const EventSizes sizes = load_sizes(&bytes_[at]);
    if (sizes.total() > bytes_.size() - at) return false;
    if (sizes.tags != 0) {
      const std::size_t tags_at =
          at + event_header_size + sizes.type + sizes.content_type + sizes.key_id;
      if (!tags_are_whole(text_at(&bytes_[tags_at], sizes.tags))) return false;
    }
    at += sizes.total();
  }
  return at == bytes_.size();
}

std::vector<FrameStream> FrameView::streams() const {
  std::vector<FrameStream> out(stream_count_);
  std::size_t at = streams_at_;
  for (std::uint32_t i = 0; i < stream_count_; ++i) {
    const std::byte* head = &bytes_[frame_header_size + i * stream_head_size];
    out[i].before = {.version = Version{load<std::uint64_t>(head)},
                     .tip = Tip{load<std::uint64_t>(head + 8)}};
    out[i].events = load<std::uint16_t>(&bytes_[at]);
    out[i].name = text_at(&bytes_[at + table_entry_size], load<std::uint8_t>(&bytes_[at + 2]));
    at += table_entry_size + out[i].name.size();
  }
  return out;
}

EventCursor FrameView::events() const { return EventCursor{*this}; }

Appended FrameView::answer() const {
  Appended out;
  out.id = append_id_;
  out.digest = digest_;
  out.first = first_;
  out.last = last();
  out.recorded_at = recorded_at_;
  EventCursor cursor = events();
  for (const FrameStream& stream : streams()) {
    StreamState state = stream.before;
    EventView event;
    for (std::uint32_t i = 0; i < stream.events && cursor.next(event); ++i) {
      state = {.version = event.version, .tip = tip_of(event.id)};
    }
    out.streams.push_back(state);
  }
  return out;
}

EventCursor::EventCursor(const FrameView& frame)
    : base_{frame.bytes_.data()},
      end_{frame.bytes_.size()},
      at_{frame.events_at_},
      table_at_{frame.streams_at_},
      left_{frame.event_count_} {
  common_.position = Position{number(frame.first_) - 1};
  common_.recorded_at = frame.recorded_at_;
  common_.append_id = frame.append_id_;
}

bool EventCursor::next(EventView& event) {
  if (left_ == 0 || at_ >= end_) return false;
  --left_;
  while (left_in_stream_ == 0) {
    left_in_stream_ = load<std::uint16_t>(base_ + table_at_);
    const std::size_t name_size = load<std::uint8_t>(base_ + table_at_ + 2);
    common_.stream = text_at(base_ + table_at_ + table_entry_size, name_size);
    common_.version =
        Version{load<std::uint64_t>(base_ + frame_header_size + stream_ * stream_head_size)};
    table_at_ += table_entry_size + name_size;
    ++stream_;
  }
  --left_in_stream_;
  common_.position = Position{number(common_.position) + 1};
  common_.version = Version{number(common_.version) + 1};
  offset_ = at_;
  const std::byte* at = base_ + at_;
  const EventSizes sizes = load_sizes(at);
  at_ += sizes.total();
  event = common_;
  std::memcpy(event.id.bytes.data(), at, 16);
  event.schema_version = load<std::uint16_t>(at + 24);
  at += event_header_size;
  const auto take = [&at](std::size_t size) {
    const std::string_view part = text_at(at, size);
    at += size;
    return part;
  };
  event.type = take(sizes.type);
  event.content_type = sizes.content_type == 0 ? content_type_json : take(sizes.content_type);
  event.key_id = take(sizes.key_id);
  event.tags = TagList{take(sizes.tags)};
  event.metadata = take(sizes.metadata);
  event.data = take(sizes.data);
  return true;
}

std::size_t EncodedAppend::ids_missing(const AppendRequest& request) {
  std::size_t missing = 0;
  for (const StreamAppend& stream : request.streams) {
    missing += static_cast<std::size_t>(
        std::ranges::count_if(stream.events, [](const NewEvent& e) { return e.id.is_nil(); }));
  }
  return missing;
}

Result<EncodedAppend> EncodedAppend::encode_with(const AppendRequest& request,
                                                 std::span<const EventId> made) {
  const auto body = body_size(request);
  if (!body) return std::unexpected{body.error()};
  const std::size_t heads = heads_end(request.streams.size());
  if (heads + *body > frame_size_max) {
    return fail(Errc::too_large, "An append takes " + std::to_string(heads + *body) +
                                     " bytes; at most " + std::to_string(frame_size_max) +
                                     " are allowed.");
  }
  EncodedAppend out;
  out.size_ = heads + *body;
  out.bytes_ = std::make_unique_for_overwrite<std::byte[]>(out.size_);
  out.streams_.reserve(request.streams.size());

  Cursor table{out.bytes_.get() + heads};
  for (const StreamAppend& stream : request.streams) {
    table.number(static_cast<std::uint16_t>(stream.events.size()));
    table.number(static_cast<std::uint8_t>(stream.stream.size()));
    table.text(stream.stream);
  }
  std::size_t next_made = 0;
  for (const StreamAppend& stream : request.streams) {
    Stream& summary = out.streams_.emplace_back();
    summary.events = static_cast<std::uint32_t>(stream.events.size());
    for (const NewEvent& event : stream.events) {
      const EventId& id = event.id.is_nil() ? made[next_made++] : event.id;
      put_event(table, event, id);
      summary.last_tip = tip_of(id);
    }
    out.event_count_ += summary.events;
  }

  std::byte* at = out.bytes_.get();
  std::memset(at, 0, heads);
  store(at + body_crc_at, crc32c(at + heads, *body));
  store(at + body_size_at, static_cast<std::uint32_t>(*body));
  store(at + streams_count_at, static_cast<std::uint16_t>(request.streams.size()));
  store(at + events_count_at, static_cast<std::uint16_t>(out.event_count_));
  const AppendId id = request.id.value_or(AppendId{});
  const Digest digest = request.digest.value_or(Digest{});
  std::memcpy(at + append_id_at, id.bytes.data(), id.bytes.size());
  std::memcpy(at + digest_at, digest.data(), digest.size());
  return out;
}

void EncodedAppend::patch(Position first, Timestamp recorded_at,
                          std::span<const StreamState> before, std::uint32_t seed) {
  std::byte* at = bytes_.get();
  store(at + first_at, number(first));
  store(at + recorded_at_at, micros(recorded_at));
  for (std::size_t i = 0; i < before.size(); ++i) {
    std::byte* head = at + frame_header_size + i * stream_head_size;
    store(head, number(before[i].version));
    store(head + 8, number(before[i].tip));
  }
  store(at, crc32c(at + 4, heads_end(before.size()) - 4, seed));
}

struct FrameChain::State {
  XXH3_state_t* hash = XXH3_createState();
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { XXH3_freeState(hash); }
};

FrameChain::FrameChain(const ChainHash& before) : state_{std::make_unique<State>()} {
  XXH3_128bits_reset(state_->hash);
  XXH3_128bits_update(state_->hash, before.data(), before.size());
}
FrameChain::~FrameChain() = default;
FrameChain::FrameChain(FrameChain&&) noexcept = default;
FrameChain& FrameChain::operator=(FrameChain&&) noexcept = default;

void FrameChain::add(std::span<const std::byte> bytes) {
  XXH3_128bits_update(state_->hash, bytes.data(), bytes.size());
}

ChainHash FrameChain::value() const {
  XXH128_canonical_t canonical{};
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_->hash));
  ChainHash out{};
  std::copy(std::begin(canonical.digest), std::end(canonical.digest), out.begin());
  return out;
}

}  // namespace stele::log
