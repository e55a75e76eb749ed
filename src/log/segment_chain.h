// Module: log
// That the segments of a folder are one log: each header repeats what the one before ended with.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "log/format.h"

namespace stele::log {

class SegmentChain {
 public:
  /// Says why the segment with this header, in a file named after `name`, cannot be the next one;
  /// none if it can, and then it is.
  [[nodiscard]] std::optional<std::string> follow(const SegmentHeader& header, Position name);

  /// What the segment that was followed last ends with.
  void end_segment(Position last, std::uint64_t next_group, std::uint64_t frames,
                   const ChainHash& chain, Timestamp last_recorded_at);

  [[nodiscard]] bool begun() const { return begun_; }
  /// The header that an open segment after the last one would have, but for `made_at`.
  [[nodiscard]] const SegmentHeader& next() const { return next_; }
  /// The position of the last event so far.
  [[nodiscard]] Position end() const { return Position{number(next_.first) - 1}; }

 private:
  bool begun_ = false;
  bool seen_open_ = false;
  SegmentHeader current_;
  SegmentHeader next_;
};

}  // namespace stele::log
