// Everything that happens to the simulated disk from outside: losses of power, faults, copies.

#include <cstring>
#include <utility>

#include "log/testing/simulated_disk.h"
#include "log/testing/simulated_disk_parts.h"

namespace stele::log::testing {

std::unique_ptr<SimulatedDisk> SimulatedDisk::clone(std::uint64_t seed) const {
  auto copy = std::make_unique<SimulatedDisk>(seed);
  const std::lock_guard lock{mutex_};
  std::map<const Inode*, std::shared_ptr<Inode>> files;
  std::map<const Folder*, std::shared_ptr<Folder>> folders;
  const auto copied = [&](const Folder::Entry& entry) {
    Folder::Entry result;
    if (entry.file) {
      std::shared_ptr<Inode>& file = files[entry.file.get()];
      if (!file) {
        file = std::make_shared<Inode>(*entry.file);
        copy->inodes_.push_back(file);
      }
      result.file = file;
    }
    if (entry.folder) {
      std::shared_ptr<Folder>& folder = folders[entry.folder.get()];
      if (!folder) folder = std::make_shared<Folder>();
      result.folder = folder;
    }
    return result;
  };
  for (const auto& [path, folder] : folders_) {
    std::shared_ptr<Folder>& target = folders[folder.get()];
    if (!target) target = std::make_shared<Folder>();
    for (const auto& [name, entry] : folder->cache) target->cache[name] = copied(entry);
    for (const auto& [name, entry] : folder->platter) target->platter[name] = copied(entry);
    for (const Folder::Change& change : folder->pending) {
      target->pending.push_back(
          {.removed = change.removed, .added = change.added, .entry = copied(change.entry)});
    }
    copy->folders_[path] = target;
  }
  copy->capacity_ = capacity_;
  copy->write_back_percent_ = write_back_percent_;
  return copy;
}

void SimulatedDisk::kill() {
  const std::lock_guard lock{mutex_};
  ++generation_;
}

// A journal keeps a prefix of the changes; a disk without one may keep any of them.
void SimulatedDisk::settle_names_unlocked(Folder& folder) {
  const bool prefix = random_unlocked() % 2 == 0;
  const std::size_t kept = random_unlocked() % (folder.pending.size() + 1);
  for (std::size_t i = 0; i < folder.pending.size(); ++i) {
    if (prefix ? i < kept : random_unlocked() % 2 == 0) {
      Folder::apply(folder.platter, folder.pending[i]);
    }
  }
  folder.cache = folder.platter;
  folder.pending.clear();
}

// Keeps each sector of each dirty page or not. Three moods: nothing, everything, or by chance.
void SimulatedDisk::settle_bytes_unlocked(Inode& inode) {
  const std::uint64_t mood = random_unlocked() % 4;
  const bool size_kept = mood == 1 || (mood > 1 && random_unlocked() % 2 == 0);
  for (std::size_t i = 0; i < inode.dirty.size(); ++i) {
    if (!inode.dirty[i] || mood == 0) continue;
    if (inode.platter.size() <= i) inode.platter.resize(i + 1);
    auto page = std::make_shared<Page>();
    const auto before = bytes_of(inode.platter[i]);
    const auto after = bytes_of(inode.cache[i]);
    for (std::size_t at = 0; at < page_size; at += sector_size) {
      const bool kept = mood == 1 || random_unlocked() % 2 == 0;
      std::memcpy(page->data() + at, (kept ? after : before).data() + at, sector_size);
    }
    inode.platter[i] = std::move(page);
  }
  if (size_kept) inode.platter_size = inode.size;
  inode.reload();
}

void SimulatedDisk::cut_power() {
  const std::lock_guard lock{mutex_};
  ++generation_;
  for (const auto& [path, folder] : folders_) settle_names_unlocked(*folder);
  // Folders whose names are lost take what is in them along.
  std::map<std::string, std::shared_ptr<Folder>> found;
  for (const auto& [path, folder] : folders_) {  // A folder comes after the one that holds it.
    const auto [above, name] = split(path);
    const bool root = path.empty();
    if (!root && (!found.contains(above) || !found[above]->cache.contains(name))) continue;
    found[path] = folder;
  }
  folders_ = std::move(found);
  for (const std::weak_ptr<Inode>& weak : inodes_) {
    if (const std::shared_ptr<Inode> inode = weak.lock()) settle_bytes_unlocked(*inode);
  }
}

void SimulatedDisk::evict() {
  const std::lock_guard lock{mutex_};
  for (const std::weak_ptr<Inode>& weak : inodes_) {
    const std::shared_ptr<Inode> inode = weak.lock();
    if (!inode) continue;
    for (std::size_t i = 0; i < inode->cache.size(); ++i) {
      if (inode->dirty[i]) continue;
      inode->cache[i] = i < inode->platter.size() ? inode->platter[i] : nullptr;
    }
  }
}

void SimulatedDisk::fail(const Fault& fault) {
  const std::lock_guard lock{mutex_};
  faults_.push_back(fault);
}

void SimulatedDisk::clear_faults() {
  const std::lock_guard lock{mutex_};
  faults_.clear();
}

void SimulatedDisk::on_call(std::function<void(const CallInfo&)> hook) {
  const std::lock_guard lock{mutex_};
  hook_ = std::make_shared<std::function<void(const CallInfo&)>>(std::move(hook));
}

void SimulatedDisk::before_sync(std::function<void()> hook) {
  const std::lock_guard lock{mutex_};
  before_sync_ = std::make_shared<std::function<void()>>(std::move(hook));
}

void SimulatedDisk::call_before_sync() const {
  std::shared_ptr<std::function<void()>> hook;
  {
    const std::lock_guard lock{mutex_};
    hook = before_sync_;
  }
  if (hook && *hook) (*hook)();
}

void SimulatedDisk::set_write_back_percent(unsigned percent) {
  const std::lock_guard lock{mutex_};
  write_back_percent_ = percent;
}

void SimulatedDisk::set_capacity(std::optional<std::uint64_t> bytes) {
  const std::lock_guard lock{mutex_};
  capacity_ = bytes;
}

std::uint64_t SimulatedDisk::used_bytes() const {
  const std::lock_guard lock{mutex_};
  return used_unlocked();
}

std::uint64_t SimulatedDisk::calls() const {
  const std::lock_guard lock{mutex_};
  return calls_;
}

std::uint64_t SimulatedDisk::calls(Call call) const {
  const std::lock_guard lock{mutex_};
  return counts_[static_cast<std::size_t>(call)];
}

std::vector<std::string> SimulatedDisk::files() const {
  const std::lock_guard lock{mutex_};
  std::vector<std::string> paths;
  for (const auto& [path, folder] : folders_) {
    for (const auto& [name, entry] : folder->cache) {
      if (!entry.file) continue;
      std::string& whole = paths.emplace_back(path);
      if (!whole.empty()) whole += '/';
      whole += name;
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::optional<std::vector<std::byte>> SimulatedDisk::contents(const std::string& path) const {
  const std::lock_guard lock{mutex_};
  const std::shared_ptr<Inode> inode = find_unlocked(normal(path));
  if (!inode) return std::nullopt;
  std::vector<std::byte> bytes;
  for (const PagePtr& page : inode->cache) {
    const auto part = bytes_of(page);
    bytes.insert(bytes.end(), part.begin(), part.end());
  }
  bytes.resize(static_cast<std::size_t>(inode->size));
  return bytes;
}

bool SimulatedDisk::flip(const std::string& path, std::uint64_t offset, std::uint8_t mask) {
  const std::lock_guard lock{mutex_};
  const std::shared_ptr<Inode> inode = find_unlocked(normal(path));
  if (!inode || offset >= inode->size) return false;
  const auto index = static_cast<std::size_t>(offset / page_size);
  for (std::vector<PagePtr>* pages : {&inode->cache, &inode->platter}) {
    if (index >= pages->size()) continue;
    auto page = std::make_shared<Page>();
    std::memcpy(page->data(), bytes_of((*pages)[index]).data(), page_size);
    (*page)[static_cast<std::size_t>(offset % page_size)] ^= std::byte{mask};
    (*pages)[index] = std::move(page);
  }
  return true;
}

void SimulatedDisk::put(const std::string& path, std::span<const std::byte> bytes) {
  const std::lock_guard lock{mutex_};
  const std::string name = normal(path);
  std::shared_ptr<Inode> inode = find_unlocked(name);
  if (!inode) {
    inode = std::make_shared<Inode>();
    inodes_.push_back(inode);
    Folder* folder = folder_of_unlocked(name);
    folder->change(
        {.removed = {}, .added = split(name).second, .entry = {.file = inode, .folder = nullptr}});
    folder->flush();
  }
  inode->resize(0);
  (void)write_unlocked(*inode, 0, bytes);
  inode->flush();
}

}  // namespace stele::log::testing
