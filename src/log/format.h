// Module: log
// The bytes of the log's files. All numbers are little-endian; "CRC" is CRC-32C (base/crc32c.h).
//
// A log is a row of segment files, each named by its first position in 20 digits: "<20>.seg".
// An *open* segment holds groups, as they were written. A *sealed* one holds the same frames in
// compressed blocks (sealed_segment.h); frames never change, so neither do their CRCs.
//
// SEGMENT HEADER, 4,096 bytes, in front of every segment, open or sealed
//      0   8  magic "STELESEG"
//      8   4  format version (1)
//     12   4  kind: 1 open, 2 sealed
//     16   8  required features: a reader that does not know a bit must refuse (none is defined)
//     24   8  optional features: a reader may ignore a bit that it does not know
//     32  16  log id
//     48   8  salt of the log: random, secret enough that no payload can pose as a header
//     56   8  epoch
//     64   8  first position of the segment
//     72   8  first group number of the segment
//     80   8  frames before this segment, over the whole log
//     88  16  chain: XXH3-128 (canonical) of [the chain in the header of the segment before | all
//             frames of that segment, without group headers and padding]; zeros in the first one
//    104   8  first position of the segment before; 0 in the first one
//    112   8  recorded_at of the last frame before this segment; 0 = none
//    120   8  when the segment was made
//    128      zeros
//  4,092   4  CRC of bytes 0..4,092
//
// GROUP HEADER, 64 bytes, at a multiple of 4,096; then its frames; then zeros to the next multiple.
// A group is what one fdatasync covers. A group without frames is an *idle mark*.
//      0   4  magic "SGRP"
//      4   4  CRC of bytes 8..64, going on from the segment's seed (below)
//      8   8  salt of the log
//     16   8  group number: 1, 2, 3... over the whole log
//     24   4  size: of header and frames, without padding
//     28   4  frames
//     32   8  durable group: the last group that was synced when this one was written
//     40   8  durable position: the log's end then
//     48   8  first position: of the first event in it, or the next one's in an idle mark
//     56   8  zeros
//
// FRAME: one append. It never spans groups. No padding: every byte is under a CRC.
//      0   4  CRC of bytes 4..(64 + 16 x streams), going on from the log's seed (below)
//      4   4  CRC of the body (made by the submitter, outside every lock)
//      8   4  size of the body
//     12   2  streams (1..64)
//     14   2  events (1..4,096)
//     16  16  append id
//     32  16  digest of what was asked
//     48   8  first position; the others follow without gaps, in the order of the body
//     56   8  recorded_at
//     64  16  for each stream: version before (8), tip before (8). With these a replay gives the
//             whole first answer again, for pure checks too.
//   then the BODY:
//          for each stream: events (2), size of the name (1), the name
//          for each event, stream by stream:
//      0  16  event id
//     16   4  size of data
//     20   2  size of metadata
//     22   2  size of the packed tags: (size (1), tag) for each
//     24   2  schema version
//     26   1  size of the type
//     27   1  size of the content type; 0 = "application/json"
//     28   1  size of the key id; 0 = nothing is encrypted
//     29   1  zero (flags to come)
//     30      type, content type, key id, packed tags, metadata, data
//
// Seeds: the log's is CRC(salt); a segment's is CRC(first position, going on from the log's seed).
// So neither stale bytes of another segment nor payload bytes are ever taken for a header.
//
// What a crash can leave: of the last group in the last open segment, any mix of its sectors and
// zeros. Nothing else is ever half there: headers of segments are synced before the file gets its
// name, sealed files before they replace the open one (recovery.h has the rules).

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stele/append.h"
#include "stele/event.h"
#include "stele/ids.h"
#include "stele/time.h"

