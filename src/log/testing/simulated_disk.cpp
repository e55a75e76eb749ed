#include "log/testing/simulated_disk.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "log/testing/simulated_disk_parts.h"

namespace stele::log::testing {
namespace {

constexpr std::uint64_t no_limit_bytes = std::uint64_t{1} << 40;

Error not_found(const std::string& path) {
  return {Errc::not_found, "The simulated disk has no \"" + path + "\"."};
}

Error dead_handle(const std::string& path) {
  return {Errc::unavailable,
          "\"" + path + "\" was opened before the simulated kill or power cut; open it again."};
}

Error disk_full(const std::string& path) {
  return {Errc::read_only, "The simulated disk is full; \"" + path + "\" was not written."};
}

}  // namespace

std::string_view to_string(Call call) noexcept {
  constexpr std::array<std::string_view, call_kinds> names{
      "open",     "list",        "make_folder", "rename",     "link",
      "remove",   "sync_folder", "lock",        "free_bytes", "read_at",
      "write_at", "sync",        "zero_fill",   "truncate",   "size"};
  return names[static_cast<std::size_t>(call)];
}

std::uint64_t test_seed() {
  static const std::uint64_t seed = [] {
    const char* text = std::getenv("STELE_SEED");
    const std::uint64_t value = text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
    std::printf("STELE_SEED=%llu\n", static_cast<unsigned long long>(value));
    return value;
  }();
  return seed;
}

class SimulatedDisk::SimulatedFile final : public File {
 public:
  SimulatedFile(SimulatedDisk& disk, std::shared_ptr<Inode> inode, std::string path, bool writable,
                std::uint64_t generation)
      : disk_{disk},
        inode_{std::move(inode)},
        path_{std::move(path)},
        writable_{writable},
        generation_{generation} {}

  Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    return perform(Call::write_at, true, [&](bool partly) {
      const std::size_t size = partly ? bytes.size() / 2 : bytes.size();
      return disk_.write_unlocked(*inode_, offset, bytes.first(size));
    });
  }

  Result<void> read_at(std::uint64_t offset, std::span<std::byte> bytes) const override {
    return perform(Call::read_at, false, [&](bool) -> Result<void> {
      if (offset + bytes.size() > inode_->size) {
        return stele::fail(Errc::corrupt, "\"" + path_ + "\" ends at byte " +
                                              std::to_string(inode_->size) + ", before byte " +
                                              std::to_string(offset + bytes.size()) + ".");
      }
      while (!bytes.empty()) {
        const std::size_t start = static_cast<std::size_t>(offset % page_size);
        const std::size_t size = std::min(bytes.size(), page_size - start);
        const auto page = bytes_of(inode_->cache[static_cast<std::size_t>(offset / page_size)]);
        std::memcpy(bytes.data(), page.data() + start, size);
        bytes = bytes.subspan(size);
        offset += size;
      }
      return {};
    });
  }

  Result<void> sync() override {
    disk_.call_before_sync();
    return perform(
        Call::sync, true,
        [&](bool partly) -> Result<void> {
          if (!partly) inode_->flush();
          return {};
        },
        [&] { lose_unlocked(); });
  }

  Result<void> zero_fill(std::uint64_t offset, std::uint64_t size) override {
    return perform(Call::zero_fill, true, [&](bool partly) -> Result<void> {
      const std::vector<std::byte> zeros(static_cast<std::size_t>(partly ? size / 2 : size));
      return disk_.write_unlocked(*inode_, offset, zeros);
    });
  }

  Result<void> truncate(std::uint64_t size) override {
    return perform(Call::truncate, true, [&](bool partly) -> Result<void> {
      if (!partly) inode_->resize(size);
      return {};
    });
  }

  Result<std::uint64_t> size() const override {
    std::uint64_t size = 0;
    const Result<void> done = perform(Call::size, false, [&](bool) -> Result<void> {
      size = inode_->size;
      return {};
    });
    if (!done) return std::unexpected{done.error()};
    return size;
  }

 private:
  // A failed sync: some pages reach the platter, all are clean afterwards.
  void lose_unlocked() {
    for (std::size_t i = 0; i < inode_->dirty.size(); ++i) {
      if (inode_->dirty[i] && disk_.random_unlocked() % 2 == 0) inode_->flush_page(i);
      inode_->dirty[i] = false;
    }
    if (disk_.random_unlocked() % 2 == 0) inode_->platter_size = inode_->size;
  }

