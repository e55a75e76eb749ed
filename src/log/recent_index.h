// Module: log
// The index of one unsealed segment, in memory: where each stream stands, which events carry a key,
// which appends are in it, and where each event lies in the file. The log keeps one per unsealed
// segment, the newest asked first; "absent in all" proves that the answer, if any, lies before the
// first of them.
//
// Two open-addressing tables (streams: 40-byte slots; the other keys: 24) and one of append ids (8
// bytes: 32 bits of hash and an ordinal). Each is split in 256 parts by the hash's top bits, and a
// part grows alone, so that no insert pauses for a whole table (a part of a segment of a million
// streams has 4,096 slots: 60 us). Postings - the ordinals of a key, ascending - begin in the slot
// (a key with one event costs no more) and go on in chunks of 2 to 1,022 in an arena. The chunks of
// a key are a ring: the slot names the last, which names the first, so adding is one step and
// reading goes forward.
//
// Memory, in bytes: 4 an event (offsets), 4 to 8 for each posting after a key's first (an event has
// a stream, a category, a type and its tags), and at a load of 0.35 to 0.7: 57 to 114 a stream,
// 34 to 69 another key, 11 to 23 an append; plus 180 KiB. `memory_size` tells; a test holds
// `recent_index_event_size_max` for events with one tag each in a stream of ten.
//
// Not thread-safe: the log guards it. Once a segment is full nobody writes, and any number may
// read.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "log/index_key.h"

namespace stele::log {

inline constexpr std::size_t recent_index_event_size_max = 80;  ///< See above; without the base.

/// An event that is about to enter the index. The submitter hashes, so that the writer need not.
struct IndexedEvent {
  KeyHash stream = 0;
  KeyHash category = 0;
  KeyHash type = 0;
  std::span<const KeyHash> tags = {};
  Version version{};  ///< The stream's after this event.
  Tip tip{};          ///< The stream's after this event.
};

class RecentIndex {
 public:
  RecentIndex();
  ~RecentIndex();
  RecentIndex(RecentIndex&&) noexcept;
  RecentIndex& operator=(RecentIndex&&) noexcept;

  /// How many events it holds: also the ordinal of the next.
  [[nodiscard]] Ordinal size() const noexcept { return size_; }

  /// Fetches the cache lines that `add_frame` or a lookup with this key will touch. Call it for a
  /// batch, then do the work for the batch: 48 to 83 ns a key instead of about 200.
  void prefetch(const IndexedEvent& event) const;
  void prefetch_stream(KeyHash stream) const;
  void prefetch_append(KeyHash append_id) const;

  /// Adds the events of one frame (one append), in order; the first gets ordinal `size()`.
  /// `events` is not empty.
  void add_frame(KeyHash append_id, std::uint32_t frame_offset,
                 std::span<const IndexedEvent> events);

  /// Where a stream stands. The hash may be another stream's: read the record of `last` and compare
  /// the name; if it differs, look with `collect` for the last event that has the name.
  [[nodiscard]] std::optional<StreamEntry> find_stream(KeyHash stream) const;

  /// The frames (named by their first ordinals) that may be of this append id: hardly ever more
  /// than one, and for an id that is not here hardly ever one. Read each and compare the id.
  void find_append(KeyHash append_id, std::vector<Ordinal>& out) const;

  /// Where the frame that holds an event lies in the unsealed file. `ordinal` < `size()`.
  [[nodiscard]] std::uint32_t frame_offset(Ordinal ordinal) const;

  /// At most `limit` candidates for `query` among the ordinals from `from` to below `end` (see
  /// `IndexQuery`). Takes at most some 100 ns for each ordinal between the two.
  [[nodiscard]] Candidates collect(const IndexQuery& query, Ordinal from, std::size_t limit,
                                   Ordinal end = ordinal_none) const;

  /// The last `limit` ordinals below `before` of one key (a stream), newest first.
  [[nodiscard]] std::vector<Ordinal> collect_backward(KeyHash key, Ordinal before,
                                                      std::size_t limit) const;

  /// The ordinal of the key's last event, if it has any. The quick answer to "anything since?".
  [[nodiscard]] std::optional<Ordinal> last_of(KeyHash key) const;

  [[nodiscard]] std::size_t memory_size() const;  ///< In bytes.

 private:
  struct Impl;

  std::unique_ptr<Impl> impl_;
  Ordinal size_ = 0;
};

}  // namespace stele::log