namespace stele::log {

inline constexpr std::uint32_t format_version = 1;
inline constexpr std::uint64_t known_required_features = 0;

inline constexpr std::size_t segment_header_size = 4'096;
inline constexpr std::size_t group_alignment = 4'096;
inline constexpr std::size_t group_header_size = 64;
inline constexpr std::size_t frame_header_size = 64;
inline constexpr std::size_t stream_head_size = 16;
inline constexpr std::size_t event_header_size = 30;

/// The largest frame that may stand in a log, in bytes: an append at its limit, and what the
/// format adds.
inline constexpr std::size_t frame_size_max = 9 * 1'024 * 1'024;

/// XXH3-128 in its canonical (big-endian) form.
using ChainHash = std::array<std::uint8_t, 16>;

enum class SegmentKind : std::uint32_t { open = 1, sealed = 2 };

struct SegmentHeader {
  SegmentKind kind = SegmentKind::open;
  std::uint64_t required_features = 0;
  std::uint64_t optional_features = 0;
  LogId log_id;
  std::uint64_t salt = 0;
  Epoch epoch{1};
  Position first{1};
  std::uint64_t first_group = 1;
  std::uint64_t frames_before = 0;
  ChainHash chain{};
  Position previous_first{};
  Timestamp last_recorded_at{};
  Timestamp made_at{};

  friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

[[nodiscard]] std::array<std::byte, segment_header_size> encode(const SegmentHeader& header);

/// Errors: `unsupported` (a newer version or an unknown required feature), `corrupt`. `path` is for
/// the message.
[[nodiscard]] Result<SegmentHeader> decode_segment_header(std::span<const std::byte> bytes,
                                                          std::string_view path);

/// "<20 digits>.seg" and "<20 digits>.idx".
[[nodiscard]] std::string segment_name(Position first);
[[nodiscard]] std::string index_name(Position first);
/// The position in a name of one of these forms; 0 if it is none (`suffix` as ".seg").
[[nodiscard]] Position position_in_name(std::string_view name, std::string_view suffix);

[[nodiscard]] std::uint32_t log_seed(std::uint64_t salt) noexcept;
[[nodiscard]] std::uint32_t segment_seed(std::uint64_t salt, Position first) noexcept;

struct GroupHeader {
  std::uint64_t number = 0;
  std::uint32_t size = group_header_size;
  std::uint32_t frames = 0;
  std::uint64_t durable_group = 0;
  Position durable_position{};
  Position first{};

  friend bool operator==(const GroupHeader&, const GroupHeader&) = default;
};

/// What a group of `size` bytes takes in the file, with padding.
[[nodiscard]] constexpr std::uint64_t padded(std::uint64_t size) noexcept {
  return (size + group_alignment - 1) / group_alignment * group_alignment;
}

/// `out` has at least `group_header_size` bytes.
void encode(const GroupHeader& header, std::uint64_t salt, std::uint32_t seed,
            std::span<std::byte> out);
/// True if `bytes` (at least `group_header_size`) hold a group's header of this segment; then
/// `header` is set. The frames after it are not looked at.
[[nodiscard]] bool decode_group_header(std::span<const std::byte> bytes, std::uint64_t salt,
                                       std::uint32_t seed, GroupHeader& header);

/// One stream of a frame. The name is a view into the frame's bytes.
struct FrameStream {
  std::string_view name;
  std::uint32_t events = 0;
  StreamState before;
};

class EventCursor;

/// A frame as it lies in memory, checked. Views live as long as the bytes. Cheap to copy.
class FrameView {
 public:
  enum class Check : std::uint8_t {
    all,        ///< CRCs and structure.
    structure,  ///< Structure only: another checksum over these bytes was just checked.
    known,      ///< Nothing: these very bytes, which nobody can have changed, were parsed before.
  };

  FrameView() = default;

  /// The size of the frame whose first `frame_header_size` bytes are at the front of `bytes`, for
  /// reading the rest; nothing else is proven by it. Errors: `corrupt` (no frame has that size).
  [[nodiscard]] static Result<std::size_t> size_at(std::span<const std::byte> bytes);

  /// What the header alone says of the frame at the front of `bytes`; nothing is proven by it.
  /// Errors: `corrupt` (no frame has that size, or no event).
  struct Place {
    std::size_t size = 0;
    Position first{};
    std::uint32_t events = 0;
  };
  [[nodiscard]] static Result<Place> place_at(std::span<const std::byte> bytes);

