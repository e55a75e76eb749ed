#include "log/segment_chain.h"

namespace stele::log {

std::optional<std::string> SegmentChain::follow(const SegmentHeader& header, Position name) {
  if (header.first != name) return "its name is not its first position.";
  if (header.kind == SegmentKind::sealed && seen_open_) {
    return "it is sealed, and the one before is not.";
  }
  if (!begun_) {
    if (number(header.first) != 1) return "the ones before it are missing.";
  } else {
    if (header.log_id != next_.log_id || header.salt != next_.salt) {
      return "it belongs to another log.";
    }
    if (header.first != next_.first) {
      return "position " + std::to_string(number(next_.first)) + " was to come.";
    }
    if (header.first_group != next_.first_group || header.frames_before != next_.frames_before ||
        header.chain != next_.chain || header.previous_first != next_.previous_first) {
      return "the count or the hash of its frames is another.";
    }
    if (header.epoch < next_.epoch) return "its epoch is older.";
  }
  begun_ = true;
  seen_open_ = header.kind == SegmentKind::open;
  current_ = header;
  return std::nullopt;
}

void SegmentChain::end_segment(Position last, std::uint64_t next_group, std::uint64_t frames,
                               const ChainHash& chain, Timestamp last_recorded_at) {
  next_ = current_;
  next_.kind = SegmentKind::open;
  next_.first = Position{number(last) + 1};
  next_.first_group = next_group;
  next_.frames_before = current_.frames_before + frames;
  next_.chain = chain;
  next_.previous_first = current_.first;
  next_.last_recorded_at = last_recorded_at;
}

}  // namespace stele::log
