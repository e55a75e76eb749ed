// Module: log
// One segment as a reader asks it, sealed or open. Only durable events are seen.

#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "log/layout.h"

namespace stele::log {

/// Cheap to copy; the layout that it came from must outlive it.
class SegmentView {
 public:
  explicit SegmentView(const SealedSegment& segment) : sealed_{&segment} {}
  explicit SegmentView(const OpenSegment& segment) : open_{&segment} {}

  [[nodiscard]] Position first() const { return sealed_ ? sealed_->first() : open_->first(); }
  [[nodiscard]] Ordinal events() const;

  [[nodiscard]] Result<Candidates> collect(const IndexQuery& query, Ordinal from,
                                           std::size_t limit) const;
  [[nodiscard]] Result<std::vector<Ordinal>> collect_backward(KeyHash key, Ordinal before,
                                                              std::size_t limit) const;
  [[nodiscard]] Result<std::optional<StreamPostings>> find_stream(std::string_view name,
                                                                  KeyHash hash) const;
  /// Candidates for a stream that was found here.
  [[nodiscard]] Result<Candidates> collect(const StreamPostings& stream, KeyHash hash, Ordinal from,
                                           std::size_t limit) const;
  /// The frame that holds an event.
  [[nodiscard]] Result<LoadedFrames> frame_with(Ordinal ordinal) const;
  /// That frame and some after it; about as many as hold `limit` events, or fewer.
  [[nodiscard]] Result<LoadedFrames> frames_from(Ordinal ordinal, std::size_t limit) const;
  [[nodiscard]] Result<std::optional<Appended>> find_append(const AppendId& id, KeyHash hash) const;

  /// The segment, if it is sealed; else null.
  [[nodiscard]] const SealedSegment* sealed() const { return sealed_; }

 private:
  const SealedSegment* sealed_ = nullptr;  // One of the two.
  const OpenSegment* open_ = nullptr;
};

/// All segments of a layout, oldest first.
[[nodiscard]] SegmentView view_at(const Layout& layout, std::size_t index);
[[nodiscard]] inline std::size_t segment_count(const Layout& layout) {
  return layout.sealed.size() + layout.open.size();
}
/// The segment that holds, or would hold, `position`.
[[nodiscard]] std::size_t segment_at(const Layout& layout, Position position);

}  // namespace stele::log