  template <typename Work>
  Result<void> perform(Call call, bool writes, const Work& work) const {
    return perform(call, writes, work, [] {});
  }

  template <typename Work, typename Failed>
  Result<void> perform(Call call, bool writes, const Work& work, const Failed& failed) const {
    Result<void> result;
    Verdict verdict;
    {
      const std::lock_guard lock{disk_.mutex_};
      if (generation_ != disk_.generation_) return std::unexpected{dead_handle(path_)};
      verdict = disk_.begin_unlocked(call, path_);
      if (writes && !writable_) {
        result = stele::fail(Errc::internal, "\"" + path_ + "\" was opened for reading only.");
      } else if (!verdict.error) {
        result = work(false);
      } else {
        if (verdict.partly) (void)work(true);
        failed();
        result = std::unexpected{*verdict.error};
      }
    }
    disk_.end(call, verdict, path_, !result);
    return result;
  }

  SimulatedDisk& disk_;
  const std::shared_ptr<Inode> inode_;
  const std::string path_;
  const bool writable_;
  const std::uint64_t generation_;
};

class SimulatedDisk::SimulatedLock final : public DiskLock {
 public:
  SimulatedLock(SimulatedDisk& disk, std::string path, std::uint64_t generation)
      : disk_{disk}, path_{std::move(path)}, generation_{generation} {}
  ~SimulatedLock() override {
    const std::lock_guard lock{disk_.mutex_};
    if (generation_ == disk_.generation_) disk_.locks_.erase(path_);
  }
  SimulatedLock(const SimulatedLock&) = delete;
  SimulatedLock& operator=(const SimulatedLock&) = delete;

 private:
  SimulatedDisk& disk_;
  const std::string path_;
  const std::uint64_t generation_;
};

SimulatedDisk::SimulatedDisk(std::uint64_t seed) : seed_{seed}, random_state_{seed} {
  folders_[""] = std::make_shared<Folder>();
}

SimulatedDisk::~SimulatedDisk() = default;

// Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014.
std::uint64_t SimulatedDisk::random_unlocked() const {
  std::uint64_t z = (random_state_ += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

SimulatedDisk::Verdict SimulatedDisk::begin_unlocked(Call call, const std::string& path) const {
  Verdict verdict{.number = ++calls_, .error = std::nullopt, .partly = false};
  ++counts_[static_cast<std::size_t>(call)];
  for (std::size_t i = 0; i < faults_.size();) {
    Fault& fault = faults_[i];
    if (fault.call && *fault.call != call) {
      ++i;
      continue;
    }
    if (fault.nth > 1) {
      --fault.nth;
      ++i;
      continue;
    }
    verdict.error = Error{
        fault.code, "The simulated disk failed call " + std::to_string(verdict.number) + ", " +
                        std::string{to_string(call)} + " of \"" + path + "\", as it was told to."};
    verdict.partly = fault.partly;
    if (fault.for_ever) {
      ++i;
    } else {
      faults_.erase(faults_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  return verdict;
}

void SimulatedDisk::end(Call call, const Verdict& verdict, const std::string& path,
                        bool failed) const {
  std::shared_ptr<std::function<void(const CallInfo&)>> hook;
  {
    const std::lock_guard lock{mutex_};
    hook = hook_;
  }
  if (hook && *hook) {
    (*hook)({.call = call, .number = verdict.number, .path = path, .failed = failed});
  }
}

SimulatedDisk::Folder* SimulatedDisk::folder_of_unlocked(const std::string& path) const {
  const auto found = folders_.find(split(path).first);
  return found == folders_.end() ? nullptr : found->second.get();
}

std::shared_ptr<SimulatedDisk::Inode> SimulatedDisk::find_unlocked(const std::string& path) const {
  const Folder* folder = folder_of_unlocked(path);
  if (folder == nullptr) return nullptr;
  const auto found = folder->cache.find(split(path).second);
  return found == folder->cache.end() ? nullptr : found->second.file;
}

std::uint64_t SimulatedDisk::used_unlocked() const {
  std::uint64_t used = 0;
  std::erase_if(inodes_, [&](const std::weak_ptr<Inode>& weak) {
    const std::shared_ptr<Inode> inode = weak.lock();
    if (inode) used += inode->used();
    return !inode;
  });
  return used;
}

bool SimulatedDisk::fits_unlocked(std::uint64_t pages) const {
  return !capacity_ || used_unlocked() + pages * page_size <= *capacity_;
}

Result<void> SimulatedDisk::write_unlocked(Inode& inode, std::uint64_t offset,
                                           std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto index = static_cast<std::size_t>(offset / page_size);
    const auto start = static_cast<std::size_t>(offset % page_size);
    const std::size_t size = std::min(bytes.size(), page_size - start);
    const bool hole = index >= inode.cache.size() || !inode.cache[index];
    if (hole && !fits_unlocked(1)) return std::unexpected{disk_full("a file")};
    if (offset + size > inode.size) inode.resize(offset + size);
    const auto part = bytes.first(size);
    const bool zeros = size == page_size &&
                       std::ranges::all_of(part, [](std::byte b) { return b == std::byte{}; });
    if (zeros) {
      inode.cache[index] = zero_page();
    } else {
      auto page = std::make_shared<Page>();
      const auto before = bytes_of(inode.cache[index]);
      if (size < page_size) std::memcpy(page->data(), before.data(), page_size);
      std::memcpy(page->data() + start, part.data(), size);
      inode.cache[index] = std::move(page);
    }
    inode.dirty[index] = true;
    bytes = bytes.subspan(size);
    offset += size;
  }
  if (write_back_percent_ > 0) write_back_unlocked(inode);
  return {};
}

void SimulatedDisk::write_back_unlocked(Inode& inode) {
  for (std::size_t i = 0; i < inode.dirty.size(); ++i) {
    if (!inode.dirty[i] || random_unlocked() % 100 >= write_back_percent_) continue;
    inode.flush_page(i);
    inode.platter_size =
        std::max(inode.platter_size, std::min<std::uint64_t>(inode.size, (i + 1) * page_size));
  }
}

Result<std::unique_ptr<File>> SimulatedDisk::open(const std::string& path, OpenMode mode) {
  const std::string name = normal(path);
  Result<std::unique_ptr<File>> result;
  Verdict verdict;
  {
    const std::lock_guard lock{mutex_};
    verdict = begin_unlocked(Call::open, name);
    Folder* folder = folder_of_unlocked(name);
    std::shared_ptr<Inode> inode = find_unlocked(name);
    if (verdict.error && !(verdict.partly && mode == OpenMode::create)) {
      result = std::unexpected{*verdict.error};
    } else if (folder == nullptr || (!inode && mode != OpenMode::create)) {
      result = std::unexpected{not_found(name)};
    } else {
      if (mode == OpenMode::create) {
        if (inode) {
          inode->resize(0);
        } else {
          inode = std::make_shared<Inode>();
          inodes_.push_back(inode);
          folder->change({.removed = {},
                          .added = split(name).second,
                          .entry = {.file = inode, .folder = nullptr}});
        }
      }
      result = std::make_unique<SimulatedFile>(*this, std::move(inode), name,
                                               mode != OpenMode::read, generation_);
      if (verdict.error) result = std::unexpected{*verdict.error};
    }
  }
  end(Call::open, verdict, name, !result);
  return result;
}

Result<std::vector<std::string>> SimulatedDisk::list(const std::string& folder) const {
  const std::string path = normal(folder);
  Result<std::vector<std::string>> result;
  Verdict verdict;
  {
    const std::lock_guard lock{mutex_};
    verdict = begin_unlocked(Call::list, path);
    const auto found = folders_.find(path);
    if (verdict.error) {
      result = std::unexpected{*verdict.error};
    } else if (found == folders_.end()) {
      result = std::unexpected{not_found(path)};
    } else {
      for (const auto& [name, entry] : found->second->cache) result->push_back(name);
    }
  }
  end(Call::list, verdict, path, !result);
  return result;
}

Result<void> SimulatedDisk::make_folder(const std::string& folder) {
  const std::string path = normal(folder);
  Result<void> result;
  Verdict verdict;
  {
    const std::lock_guard lock{mutex_};
    verdict = begin_unlocked(Call::make_folder, path);
    if (verdict.error) result = std::unexpected{*verdict.error};
    for (std::size_t at = 0; result && at != std::string::npos;) {
      at = path.find('/', at == 0 ? 0 : at + 1);
      const std::string part = path.substr(0, at);
      if (folders_.contains(part)) continue;
      const auto made = std::make_shared<Folder>();
      folder_of_unlocked(part)->change(
          {.removed = {}, .added = split(part).second, .entry = {.file = nullptr, .folder = made}});
      folders_[part] = made;
    }
  }
  end(Call::make_folder, verdict, path, !result);
  return result;
}

Result<void> SimulatedDisk::rename(const std::string& from, const std::string& to) {
  return name_again(Call::rename, from, to);
}

Result<void> SimulatedDisk::link(const std::string& from, const std::string& to) {
  return name_again(Call::link, from, to);
}

Result<void> SimulatedDisk::name_again(Call call, const std::string& from, const std::string& to) {
  const std::string source = normal(from);
  const std::string target = normal(to);
  Result<void> result;
  Verdict verdict;
  {
    const std::lock_guard lock{mutex_};
    verdict = begin_unlocked(call, source);
    const std::shared_ptr<Inode> inode = find_unlocked(source);
    if (verdict.error && !verdict.partly) {
      result = std::unexpected{*verdict.error};
    } else if (!inode) {
      result = std::unexpected{not_found(source)};
    } else if (split(source).first != split(target).first) {
      result = stele::fail(Errc::internal, "A name crosses folders: \"" + source + "\".");
    } else if (call == Call::link && find_unlocked(target)) {
      result = stele::fail(Errc::unavailable, "The name \"" + target + "\" is taken.");
    } else {
      folder_of_unlocked(source)->change(
          {.removed = call == Call::rename ? split(source).second : std::string{},
           .added = split(target).second,
           .entry = {.file = inode, .folder = nullptr}});
      if (verdict.error) result = std::unexpected{*verdict.error};
    }
  }
  end(call, verdict, source, !result);
  return result;
}

Result<void> SimulatedDisk::remove(const std::string& path) {
  const std::string name = normal(path);
  Result<void> result;
  Verdict verdict;
  {
    const std::lock_guard lock{mutex_};
    verdict = begin_unlocked(Call::remove, name);
    if (verdict.error && !verdict.partly) {
      result = std::unexpected{*verdict.error};
    } else if (!find_unlocked(name)) {
      result = std::unexpected{not_found(name)};
    } else {
      folder_of_unlocked(name)->change({.removed = split(name).second, .added = {}, .entry = {}});
      if (verdict.error) result = std::unexpected{*verdict.error};
    }
  }
  end(Call::remove, verdict, name, !result);
  return result;
}

Result<void> SimulatedDisk::sync_folder(const std::string& folder) {
  const std::string path = normal(folder);
  Result<void> result;
  Verdict verdict;
  {
    const std::lock_guard lock{mutex_};
    verdict = begin_unlocked(Call::sync_folder, path);
    const auto found = folders_.find(path);
    if (verdict.error) {
      result = std::unexpected{*verdict.error};
    } else if (found == folders_.end()) {
      result = std::unexpected{not_found(path)};
    } else {
      found->second->flush();
    }
  }
  end(Call::sync_folder, verdict, path, !result);
  return result;
}

Result<std::unique_ptr<DiskLock>> SimulatedDisk::lock(const std::string& path) {
  const std::string name = normal(path);
  Result<std::unique_ptr<DiskLock>> result;
  Verdict verdict;
  {
    const std::lock_guard lock{mutex_};
    verdict = begin_unlocked(Call::lock, name);
    if (verdict.error) {
      result = std::unexpected{*verdict.error};
    } else if (folder_of_unlocked(name) == nullptr) {
      result = std::unexpected{not_found(name)};
    } else if (const auto held = locks_.find(name);
               held != locks_.end() && held->second == generation_) {
      result = stele::fail(Errc::held, "\"" + name + "\" is held by process 1.");
    } else {
      locks_[name] = generation_;
      result = std::make_unique<SimulatedLock>(*this, name, generation_);
    }
  }
  end(Call::lock, verdict, name, !result);
  return result;
}

Result<std::uint64_t> SimulatedDisk::free_bytes(const std::string& folder) const {
  const std::string path = normal(folder);
  Result<std::uint64_t> result;
  Verdict verdict;
  {
    const std::lock_guard lock{mutex_};
    verdict = begin_unlocked(Call::free_bytes, path);
    if (verdict.error) {
      result = std::unexpected{*verdict.error};
    } else if (!capacity_) {
      result = no_limit_bytes;
    } else {
      const std::uint64_t used = used_unlocked();
      result = used >= *capacity_ ? 0 : *capacity_ - used;
    }
  }
  end(Call::free_bytes, verdict, path, !result);
  return result;
}

}  // namespace stele::log::testing
