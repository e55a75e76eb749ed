// Module: log
// The keys of a frame's events, as the index of an open segment takes them.

#pragma once

#include <cstdint>
#include <vector>

#include "log/format.h"
#include "log/recent_index.h"

namespace stele::log {

/// Replaces `events` by the frame's, and `tag_hashes` by what they view.
void hash_frame(const FrameView& frame, std::uint64_t salt, std::vector<IndexedEvent>& events,
                std::vector<KeyHash>& tag_hashes);

}  // namespace stele::log
