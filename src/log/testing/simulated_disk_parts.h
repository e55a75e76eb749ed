// What the simulated disk is made of: files and folders, each with its cache and its platter.

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "log/testing/simulated_disk.h"

namespace stele::log::testing {

using Page = std::array<std::byte, SimulatedDisk::page_size>;
using PagePtr = std::shared_ptr<const Page>;

// A page is shared and never changed, so that a clone of a disk costs one pointer a page. A null
// page is a hole: zeros that take no space.
inline const PagePtr& zero_page() {
  static const PagePtr page = std::make_shared<const Page>();
  return page;
}

inline std::span<const std::byte> bytes_of(const PagePtr& page) {
  return page ? *page : *zero_page();
}

// "/a/./b/" is "a/b"; the root is "".
inline std::string normal(std::string_view path) {
  while (path.starts_with("./") || path.starts_with("/")) {
    path.remove_prefix(path.starts_with("./") ? 2 : 1);
  }
  while (path.ends_with("/")) path.remove_suffix(1);
  return path == "." ? std::string{} : std::string{path};
}

// The folder and the name in it.
inline std::pair<std::string, std::string> split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

// The bytes of one file: what the cache holds, what the platter holds, and which pages of the cache
// a `sync` would still write.
struct SimulatedDisk::Inode {
  std::vector<PagePtr> cache;
  std::vector<PagePtr> platter;
  std::vector<bool> dirty;
  std::uint64_t size = 0;
  std::uint64_t platter_size = 0;

  void resize(std::uint64_t to) {
    const std::size_t pages =
        static_cast<std::size_t>((to + SimulatedDisk::page_size - 1) / SimulatedDisk::page_size);
    if (to < size && to % SimulatedDisk::page_size != 0) cut_tail(to);
    for (std::size_t i = pages; i < cache.size(); ++i) {
      cache[i] = nullptr;
      dirty[i] = i < platter.size() && platter[i] != nullptr;
    }
    if (pages > cache.size()) {
      cache.resize(pages);
      dirty.resize(pages, false);
    }
    size = to;
  }

  void cut_tail(std::uint64_t to) {
    const std::size_t index = static_cast<std::size_t>(to / SimulatedDisk::page_size);
    if (!cache[index]) return;
    auto page = std::make_shared<Page>(*cache[index]);
    std::fill(page->begin() + static_cast<std::ptrdiff_t>(to % SimulatedDisk::page_size),
              page->end(), std::byte{});
    cache[index] = std::move(page);
    dirty[index] = true;
  }

  void flush_page(std::size_t index) {
    if (platter.size() <= index) platter.resize(index + 1);
    platter[index] = cache[index];
    dirty[index] = false;
  }

  void flush() {
    for (std::size_t i = 0; i < dirty.size(); ++i) {
      if (dirty[i]) flush_page(i);
    }
    platter_size = size;
  }

  // After the power: the cache is what the platter holds.
  void reload() {
    const auto pages = static_cast<std::size_t>((platter_size + SimulatedDisk::page_size - 1) /
                                                SimulatedDisk::page_size);
    platter.resize(pages);
    size = platter_size;
    if (size % SimulatedDisk::page_size != 0 && platter.back()) {
      auto page = std::make_shared<Page>(*platter.back());
      std::fill(page->begin() + static_cast<std::ptrdiff_t>(size % SimulatedDisk::page_size),
                page->end(), std::byte{});
      platter.back() = std::move(page);
    }
    cache = platter;
    dirty.assign(pages, false);
  }

  [[nodiscard]] std::uint64_t used() const {
    std::uint64_t pages = 0;
    for (const PagePtr& page : cache) pages += page ? 1U : 0U;
    return pages * SimulatedDisk::page_size;
  }
};

// The names in one folder: as the cache has them, as the platter has them, and the changes between.
struct SimulatedDisk::Folder {
  struct Entry {
    std::shared_ptr<Inode> file;  // One of the two.
    std::shared_ptr<Folder> folder;
  };
  using Names = std::map<std::string, Entry>;
  struct Change {
    std::string removed;  // Empty: none.
    std::string added;    // Empty: none.
    Entry entry;
  };
  Names cache;
  Names platter;
  std::vector<Change> pending;

  static void apply(Names& names, const Change& change) {
    if (!change.removed.empty()) names.erase(change.removed);
    if (!change.added.empty()) names[change.added] = change.entry;
  }
  void change(Change change) {
    apply(cache, change);
    pending.push_back(std::move(change));
  }
  void flush() {
    platter = cache;
    pending.clear();
  }
};

}  // namespace stele::log::testing
