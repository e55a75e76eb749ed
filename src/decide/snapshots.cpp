// A snapshot file:
//
//   stele-snapshot 1 <CRC32C of the rest, 8 hex digits>\n
//   {"category":...,"state_version":...,"stream":...,"log":...,"epoch":...,"version":...,
//    "tip":"16 hex digits","state":"..."}
//
// It is named by the hash of category, state version and stream. It is written beside and renamed,
// not synced: what a power cut leaves behind fails the checksum and is ignored.

#include "decide/snapshots.h"

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include "base/crc32c.h"
#include "stele/mapping.h"
#include "store/digest.h"

namespace stele::decide {

struct SnapshotFile {
  std::string category;
  int state_version = 0;
  std::string stream;
  Uuid log;
  std::uint64_t epoch = 0;
  Version version{};
  std::string tip;
  std::string state;
};
STELE_DESCRIBE(SnapshotFile, category, state_version, stream, log, epoch, version, tip, state);

namespace {

namespace fs = std::filesystem;
constexpr std::string_view magic = "stele-snapshot 1 ";
constexpr std::size_t header_size = magic.size() + 8 + 1;
constexpr std::size_t snapshot_size_max = 16 * 1'048'576;  // Bytes of a file that is read.

std::string hex(std::uint32_t value) {
  std::string out(8, '0');
  for (std::size_t i = 8; i-- > 0; value >>= 4) out[i] = "0123456789abcdef"[value & 0xF];
  return out;
}

std::string key_of(std::string_view category, int state_version, std::string_view stream) {
  std::string text{category};
  text += '\0';
  text += std::to_string(state_version);
  text += '\0';
  text += stream;
  return text;
}

std::optional<Snapshot> decode(std::string_view text) {
  if (text.size() < header_size || !text.starts_with(magic)) return std::nullopt;
  const std::string_view body = text.substr(header_size);
  if (text.substr(magic.size(), 8) != hex(crc32c(body))) return std::nullopt;
  auto file = from_json<SnapshotFile>(body);
  if (!file) return std::nullopt;
  const auto tip = parse_tip(file->tip);
  if (!tip) return std::nullopt;
  return Snapshot{.category = std::move(file->category),
                  .state_version = file->state_version,
                  .stream = std::move(file->stream),
                  .log = file->log,
                  .epoch = Epoch{file->epoch},
                  .version = file->version,
                  .tip = *tip,
                  .state = std::move(file->state)};
}

std::optional<std::string> encode(const Snapshot& s) {
  auto body = to_json(SnapshotFile{.category = s.category,
                                   .state_version = s.state_version,
                                   .stream = s.stream,
                                   .log = s.log,
                                   .epoch = number(s.epoch),
                                   .version = s.version,
                                   .tip = to_hex(s.tip),
                                   .state = s.state});
  if (!body) return std::nullopt;
  return std::string{magic} + hex(crc32c(*body)) + "\n" + *body;
}

class FileSnapshots final : public SnapshotStore {
 public:
  explicit FileSnapshots(std::string folder) : folder_{std::move(folder)} {
    std::error_code ignored;
    fs::create_directories(folder_, ignored);
  }

  std::optional<Snapshot> find(std::string_view category, int state_version,
                               std::string_view stream) override {
    const fs::path path = path_of(key_of(category, state_version, stream));
    std::error_code failed;
    const auto size = fs::file_size(path, failed);
    if (failed || size > snapshot_size_max) return std::nullopt;
    std::ifstream in{path, std::ios::binary};
    const std::string text{std::istreambuf_iterator<char>{in}, {}};
    return decode(text);
  }

  void put(const Snapshot& snapshot) override {
    const auto text = encode(snapshot);
    if (!text || text->size() > snapshot_size_max) return;
    const fs::path path =
        path_of(key_of(snapshot.category, snapshot.state_version, snapshot.stream));
    fs::path aside = path;
    aside += "." + std::to_string(written_.fetch_add(1)) + ".new";
    bool good = false;
    {
      std::ofstream out{aside, std::ios::binary | std::ios::trunc};
      out << *text;
      out.flush();
      good = out.good();
    }
    std::error_code failed;
    if (good) fs::rename(aside, path, failed);
    if (!good || failed) fs::remove(aside, failed);
  }

 private:
  [[nodiscard]] fs::path path_of(std::string_view key) const {
    std::string name;
    for (const std::uint8_t byte : store::hash_bytes(key)) {
      name += "0123456789abcdef"[byte >> 4];
      name += "0123456789abcdef"[byte & 0xF];
    }
    return fs::path{folder_} / (name + ".snapshot");
  }

  const std::string folder_;
  std::atomic<std::uint64_t> written_{0};
};

class MemorySnapshots final : public SnapshotStore {
 public:
  std::optional<Snapshot> find(std::string_view category, int state_version,
                               std::string_view stream) override {
    const std::lock_guard lock{mutex_};
    const auto found = kept_.find(key_of(category, state_version, stream));
    if (found == kept_.end()) return std::nullopt;
    return found->second;
  }

  void put(const Snapshot& s) override {
    const std::lock_guard lock{mutex_};
    kept_[key_of(s.category, s.state_version, s.stream)] = s;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, Snapshot, std::less<>> kept_;  // Guarded by mutex_.
};

}  // namespace

std::unique_ptr<SnapshotStore> make_file_snapshots(std::string folder) {
  return std::make_unique<FileSnapshots>(std::move(folder));
}

std::unique_ptr<SnapshotStore> make_memory_snapshots() {
  return std::make_unique<MemorySnapshots>();
}

}  // namespace stele::decide
