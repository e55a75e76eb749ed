// Module: log
// Blocks and pages of sealed files that were read, checked and unpacked lately: the only memory
// that sealed segments use, bounded in bytes however long the log is.
//
// Readers share a block by `shared_ptr`: one that is evicted while somebody looks at it lives until
// they let go. Eviction is by the clock algorithm: a block that was used again since the hand last
// passed gets another round, so that one long scan does not push out what is used often.

#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "log/index_key.h"

namespace stele::log {

inline constexpr std::size_t block_cache_size_default = 32 * 1'024 * 1'024;  ///< Bytes.

/// Where a frame begins in a block, and the ordinal of its first event.
struct FrameRef {
  Ordinal first = 0;
  std::uint32_t offset = 0;
};

inline constexpr std::size_t run_buffer_size = 144 * 1'024;  ///< Bytes: a run and its headers.
inline constexpr std::size_t run_buffers_max = 32;           ///< Kept for the next runs.

/// Memory of runs that are gone, for the next ones: large pieces that are given back to the system
/// and taken again cost more than reading into them. Thread-safe.
class RunBuffers {
 public:
  using Buffer = std::unique_ptr<std::byte[]>;
  [[nodiscard]] Buffer take();
  void give_back(Buffer buffer);

 private:
  std::mutex mutex_;
  std::vector<Buffer> kept_;  // Guarded by mutex_.
};

/// Checked, unpacked bytes. Immutable once shared.
struct Block {
  std::unique_ptr<std::byte[]> bytes;
  std::size_t size = 0;
  std::vector<FrameRef> frames = {};  ///< Of a block of frames; empty for a page of an index.
  Ordinal first = 0;                  ///< Ordinal of the first event (a block of frames).
  Ordinal end = 0;                    ///< One past the last.
  std::shared_ptr<RunBuffers> home = nullptr;  ///< Where `bytes` goes in the end, if not away.

  ~Block() {
    if (home != nullptr) home->give_back(std::move(bytes));
  }
  [[nodiscard]] std::span<const std::byte> view() const { return {bytes.get(), size}; }
  [[nodiscard]] std::size_t memory_size() const {
    return sizeof(Block) + size + frames.capacity() * sizeof(FrameRef);
  }
};
using BlockPtr = std::shared_ptr<const Block>;

/// Thread-safe.
class BlockCache {
 public:
  explicit BlockCache(std::size_t size_max = block_cache_size_default);

  /// A number that no other file of this cache has, for the keys of its blocks.
  [[nodiscard]] std::uint64_t new_file() noexcept { return ++files_; }

  /// The block, or null.
  [[nodiscard]] BlockPtr find(std::uint64_t file, std::uint32_t block);

  enum class Put : std::uint8_t {
    evict,    ///< In the place of others.
    if_room,  ///< Only where nothing has to go for it.
  };
  /// Keeps `value`, unless it is larger than an eighth of a shard's share.
  void put(std::uint64_t file, std::uint32_t block, BlockPtr value, Put how = Put::evict);

  /// True if a block of `size` bytes would be kept without another going for it. About: the next
  /// moment it may be different.
  [[nodiscard]] bool has_room(std::uint64_t file, std::uint32_t block, std::size_t size) const;

  /// Fetches what `find` looks at first.
  void prefetch(std::uint64_t file, std::uint32_t block) const;

  [[nodiscard]] std::size_t memory_size() const;  ///< Bytes held now; at most the maximum.

  [[nodiscard]] const std::shared_ptr<RunBuffers>& run_buffers() const { return run_buffers_; }

 private:
  // Open addressing, so that a hit touches one line of memory beside the block's own.
  struct Slot {
    std::uint64_t key = 0;  // 0 = unused.
    BlockPtr block = nullptr;
    std::uint32_t cost = 0;
    bool used_again = false;
  };
  /// A share of the cache with a lock of its own, so that readers seldom meet.
  class Shard {
   public:
    void set_size_max(std::size_t size_max);
    [[nodiscard]] BlockPtr find(std::uint64_t key, std::uint64_t hash);
    void put(std::uint64_t key, std::uint64_t hash, BlockPtr value, std::size_t cost, Put how);
    [[nodiscard]] bool has_room(std::size_t cost) const;
    [[nodiscard]] std::size_t memory_size() const;
    void prefetch(std::uint64_t hash) const {
      // How many slots there are never changes.
      const Slot& slot = slots_[hash & (slots_.size() - 1)];
      __builtin_prefetch(&slot);
    }

   private:
    [[nodiscard]] std::size_t place_of(std::uint64_t key, std::uint64_t hash) const;
    [[nodiscard]] bool is_full_for(std::size_t cost) const;
    BlockPtr take_out(std::size_t place);

    mutable std::mutex mutex_;
    std::vector<Slot> slots_;  // As many as a power of two; at most half are in use.
    std::size_t size_max_ = 0;
    std::size_t used_ = 0;
    std::size_t hand_ = 0;
    std::size_t held_ = 0;
  };
  static constexpr std::size_t shards_count = 16;

  std::size_t shard_size_max_;
  std::atomic<std::uint64_t> files_{0};
  std::array<Shard, shards_count> shards_;
  std::shared_ptr<RunBuffers> run_buffers_ = std::make_shared<RunBuffers>();
};

}  // namespace stele::log
