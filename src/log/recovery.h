// Module: log
// Opening a log's folder: from whatever a crash left to a state in which every byte that will be
// shown is proven to be on the disk.
//
//   R1  Leftovers of sealing and of segments in the making ("*.tmp") are removed.
//   R2  The segments' headers must make one chain: log, salt, positions, frames, groups, hashes.
//       Sealed ones come first; each is opened by a few reads, whatever its size.
//   R3  Open segments are read whole. A group that is bad, though a later group (or segment) proves
//       that it had been durable, is damage: `corrupt`, with file and offset, and nothing is
//       changed.
//   R4  Otherwise what is bad at the end of the last segment was never answered: it is cut, and the
//       cut bytes are overwritten with zeros.
//   R5  The last good group is proven by nothing that follows it: a cache that outlived a kill, or
//       pages that a failed sync marked clean, look just like it. So it is written again, byte for
//       byte, and synced, before the log's end is published.

#pragma once

#include <memory>
#include <string>

#include "log/block_cache.h"
#include "log/disk.h"
#include "log/log.h"
#include "log/tail.h"

namespace stele::log {

/// Opens the log in `folder` (that of the segments), or makes one if there is none. `folder` is
/// held by the caller. Errors: as Log::open.
[[nodiscard]] Result<TailStart> recover(Disk& disk, const std::string& folder,
                                        const Environment& environment, const Options& options,
                                        const std::shared_ptr<BlockCache>& cache);

}  // namespace stele::log
