// Module: log
// Reading a snapshot of the log: scans, filters, streams, appends by id. No lock is held while
// bytes are read and checked; every hash match is compared with the record.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "log/layout.h"
#include "stele/append.h"

namespace stele::log {

/// Bytes of frames after which a read returns what it has, if that is anything.
inline constexpr std::size_t read_page_size_max = 8 * 1'024 * 1'024;

class Reader {
 public:
  /// `snapshot` must outlive the reader.
  Reader(const Snapshot& snapshot, std::uint64_t salt) : snapshot_{snapshot}, salt_{salt} {}

  [[nodiscard]] Result<ReadPage> read_all(Position after, const Filter& filter,
                                          std::size_t limit) const;
  [[nodiscard]] Result<StreamPage> read_stream(std::string_view stream, Version after,
                                               std::size_t limit, Direction direction) const;
  [[nodiscard]] Result<StreamState> stream_tip(std::string_view stream) const;
  [[nodiscard]] Result<std::optional<Appended>> find_append(const AppendId& id) const;

 private:
  const Snapshot& snapshot_;
  const std::uint64_t salt_;
};

}  // namespace stele::log
