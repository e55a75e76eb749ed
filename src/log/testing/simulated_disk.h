// A disk in memory that behaves as badly as a real one may (disk.h says how badly that is), and on
// command: for tests of everything that must survive a failed call, a kill, a loss of power.
//
// Three layers. The program's writes go to the cache, page by page (4 KiB), and every read sees
// them there. `sync` copies the dirty pages of one file to the platter. A folder's changes of names
// wait in a list until `sync_folder`.
//
//   kill            the cache stays; every handle and lock is dead
//   power cut       of each dirty page, each 512-byte sector is kept or not; a file's size is the
//                   old or the new one; of the unsynced changes of names, a prefix or an arbitrary
//                   subset is kept, each one whole. The seed decides
//   failed sync     some of the dirty pages reach the platter, all become clean: a later `sync`
//                   "succeeds" without writing them; reads show them until `evict`
//   write-back      with `write_back_percent`, dirty pages reach the platter before any `sync`, so
//                   that a power cut may keep a state between the last sync and the last write
//
// The same seed and the same calls give the same disk. All members are thread-safe.

#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "log/disk.h"

namespace stele::log::testing {

enum class Call : std::uint8_t {
  open,
  list,
  make_folder,
  rename,
  link,
  remove,
  sync_folder,
  lock,
  free_bytes,
  read_at,
  write_at,
  sync,
  zero_fill,
  truncate,
  size,
};
inline constexpr std::size_t call_kinds = 15;
[[nodiscard]] std::string_view to_string(Call call) noexcept;

/// One call that the disk took, as hooks see it.
struct CallInfo {
  Call call{};
  std::uint64_t number = 0;  ///< Of all calls, from 1.
  std::string path;
  bool failed = false;
};

/// What to fail.
struct Fault {
  std::optional<Call> call = std::nullopt;  ///< Any kind, if none.
  std::uint64_t nth = 1;                    ///< Which of the matching calls from now on: 1 = next.
  Errc code = Errc::unavailable;            ///< `read_only` is a full disk.
  bool partly = false;                      ///< Do part of the work before failing.
  bool for_ever = false;                    ///< Fail every matching call from the nth on.
};

/// Where a program's random seed comes from: STELE_SEED, or 1. Printed once.
[[nodiscard]] std::uint64_t test_seed();

class SimulatedDisk final : public Disk {
 public:
  static constexpr std::size_t page_size = 4'096;
  static constexpr std::size_t sector_size = 512;

  explicit SimulatedDisk(std::uint64_t seed = 1);
  ~SimulatedDisk() override;

  [[nodiscard]] Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  [[nodiscard]] Result<std::vector<std::string>> list(const std::string& folder) const override;
  [[nodiscard]] Result<void> make_folder(const std::string& folder) override;
  [[nodiscard]] Result<void> rename(const std::string& from, const std::string& to) override;
  [[nodiscard]] Result<void> link(const std::string& from, const std::string& to) override;
  [[nodiscard]] Result<void> remove(const std::string& path) override;
  [[nodiscard]] Result<void> sync_folder(const std::string& folder) override;
  [[nodiscard]] Result<std::unique_ptr<DiskLock>> lock(const std::string& path) override;
  [[nodiscard]] Result<std::uint64_t> free_bytes(const std::string& folder) const override;

  /// The same files, cache and platter, without handles, locks, faults and hooks. The copy draws
  /// its own random numbers, from `seed`.
  [[nodiscard]] std::unique_ptr<SimulatedDisk> clone(std::uint64_t seed) const;

  /// Ends the process that uses the disk: handles and locks are dead, the cache stays.
  void kill();
  /// Cuts the power: handles and locks are dead, and only what the platter holds stays, with what
  /// of the unsynced the random numbers keep.
  void cut_power();
  /// Forgets every page that is clean, as a system short of memory does: reads see the platter.
  void evict();

  void fail(const Fault& fault);
  void clear_faults();
  /// Called after each call, from the thread that made it, with no lock held.
  void on_call(std::function<void(const CallInfo&)> hook);
  /// Called before each `sync` of a file, from the thread that makes it, with no lock held: what
  /// was written is in the cache only.
  void before_sync(std::function<void()> hook);
  void set_write_back_percent(unsigned percent);  ///< Chance for each write; 0 at first.

  void set_capacity(std::optional<std::uint64_t> bytes);  ///< None: without limit.
  [[nodiscard]] std::uint64_t used_bytes() const;

  [[nodiscard]] std::uint64_t calls() const;           ///< All calls so far.
  [[nodiscard]] std::uint64_t calls(Call call) const;  ///< Of one kind.
  [[nodiscard]] std::uint64_t seed() const { return seed_; }

  /// Paths of all files as the cache has them, in byte order.
  [[nodiscard]] std::vector<std::string> files() const;
  /// The bytes of a file as the cache has them; none if there is no such file.
  [[nodiscard]] std::optional<std::vector<std::byte>> contents(const std::string& path) const;
  /// Changes the bits in `mask` of one byte, in cache and platter. False if there is no such byte.
  bool flip(const std::string& path, std::uint64_t offset, std::uint8_t mask);
  /// Replaces a file's bytes, durably.
  void put(const std::string& path, std::span<const std::byte> bytes);

 private:
  struct Inode;
  struct Folder;
  class SimulatedFile;
  class SimulatedLock;

  // Counts the call; says whether and how it must fail.
  struct Verdict {
    std::uint64_t number = 0;
    std::optional<Error> error;
    bool partly = false;
  };
  Verdict begin_unlocked(Call call, const std::string& path) const;
  void call_before_sync() const;
  void end(Call call, const Verdict& verdict, const std::string& path, bool failed) const;
  std::uint64_t random_unlocked() const;
  Result<void> name_again(Call call, const std::string& from, const std::string& to);
  std::shared_ptr<Inode> find_unlocked(const std::string& path) const;
  Folder* folder_of_unlocked(const std::string& path) const;
  std::uint64_t used_unlocked() const;
  bool fits_unlocked(std::uint64_t pages) const;
  Result<void> write_unlocked(Inode& inode, std::uint64_t offset, std::span<const std::byte> bytes);
  void write_back_unlocked(Inode& inode);
  void settle_names_unlocked(Folder& folder);
  void settle_bytes_unlocked(Inode& inode);

  const std::uint64_t seed_;

  mutable std::mutex mutex_;
  // Guarded by mutex_:
  mutable std::uint64_t random_state_;
  std::map<std::string, std::shared_ptr<Folder>> folders_;  // By path; "" is the root.
  mutable std::vector<std::weak_ptr<Inode>> inodes_;
  std::map<std::string, std::uint64_t> locks_;  // Path to the generation that holds it.
  std::uint64_t generation_ = 0;                // Raised by kill and cut_power.
  std::optional<std::uint64_t> capacity_;
  unsigned write_back_percent_ = 0;
  mutable std::vector<Fault> faults_;
  mutable std::array<std::uint64_t, call_kinds> counts_{};
  mutable std::uint64_t calls_ = 0;
  std::shared_ptr<std::function<void(const CallInfo&)>> hook_;
  std::shared_ptr<std::function<void()>> before_sync_;
};

}  // namespace stele::log::testing
