#include "log/submission.h"

#include <algorithm>
#include <utility>

#include "log/hash_frame.h"

namespace stele::log {
namespace {

constexpr std::size_t proof_batch = 64;  // Candidates of a condition that are compared at once.

/// The event at `ordinal` of a frame whose first event has ordinal `first`.
std::optional<EventView> event_at(const FrameView& frame, Position position) {
  EventCursor cursor = frame.events();
  for (EventView event; cursor.next(event);) {
    if (event.position == position) return event;
  }
  return std::nullopt;
}

Position position_of(Position first, Ordinal ordinal) { return Position{number(first) + ordinal}; }

const OpenSegment& open_at(const Layout& layout, Position position) {
  auto it = std::ranges::upper_bound(layout.open, position, {},
                                     [](const auto& segment) { return segment->first(); });
  return **std::prev(it);
}

Result<Candidates> candidates(const SealedSegment& segment, const IndexQuery& query, Ordinal from) {
  return segment.collect(query, from, proof_batch);
}

Result<Candidates> candidates(const OpenSegment& segment, const IndexQuery& query, Ordinal from) {
  return segment.collect(query, from, proof_batch);
}

Result<bool> event_matches(const SealedSegment& segment, Ordinal ordinal, const Filter& text) {
  const auto loaded = segment.frame_with(ordinal);
  if (!loaded) return std::unexpected{loaded.error()};
  const auto event = event_at(loaded->frame, position_of(segment.first(), ordinal));
  return event && text.matches(*event);
}

Result<bool> event_matches(const OpenSegment& segment, Ordinal ordinal, const Filter& text) {
  const auto loaded = segment.frame_with(ordinal);
  if (!loaded) return std::unexpected{loaded.error()};
  const auto event = event_at(loaded->frames.front(), position_of(segment.first(), ordinal));
  return event && text.matches(*event);
}

/// The first match in one segment, which has `events` durable events, after `after`, or none.
template <typename Segment>
Result<std::optional<Position>> first_match(const Segment& segment, Ordinal events,
                                            const IndexQuery& query, const Filter& text,
                                            Position after) {
  const std::uint64_t first = number(segment.first());
  auto from = static_cast<Ordinal>(number(after) < first ? 0 : number(after) - first + 1);
  while (from < events) {
    const auto found = candidates(segment, query, from);
    if (!found) return std::unexpected{found.error()};
    for (const Ordinal ordinal : found->ordinals) {
      const auto matches = event_matches(segment, ordinal, text);
      if (!matches) return std::unexpected{matches.error()};
      if (*matches) return std::optional{position_of(segment.first(), ordinal)};
    }
    from = std::max(found->looked_to, from + 1);
  }
  return std::optional<Position>{};
}

Result<void> prove_id(Submission& submission, const SealedSegment& segment) {
  const auto found = segment.find_append(submission.id);
  if (!found) return std::unexpected{found.error()};
  if (*found) submission.known = (*found)->frame.answer();
  return {};
}

/// Looks for a match in a segment's `events` durable events, and moves `checked_to` to their end.
template <typename Segment>
Result<void> prove_condition(Submission& submission, const Segment& segment, Ordinal events) {
  const Position last{number(segment.first()) + events - 1};
  if (submission.condition.empty() || submission.condition_hit || events == 0 ||
      last <= submission.checked_to) {
    return {};
  }
  for (std::size_t i = 0; i < submission.condition.size(); ++i) {
    const auto hit = first_match(segment, events, submission.condition[i],
                                 submission.condition_text[i], submission.checked_to);
    if (!hit) return std::unexpected{hit.error()};
    if (*hit) {
      submission.condition_hit = *hit;
      return {};
    }
  }
  submission.checked_to = last;
  return {};
}

/// The state of a stream in the sealed segments that begin at `from` or later, newest first.
Result<std::optional<StreamState>> sealed_state(const Layout& layout, std::string_view name,
                                                Position from) {
  for (std::size_t i = layout.sealed.size(); i-- > 0;) {
    const SealedSegment& segment = *layout.sealed[i];
    if (segment.first() < from) break;
    const auto entry = segment.find_stream(name);
    if (!entry) return std::unexpected{entry.error()};
    if (*entry) return std::optional{StreamState{(*entry)->version, (*entry)->tip}};
  }
  return std::optional<StreamState>{};
}

Result<void> prove_streams(Submission& submission, const Layout& layout, Position floor_before) {
  for (StreamDemand& demand : submission.streams) {
    if (!demand.wanted_cold && !demand.cold) continue;
    // Known once, only what was sealed since can have changed it.
    const auto state = sealed_state(layout, demand.name, demand.cold ? floor_before : Position{1});
    if (!state) return std::unexpected{state.error()};
    if (*state) demand.cold = **state;
    if (!demand.cold) demand.cold = StreamState{};
    demand.wanted_cold = false;
  }
  return {};
}

Result<void> settle_doubt(Submission& submission, const Layout& layout) {
  const Doubt doubt = *submission.doubt;
  submission.doubt.reset();
  if (doubt.position < layout.floor()) return {};  // Sealed since: the proofs there cover it.
  const OpenSegment& segment = open_at(layout, doubt.position);
  const auto ordinal = static_cast<Ordinal>(number(doubt.position) - number(segment.first()));
  if (ordinal >= segment.durable_events()) {  // Compared in memory already: another stream.
    return fail(Errc::internal, "Two streams of this log share a hash; choose another name.");
  }
  const auto loaded = segment.frame_with(ordinal);
  if (!loaded) return std::unexpected{loaded.error()};
  const FrameView& frame = loaded->frames.front();
  switch (doubt.kind) {
    case Doubt::Kind::append_id:
      if (frame.append_id() == submission.id) {
        submission.known = frame.answer();
      } else {
        submission.other_ids.push_back(doubt.position);
      }
      return {};
    case Doubt::Kind::stream: {
      StreamDemand& demand = submission.streams[doubt.index];
      const auto event = event_at(frame, doubt.position);
      demand.confirmed = event && event->stream == demand.name;
      if (demand.confirmed) return {};
      return fail(Errc::internal, "Two streams of this log share a hash, one of them \"" +
                                      std::string{demand.name} + "\"; choose another name.");
    }
    case Doubt::Kind::condition:
      return {};  // `prove` has looked at all that is durable.
  }
  return {};
}

}  // namespace

Result<void> prove(Submission& submission, const Layout& layout) {
  const Position floor_before = submission.floor;
  for (const auto& segment : layout.sealed) {
    if (segment->first() >= floor_before && !submission.known) {
      if (auto done = prove_id(submission, *segment); !done) return done;
    }
    const auto events =
        static_cast<Ordinal>(number(segment->last()) - number(segment->first()) + 1);
    if (auto done = prove_condition(submission, *segment, events); !done) return done;
  }
  for (const auto& open : layout.open) {
    auto done = prove_condition(submission, *open, open->durable_events());
    if (!done) return done;
  }
  if (auto done = prove_streams(submission, layout, floor_before); !done) return done;
  submission.floor = layout.floor();
  if (submission.doubt) return settle_doubt(submission, layout);
  return {};
}

namespace detail {

Submission demands_of(const AppendRequest& request, std::uint64_t salt) {
  Submission out;
  out.id = request.id.value_or(AppendId{});
  out.digest = request.digest.value_or(Digest{});
  out.id_hash = key_hash(salt, out.id);
  out.streams.reserve(request.streams.size());
  for (const StreamAppend& stream : request.streams) {
    out.streams.push_back({.name = stream.stream,
                           .hash = key_hash(salt, KeyKind::stream, stream.stream),
                           .expected = stream.expected,
                           .events = static_cast<std::uint32_t>(stream.events.size())});
  }
  if (!request.condition) return out;
  out.checked_to = request.condition->after;
  for (const QueryItem& item : request.condition->fail_if) {
    IndexQuery& query = out.condition.emplace_back();
    for (const std::string& type : item.types) {
      query.types.push_back(key_hash(salt, KeyKind::type, type));
    }
    for (const std::string& tag : item.tags) {
      query.tags.push_back(key_hash(salt, KeyKind::tag, tag));
    }
    out.condition_text.push_back({.types = item.types, .tags = item.tags});
  }
  return out;
}

Result<void> hash_events(Submission& submission, std::uint64_t salt) {
  // Decoding what was just encoded checks it once more before it is written.
  const auto frame = FrameView::parse(submission.encoded.bytes(), 0, FrameView::Check::structure);
  if (!frame) {
    return fail(Errc::internal, "An append was encoded badly: " + frame.error().message);
  }
  hash_frame(*frame, salt, submission.events, submission.tag_hashes);
  for (std::size_t i = 0; i < submission.streams.size(); ++i) {
    submission.streams[i].last_tip = submission.encoded.streams()[i].last_tip;
  }
  return {};
}

}  // namespace detail

}  // namespace stele::log
