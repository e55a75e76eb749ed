// Module: log
// One segment as a reader asks it, sealed or open. Only durable events are seen.

#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "log/layout.h"

namespace stele::log {

class SegmentView {
 public:
  explicit SegmentView(std::shared_ptr<const SealedSegment> segment)
      : sealed_{std::move(segment)} {}
  explicit SegmentView(std::shared_ptr<const OpenSegment> segment) : open_{std::move(segment)} {}

  [[nodiscard]] Position first() const { return sealed_ ? sealed_->first() : open_->first(); }
  [[nodiscard]] Ordinal events() const;

  [[nodiscard]] Result<Candidates> collect(const IndexQuery& query, Ordinal from,
                                           std::size_t limit) const;
  [[nodiscard]] Result<std::vector<Ordinal>> collect_backward(KeyHash key, Ordinal before,
                                                              std::size_t limit) const;
  [[nodiscard]] Result<std::optional<StreamEntry>> find_stream(std::string_view name,
                                                               KeyHash hash) const;
  /// The frame that holds an event.
  [[nodiscard]] Result<LoadedFrames> frame_with(Ordinal ordinal) const;
  /// That frame and some after it; about as many as hold `limit` events, or fewer.
  [[nodiscard]] Result<LoadedFrames> frames_from(Ordinal ordinal, std::size_t limit) const;
  [[nodiscard]] Result<std::optional<Appended>> find_append(const AppendId& id, KeyHash hash) const;

 private:
  std::shared_ptr<const SealedSegment> sealed_;  // One of the two.
  std::shared_ptr<const OpenSegment> open_;
};

/// All segments of a layout, oldest first.
[[nodiscard]] SegmentView view_at(const Layout& layout, std::size_t index);
[[nodiscard]] inline std::size_t segment_count(const Layout& layout) {
  return layout.sealed.size() + layout.open.size();
}
/// The segment that holds, or would hold, `position`.
[[nodiscard]] std::size_t segment_at(const Layout& layout, Position position);

}  // namespace stele::log