  /// The frame at the front of `bytes`, which may go on behind it. `seed` is the log's. Never looks
  /// outside of `bytes`. Errors: `corrupt`.
  [[nodiscard]] static Result<FrameView> parse(std::span<const std::byte> bytes, std::uint32_t seed,
                                               Check check = Check::all);

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] const AppendId& append_id() const { return append_id_; }
  [[nodiscard]] const Digest& digest() const { return digest_; }
  [[nodiscard]] Position first() const { return first_; }
  [[nodiscard]] Position last() const { return Position{number(first_) + event_count_ - 1}; }
  [[nodiscard]] std::uint32_t event_count() const { return event_count_; }
  [[nodiscard]] std::uint32_t stream_count() const { return stream_count_; }
  [[nodiscard]] Timestamp recorded_at() const { return recorded_at_; }
  /// In the order of the request; those without events are its pure checks.
  [[nodiscard]] std::vector<FrameStream> streams() const;
  /// Walks the events in order. The frame's bytes must outlive it.
  [[nodiscard]] EventCursor events() const;
  /// The first answer to this append: streams after it, `replayed` false.
  [[nodiscard]] Appended answer() const;

 private:
  friend class EventCursor;

  [[nodiscard]] bool parse_streams();
  [[nodiscard]] bool check_events() const;

  std::span<const std::byte> bytes_;
  AppendId append_id_;
  Digest digest_{};
  Position first_{};
  Timestamp recorded_at_{};
  std::uint32_t event_count_ = 0;
  std::uint32_t stream_count_ = 0;
  std::size_t streams_at_ = 0;  // The table of names.
  std::size_t events_at_ = 0;   // The first event.
};

/// Yields the events of a parsed frame, one by one. Does not copy bytes.
class EventCursor {
 public:
  explicit EventCursor(const FrameView& frame);

  /// Sets `event` to the next one; false after the last.
  [[nodiscard]] bool next(EventView& event);
  /// The place of the event that `next` gave last, as an offset in the frame.
  [[nodiscard]] std::size_t offset() const { return offset_; }

 private:
  const std::byte* base_;
  std::size_t end_;
  std::size_t at_;
  std::size_t offset_ = 0;
  std::size_t table_at_;
  std::size_t stream_ = 0;
  std::uint32_t left_in_stream_ = 0;
  std::uint32_t left_;
  EventView common_;  // What all events of the frame, or of the stream, share.
};

/// An append in the frame's form, complete but for what only the writer knows. Made by submitters.
class EncodedAppend {
 public:
  struct Stream {
    std::uint32_t events = 0;
    Tip last_tip{};  ///< Of its last event; unset without events.
  };

  EncodedAppend() = default;

  /// `request` is within every limit and has its id and digest. `make_ids` fills the ids of events
  /// that have none: it is called at most once, with all of them. Errors: `too_large`, `invalid`
  /// (a part does not fit its field).
  template <typename MakeIds>
  [[nodiscard]] static Result<EncodedAppend> encode(const AppendRequest& request,
                                                    const MakeIds& make_ids) {
    std::vector<EventId> made(ids_missing(request));
    if (!made.empty()) make_ids(std::span{made});
    return encode_with(request, made);
  }

  /// Fills in what the writer decides and the header's CRC. `before` is by stream.
  void patch(Position first, Timestamp recorded_at, std::span<const StreamState> before,
             std::uint32_t seed);

  [[nodiscard]] std::span<const std::byte> bytes() const { return {bytes_.get(), size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::uint32_t event_count() const { return event_count_; }
  [[nodiscard]] const std::vector<Stream>& streams() const { return streams_; }

 private:
  static std::size_t ids_missing(const AppendRequest& request);
  static Result<EncodedAppend> encode_with(const AppendRequest& request,
                                           std::span<const EventId> made);

  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_ = 0;
  std::uint32_t event_count_ = 0;
  std::vector<Stream> streams_;
};

/// The chain hash of a segment, fed frame by frame (or with any pieces of their bytes, in order).
class FrameChain {
 public:
  explicit FrameChain(const ChainHash& before);
  ~FrameChain();
  FrameChain(FrameChain&&) noexcept;
  FrameChain& operator=(FrameChain&&) noexcept;

  void add(std::span<const std::byte> bytes);
  [[nodiscard]] ChainHash value() const;  ///< Of what was added; more may follow.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace stele::log
