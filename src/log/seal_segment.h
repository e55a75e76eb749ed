// Module: log
// Sealing: turns a full, durable segment into its sealed form (sealed_segment.h), in steps of which
// each may be the last one before a crash.
//
//   step                                     a crash after it leaves
//   1 write <20>.seg.tmp, sync it              the open segment; leftovers are removed on opening
//   2 write <20>.idx.tmp, sync it            the same
//   3 link .seg to the name to keep, if any    the same, with one more name, which opening removes
//   4 rename .idx.tmp to .idx                the open segment and an index, which is ignored
//   5 sync the folder                        the same, for sure
//   6 rename .seg.tmp to .seg                the open or the sealed segment, whole, and its index
//   7 sync the folder                        the sealed segment
//
// Readers that hold the open file read on: the name is gone, the bytes are not. The frames are the
// same in both forms, and so is their chain hash, which is compared before step 2.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "log/disk.h"
#include "log/format.h"

namespace stele::log {

/// Asked between groups; may wait; false = give up for now.
using MayGoOn = std::function<bool()>;

/// What the log knows about the segment that is to be sealed; compared with what is read.
struct SealRequest {
  std::string folder;
  Position first{};
  Position last{};             ///< Of the last event in it.
  std::uint64_t next_group{};  ///< Number of the group after the segment's last one.
  ChainHash chain_after{};     ///< After its frames: what the next segment's header repeats.
  std::string keep_as = {};    ///< A name for the open segment's file to live on; empty = none.
  bool in_haste = false;       ///< Stores the blocks as they are.
};

enum class SealOutcome : std::uint8_t { sealed, gave_up };

struct SealReport {
  SealOutcome outcome = SealOutcome::gave_up;
  std::uint64_t size_before = 0;  ///< Bytes of the frames.
  std::uint64_t size_after = 0;   ///< Bytes of the sealed file.
  std::uint64_t index_size = 0;
  bool kept = false;  ///< The open segment's file is there as `keep_as`.
};

/// Seals one segment. Whatever it returns but `sealed`, the open segment is in place and its
/// temporary files are removed as far as the disk lets it. Uses about 12 bytes of memory for each
/// posting of the segment (64 MiB of 256-byte events: 10 MB), 100 for each key, the size of the
/// index, and 4 MiB.
/// Errors: `corrupt` (the segment is not what `request` says), `read_only` (disk full),
/// `unavailable`. After an error of a `sync` the caller must not assume that a later one is good.
[[nodiscard]] Result<SealReport> seal_segment(Disk& disk, const SealRequest& request,
                                              const MayGoOn& may_go_on);

/// Writes an index beside its segment, so that it is there whole or not at all: temporary file,
/// sync, rename, sync of the folder. Errors: `read_only`, `unavailable`.
[[nodiscard]] Result<void> write_index(Disk& disk, const std::string& folder, Position first,
                                       std::span<const std::byte> bytes);

/// Removes what a crash may have left of sealing: names that end in ".tmp", and indexes without a
/// segment of their name. Called on opening, before anything else looks at the folder. An index
/// beside an open segment stays: it will be replaced when the segment is sealed.
[[nodiscard]] Result<void> remove_seal_leftovers(Disk& disk, const std::string& folder);

}  // namespace stele::log
