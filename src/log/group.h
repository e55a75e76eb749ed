// Module: log
// What one sync makes durable: frames that wait for it, and the answers that wait with them.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "log/format.h"
#include "log/open_segment.h"
#include "stele/append.h"

namespace stele::log {

/// How blocking appenders hear that their group is done. `error` is written before `done`.
///
/// Waking a sleeping thread costs one to two microseconds of the one who wakes. So the sync role
/// wakes one, and goes on to the next group; that one wakes the rest. Nobody spins: a sync takes a
/// hundred times longer than the longest spin that would pay.
class GroupEnd {
 public:
  /// Wakes all who wait, by and by.
  void finish(std::optional<Error> why);
  void wait();
  [[nodiscard]] bool done() const { return done_.load(std::memory_order_acquire) != 0; }
  /// Once it is done.
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  std::atomic<std::uint32_t> done_{0};
  std::atomic<bool> rest_woken_{false};
  std::optional<Error> error_ = std::nullopt;
};

/// An asynchronous answer, complete but for the sync.
struct Answer {
  CompletionQueue* queue = nullptr;
  Completion completion;
};

struct Group {
  std::shared_ptr<OpenSegment> segment;
  std::uint64_t offset = 0;  ///< In the segment's file.
  std::uint64_t number = 0;
  Position first{};  ///< Of its first event; of the next one, without events.
  Position last{};   ///< Of its last event; first - 1 without events.
  std::uint32_t frames = 0;
  bool closed = false;
  Timestamp last_recorded_at{};
  std::size_t size = group_header_size;  ///< Of header and frames.
  std::vector<std::byte> bytes = {};     ///< These; and padding, once it is closed.
  std::vector<Answer> answers = {};
  std::size_t waiting = 0;  ///< Blocking appenders.
  std::shared_ptr<GroupEnd> end = std::make_shared<GroupEnd>();

  [[nodiscard]] std::uint64_t end_offset() const { return offset + padded(size); }
};

}  // namespace stele::log
