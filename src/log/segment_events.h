// Module: log
// Single events of one segment, read by their ordinals, with the memory that they view.

#pragma once

#include <memory>
#include <span>
#include <vector>

#include "log/segment_view.h"

namespace stele::log {

/// Keeps what was read last, so that events of one frame, or of one run, are read once. Not
/// thread-safe. `segment`'s layout must outlive it.
class SegmentEvents {
 public:
  enum class Ahead : std::uint8_t {
    one,  ///< Others will be far away.
    run,  ///< Those after it will be asked for next: a long piece is read at once.
  };

  explicit SegmentEvents(const SegmentView& segment) : segment_{segment} {}

  /// These will be asked for next, in this order: they are fetched together. Errors: `corrupt`,
  /// `unavailable`.
  [[nodiscard]] Result<void> expect(std::span<const Ordinal> ordinals);

  /// The event at `ordinal`; valid until the next call. Errors: `corrupt`, `unavailable`.
  [[nodiscard]] Result<const EventView*> at(Ordinal ordinal, Ahead ahead);

  /// What the event that `at` gave last views.
  [[nodiscard]] const std::shared_ptr<const void>& owner() const { return owner_; }

 private:
  [[nodiscard]] Result<void> load(Ordinal ordinal, Ahead ahead);
  [[nodiscard]] BlockPtr expected_block(Ordinal ordinal);
  void decode(const FrameView& frame);

  const SegmentView segment_;
  std::vector<Ordinal> expected_;
  std::vector<BlockPtr> blocks_;  // Of `expected_`, one each; of a sealed segment only.
  std::size_t next_expected_ = 0;
  std::shared_ptr<const void> owner_;
  std::vector<EventView> events_;
};

}  // namespace stele::log
