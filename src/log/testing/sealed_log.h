// A segment written by hand, for tests and measurements of sealing: what the log would have
// written, without the log.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "log/disk.h"
#include "log/format.h"
#include "log/index_key.h"
#include "log/seal_segment.h"

namespace stele::log::testing {

/// One event of a told history.
struct ToldEvent {
  std::string stream;
  std::string type = "Happened";
  std::string data = "{}";
  std::vector<std::string> tags = {};
};

/// One event as it was written, for comparing.
struct WrittenEvent {
  ToldEvent told;
  EventId id;
  AppendId append_id;
  Version version{};
  Ordinal frame_first = 0;
};

/// Writes an open segment: frames by `append`, groups by `close_group`, then `finish`.
class OpenSegmentWriter {
 public:
  OpenSegmentWriter(Disk& disk, std::string folder, Position first = Position{1},
                    std::uint64_t salt = 0x5A17);

  /// One frame of events, which may be of several streams.
  void append(const std::vector<ToldEvent>& events);
  void close_group();
  /// Writes the file and says what is to be sealed.
  [[nodiscard]] SealRequest finish();

  [[nodiscard]] const std::vector<WrittenEvent>& written() const { return written_; }
  [[nodiscard]] const SegmentHeader& header() const { return header_; }

 private:
  Disk* disk_;
  std::string folder_;
  SegmentHeader header_;
  std::vector<std::byte> file_;
  std::vector<std::byte> group_;
  GroupHeader group_header_;
  FrameChain chain_;
  std::uint64_t next_;
  std::uint64_t ids_ = 0;
  std::map<std::string, StreamState> streams_;
  std::vector<WrittenEvent> written_;
};

}  // namespace stele::log::testing
