#include "log/segment_events.h"

#include <string>
#include <utility>

namespace stele::log {
namespace {

constexpr std::size_t run_events = 512;  // Read at once when the next ones will be wanted.

}  // namespace

Result<void> SegmentEvents::expect(std::span<const Ordinal> ordinals) {
  next_expected_ = 0;
  blocks_.clear();
  expected_.clear();
  if (segment_.sealed() == nullptr) return {};
  expected_.assign(ordinals.begin(), ordinals.end());
  blocks_.resize(ordinals.size());
  return segment_.sealed()->blocks_with(ordinals, blocks_);
}

BlockPtr SegmentEvents::expected_block(Ordinal ordinal) {
  while (next_expected_ < expected_.size() && expected_[next_expected_] < ordinal) {
    ++next_expected_;
  }
  if (next_expected_ == expected_.size() || expected_[next_expected_] != ordinal) return nullptr;
  return std::move(blocks_[next_expected_++]);
}

void SegmentEvents::decode(const FrameView& frame) {
  EventCursor cursor = frame.events();
  for (EventView event; cursor.next(event);) events_.push_back(event);
}

Result<void> SegmentEvents::load(Ordinal ordinal, Ahead ahead) {
  events_.clear();
  const SealedSegment* const sealed = segment_.sealed();
  if (sealed != nullptr && ahead == Ahead::one) {
    BlockPtr block = expected_block(ordinal);
    if (block == nullptr) {
      auto found = sealed->block_with(ordinal);
      if (!found) return std::unexpected{found.error()};
      block = std::move(*found);
    }
    const auto frame = sealed->frame_in(*block, ordinal);
    if (!frame) return std::unexpected{frame.error()};
    decode(*frame);
    owner_ = std::move(block);
    return {};
  }
  auto loaded = ahead == Ahead::run ? segment_.frames_from(ordinal, run_events)
                                    : segment_.frame_with(ordinal);
  if (!loaded) return std::unexpected{loaded.error()};
  owner_ = std::move(loaded->owner);
  for (const FrameView& frame : loaded->frames) decode(frame);
  return {};
}

Result<const EventView*> SegmentEvents::at(Ordinal ordinal, Ahead ahead) {
  const std::uint64_t position = number(segment_.first()) + ordinal;
  const bool held = !events_.empty() && position >= number(events_.front().position) &&
                    position <= number(events_.back().position);
  if (!held) {
    if (auto done = load(ordinal, ahead); !done) return std::unexpected{done.error()};
  }
  const std::uint64_t front = events_.empty() ? 0 : number(events_.front().position);
  if (position < front || position - front >= events_.size()) {
    return fail(Errc::corrupt, "Position " + std::to_string(position) +
                                   " is not where the index says. Run `stele verify`.");
  }
  return &events_[position - front];
}

}  // namespace stele::log
