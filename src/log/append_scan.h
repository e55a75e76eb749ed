// Module: log
// Reads whole appends, oldest first, with what was asked of their streams.

#pragma once

#include <cstddef>

#include "event/append_page.h"
#include "log/layout.h"

namespace stele::log {

/// The events after `after`, append by append, until there are `limit` of them or about
/// `read_page_size_max` bytes; the last append of a page is always there to its end. Errors:
/// `corrupt`, `unavailable`.
[[nodiscard]] Result<AppendPage> scan_appends(const Snapshot& snapshot, Position after,
                                              std::size_t limit);

/// What an export tells of the append in `frame`.
[[nodiscard]] AppendRecord record_of(const FrameView& frame);

}  // namespace stele::log
