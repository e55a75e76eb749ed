// Judging: is the append what the staged state allows? The lock is held, so there is no I/O here: a
// record that has to be read is named as a doubt, and the submitter reads it.

#include <algorithm>
#include <utility>

#include "log/tail.h"

namespace stele::log {
namespace {

bool as_expected(const Expected& expected, const StreamState& found) {
  switch (expected.kind) {
    case Expected::Kind::any:
      return true;
    case Expected::Kind::none:
      return number(found.version) == 0;
    case Expected::Kind::some:
      return number(found.version) != 0;
    case Expected::Kind::exactly:
      return found.version == expected.version && (!expected.tip || *expected.tip == found.tip);
  }
  return false;
}

Position position_in(const OpenSegment& segment, Ordinal ordinal) {
  return Position{number(segment.first()) + ordinal};
}

std::optional<EventView> event_at(const FrameView& frame, Position position) {
  EventCursor cursor = frame.events();
  for (EventView event; cursor.next(event);) {
    if (event.position == position) return event;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Error> Tail::refusal() const {
  if (failed_) {
    return Error{Errc::unavailable,
                 "The log stopped because the disk failed; start the program again. The reason: " +
                     failed_->message};
  }
  if (stopping_) return Error{Errc::shutting_down, "The log is closing."};
  if (options_.read_only) return Error{Errc::read_only, "The log was opened for reading only."};
  return std::nullopt;
}

Tail::Judgement Tail::judge(Submission& submission) const {
  if (auto refused = refusal()) return {.verdict = Verdict::refused, .error = std::move(refused)};
  if (submission.known) return answer_known(submission);
  if (submission.floor != layout_->floor()) return {.verdict = Verdict::unproven};
  if (!look_for_id(submission)) return {.verdict = Verdict::unproven};
  if (submission.known) return answer_known(submission);

  Judgement judged;
  std::vector<std::optional<Found>> found(submission.streams.size());
  if (!find_streams(submission, judged.before, found)) return {.verdict = Verdict::unproven};
  Conflict conflict;
  for (std::size_t i = 0; i < submission.streams.size(); ++i) {
    if (as_expected(submission.streams[i].expected, judged.before[i])) continue;
    if (found[i] && !confirm_conflict(submission, i, *found[i])) {
      return {.verdict = Verdict::unproven};
    }
    conflict.streams.push_back({.index = i, .found = judged.before[i]});
  }
  if (!check_condition(submission)) return {.verdict = Verdict::unproven};
  conflict.condition_position = submission.condition_hit;
  if (!conflict.streams.empty() || conflict.condition_position) {
    judged.verdict = Verdict::answered;
    judged.outcome = std::move(conflict);
  } else if (!submission.writes()) {
    judged.verdict = Verdict::answered;
    judged.outcome = answer_pure_check(submission, judged.before);
  }
  return judged;
}

Tail::Judgement Tail::answer_known(const Submission& submission) const {
  if (submission.known->digest != submission.digest) {
    return {.verdict = Verdict::answered,
            .error = Error{Errc::id_reused, "The append id " + submission.id.text() +
                                                " was used for another request; choose a new "
                                                "one."}};
  }
  Appended answer = *submission.known;
  answer.replayed = true;
  return {.verdict = Verdict::answered, .outcome = std::move(answer)};
}

Appended Tail::answer_pure_check(const Submission& submission,
                                 const std::vector<StreamState>& states) const {
  // What is staged is durable when the answer is given.
  return {.id = submission.id,
          .digest = submission.digest,
          .last = Position{number(next_position_) - 1},
          .recorded_at = last_recorded_at_,
          .streams = states};
}

std::optional<FrameView> Tail::staged_frame(const OpenSegment& segment, Ordinal ordinal) const {
  if (ordinal < segment.durable_events()) return std::nullopt;
  const std::uint64_t offset = segment.index().frame_offset(ordinal);
  for (const auto& group : groups_) {
    if (group->segment.get() != &segment || offset < group->offset ||
        offset >= group->offset + group->size) {
      continue;
    }
    const auto bytes = std::span{group->bytes}.first(group->size).subspan(offset - group->offset);
    const auto frame = FrameView::parse(bytes, log_seed_, FrameView::Check::structure);
    if (frame) return *frame;
  }
  return std::nullopt;
}

bool Tail::look_for_id(Submission& submission) const {
  std::vector<Ordinal> candidates;
  for (auto segment = open_.rbegin(); segment != open_.rend(); ++segment) {
    candidates.clear();
    (*segment)->index().find_append(submission.id_hash, candidates);
    for (const Ordinal ordinal : candidates) {
      const Position position = position_in(**segment, ordinal);
      if (std::ranges::find(submission.other_ids, position) != submission.other_ids.end()) continue;
      const auto frame = staged_frame(**segment, ordinal);
      if (!frame) {
        submission.doubt = Doubt{.kind = Doubt::Kind::append_id, .position = position};
        return false;
      }
      if (frame->append_id() != submission.id) continue;
      submission.known = frame->answer();
      return true;
    }
  }
  return true;
}

bool Tail::find_streams(Submission& submission, std::vector<StreamState>& states,
                        std::vector<std::optional<Found>>& found) const {
  bool all = true;
  states.reserve(submission.streams.size());
  for (std::size_t i = 0; i < submission.streams.size(); ++i) {
    StreamDemand& demand = submission.streams[i];
    for (auto segment = open_.rbegin(); segment != open_.rend() && !found[i]; ++segment) {
      if (const auto entry = (*segment)->index().find_stream(demand.hash)) {
        found[i] = Found{.entry = *entry, .segment = segment->get()};
      }
    }
    if (found[i]) {
      states.push_back({.version = found[i]->entry.version, .tip = found[i]->entry.tip});
    } else if (layout_->sealed.empty() || demand.cold) {
      states.push_back(demand.cold.value_or(StreamState{}));
    } else {
      demand.wanted_cold = true;
      all = false;
    }
  }
  return all;
}

bool Tail::confirm_conflict(Submission& submission, std::size_t index, const Found& found) const {
  StreamDemand& demand = submission.streams[index];
  if (demand.confirmed) return true;
  const Position position = position_in(*found.segment, found.entry.last);
  if (const auto frame = staged_frame(*found.segment, found.entry.last)) {
    const auto event = event_at(*frame, position);
    demand.confirmed = event && event->stream == demand.name;
  }
  if (demand.confirmed) return true;
  submission.doubt = Doubt{.kind = Doubt::Kind::stream, .position = position, .index = index};
  return false;
}

bool Tail::check_condition(Submission& submission) const {
  if (submission.condition.empty() || submission.condition_hit) return true;
  return std::ranges::all_of(open_, [&](const auto& segment) {
    return submission.condition_hit || check_condition_in(submission, *segment);
  });
}

bool Tail::check_condition_in(Submission& submission, const OpenSegment& segment) const {
  const std::uint64_t first = number(segment.first());
  const std::uint64_t after = number(submission.checked_to);
  for (std::size_t i = 0; i < submission.condition.size(); ++i) {
    auto from = static_cast<Ordinal>(after < first ? 0 : after - first + 1);
    while (from < segment.index().size()) {
      const Candidates found = segment.index().collect(submission.condition[i], from, 1);
      from = std::max(found.looked_to, from + 1);
      if (found.ordinals.empty()) continue;
      const Position position = position_in(segment, found.ordinals.front());
      const auto frame = staged_frame(segment, found.ordinals.front());
      if (!frame) {
        submission.doubt = Doubt{.kind = Doubt::Kind::condition, .position = position, .index = i};
        return false;
      }
      const auto event = event_at(*frame, position);
      if (!event || !submission.condition_text[i].matches(*event)) continue;
      submission.condition_hit = position;
      return true;
    }
  }
  return true;
}

}  // namespace stele::log
