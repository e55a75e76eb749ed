// A consumer's file, `NAME.consumer`, numbers little-endian:
//
//       0   512  slot 0: the state of every even save
//    4096   512  slot 1: the state of every odd save
//    8192     8  "STLCDEF1"
//             4  CRC32C of what follows
//             4  size of the definition
//                the definition: a JSON object
//
//   a slot:   8  "STLCONS1"
//             8  number of the save, from 0
//             8  reading
//            16  id of the log
//             8  epoch
//             8  position
//            16  id of the event at that position
//             8  acknowledged at, microseconds
//             4  CRC32C of the bytes before, continued over the consumer's id
//                zeros
//
// The file is written aside, synced, renamed and its folder synced: it is there whole or not at
// all. A save then writes the slot that the one before did not use, and syncs: one sync, and what a
// crash tears is never the last state that was promised. The valid slot of the higher number
// counts. After a write or sync that failed nothing is known of the file's bytes, so the next save
// writes a whole new file.

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "base/crc32c.h"
#include "consumer/keeper.h"
#include "stele/mapping.h"

namespace stele::consumer {

struct DefinitionFile {
  std::string name;
  Uuid id;
  std::vector<std::string> categories;
  std::vector<std::string> types;
  std::vector<std::string> tags;
  std::string start;
  Position start_position{};
  Timestamp created_at{};
};
STELE_DESCRIBE(DefinitionFile, name, id, categories, types, tags, start, start_position,
               created_at);

namespace {

constexpr std::string_view suffix = ".consumer";
constexpr std::string_view aside_suffix = ".new";
constexpr std::string_view slot_magic = "STLCONS1";
constexpr std::string_view definition_magic = "STLCDEF1";
constexpr std::size_t slot_size = 512;    // Bytes: a sector, written whole or not at all.
constexpr std::size_t slot_step = 4'096;  // Bytes: a page, so that no write touches both slots.
constexpr std::size_t slot_used = 84;     // Bytes, with the checksum.
constexpr std::size_t head_size = 16;     // Bytes before the definition.
constexpr std::size_t file_size_max = std::size_t{1} << 20U;  // Bytes; a definition has 50 KiB.

using Bytes = std::vector<std::byte>;

void put_number(Bytes& out, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

void put_text(Bytes& out, std::string_view text) {
  const auto bytes = std::as_bytes(std::span{text});
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void put_uuid(Bytes& out, const Uuid& id) {
  for (const std::uint8_t byte : id.bytes) out.push_back(std::byte{byte});
}

std::uint64_t number_at(std::span<const std::byte> bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) {
    value |= std::to_integer<std::uint64_t>(bytes[at + i]) << (8 * i);
  }
  return value;
}

Uuid uuid_at(std::span<const std::byte> bytes, std::size_t at) {
  Uuid id;
  for (std::size_t i = 0; i < id.bytes.size(); ++i) {
    id.bytes[i] = std::to_integer<std::uint8_t>(bytes[at + i]);
  }
  return id;
}

bool starts_with(std::span<const std::byte> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

/// Of a slot's bytes, bound to the consumer: a slot of another file never counts.
std::uint32_t slot_crc(std::span<const std::byte> bytes, const Uuid& id) {
  const std::uint32_t own = crc32c(bytes.first(slot_used - 4));
  return crc32c(id.bytes.data(), id.bytes.size(), own);
}

Bytes slot_of(const Kept& kept, std::uint64_t number_of_save) {
  Bytes out;
  out.reserve(slot_size);
  put_text(out, slot_magic);
  put_number(out, number_of_save, 8);
  put_number(out, kept.reading, 8);
  put_uuid(out, kept.checkpoint.log);
  put_number(out, number(kept.checkpoint.epoch), 8);
  put_number(out, number(kept.checkpoint.position), 8);
  put_uuid(out, kept.checkpoint.fingerprint);
  put_number(out, static_cast<std::uint64_t>(micros(kept.acknowledged_at)), 8);
  put_number(out, 0, 4);
  const std::uint32_t crc = slot_crc(out, kept.id);
  out.resize(slot_used - 4);
  put_number(out, crc, 4);
  out.resize(slot_size);
  return out;
}

/// The number of the save that the slot holds, and its state in `kept`; none if it is not valid.
std::optional<std::uint64_t> read_slot(std::span<const std::byte> slot, Kept& kept) {
  if (!starts_with(slot, slot_magic)) return std::nullopt;
  if (number_at(slot, slot_used - 4, 4) != slot_crc(slot, kept.id)) return std::nullopt;
  kept.reading = number_at(slot, 16, 8);
  kept.checkpoint = {.log = uuid_at(slot, 24),
                     .epoch = Epoch{number_at(slot, 40, 8)},
                     .position = Position{number_at(slot, 48, 8)},
                     .fingerprint = uuid_at(slot, 56)};
  kept.acknowledged_at = Timestamp{std::bit_cast<std::int64_t>(number_at(slot, 72, 8))};
  return number_at(slot, 8, 8);
}

std::string_view text_of(Start::Kind kind) {
  switch (kind) {
    case Start::Kind::beginning:
      return "beginning";
    case Start::Kind::end:
      return "end";
    case Start::Kind::position:
      break;
  }
  return "position";
}

std::optional<Start::Kind> parse_kind(std::string_view text) {
  using enum Start::Kind;
  for (const Start::Kind kind : {beginning, end, position}) {
    if (text == text_of(kind)) return kind;
  }
  return std::nullopt;
}

Bytes file_of(const Kept& kept, std::string_view definition) {
  Bytes out = slot_of(kept, 0);
  out.resize(2 * slot_step);
  put_text(out, definition_magic);
  Bytes rest;
  put_number(rest, definition.size(), 4);
  put_text(rest, definition);
  put_number(out, crc32c(rest), 4);
  out.insert(out.end(), rest.begin(), rest.end());
  return out;
}

std::unexpected<Error> damaged(const std::string& path, std::string_view what) {
  return fail(Errc::corrupt, "The consumer's file " + path + " is damaged: " + std::string{what} +
                                 ". Delete the consumer and make it again.");
}

struct Parsed {
  Kept kept;
  std::uint64_t save = 0;
};

Result<Parsed> parse_file(const std::string& path, std::string_view name, const Bytes& bytes) {
  const std::span<const std::byte> all{bytes};
  if (all.size() < 2 * slot_step + head_size) return damaged(path, "it is too short");
  const auto head = all.subspan(2 * slot_step);
  const auto rest = head.subspan(12);
  if (!starts_with(head, definition_magic) || number_at(head, 8, 4) != crc32c(rest) ||
      number_at(rest, 0, 4) != rest.size() - 4) {
    return damaged(path, "its definition fails its checksum");
  }
  const std::string text{std::bit_cast<const char*>(rest.data()) + 4, rest.size() - 4};
  auto file = from_json<DefinitionFile>(text);
  const auto kind = file ? parse_kind(file->start) : std::nullopt;
  if (!kind || file->name != name) return damaged(path, "its definition is not of this consumer");
  Parsed out;
  out.kept = {.name = file->name,
              .id = file->id,
              .definition = {.filter = {.categories = std::move(file->categories),
                                        .types = std::move(file->types),
                                        .tags = std::move(file->tags)},
                             .start = {.kind = *kind, .position = file->start_position}},
              .created_at = file->created_at};
  Kept other = out.kept;
  const auto even = read_slot(all.first(slot_size), out.kept);
  const auto odd = read_slot(all.subspan(slot_step, slot_size), other);
  if (!even && !odd) return damaged(path, "neither of its states is whole");
  if (!even || (odd && *odd > *even)) out.kept = std::move(other);
  out.save = std::max(even.value_or(0), odd.value_or(0));
  return out;
}

class FileKeeper final : public Keeper {
 public:
  FileKeeper(log::Disk& disk, std::string folder) : disk_{disk}, folder_{std::move(folder)} {}

  Result<std::vector<Found>> load() override {
    const auto names = disk_.list(folder_);
    if (!names) {
      if (names.error().code == Errc::not_found) return std::vector<Found>{};
      return std::unexpected{names.error()};
    }
    std::vector<Found> out;
    for (const std::string& file : *names) {
      if (!file.ends_with(suffix)) continue;  // What a crash left aside is written over.
      std::string name = file.substr(0, file.size() - suffix.size());
      auto parsed = read_file(name);
      if (!parsed) {
        out.push_back({.name = std::move(name), .kept = std::unexpected{parsed.error()}});
        continue;
      }
      saves_[name] = parsed->save;
      out.push_back({.name = std::move(name), .kept = std::move(parsed->kept)});
    }
    return out;
  }

  Result<void> create(const Kept& kept) override {
    if (auto made = make_folder(); !made) return made;
    if (auto written = write_whole(kept); !written) return written;
    const std::lock_guard lock{mutex_};
    saves_[kept.name] = 0;
    doubtful_.erase(kept.name);
    return {};
  }

  Result<void> save(const Kept& kept) override {
    std::uint64_t next = 0;
    bool doubtful = false;
    {
      const std::lock_guard lock{mutex_};
      next = saves_[kept.name] + 1;
      doubtful = doubtful_.contains(kept.name);
    }
    if (doubtful) return create(kept);
    auto saved = write_slot(kept, next);
    const std::lock_guard lock{mutex_};
    if (saved) {
      saves_[kept.name] = next;
    } else {
      doubtful_.insert(kept.name);
    }
    return saved;
  }

  Result<void> remove(std::string_view name) override {
    auto removed = disk_.remove(path_of(name));
    if (!removed && removed.error().code != Errc::not_found) return removed;
    if (auto synced = disk_.sync_folder(folder_); !synced) return synced;
    const std::lock_guard lock{mutex_};
    saves_.erase(std::string{name});
    doubtful_.erase(std::string{name});
    return {};
  }

 private:
  [[nodiscard]] std::string path_of(std::string_view name) const {
    return folder_ + "/" + std::string{name} + std::string{suffix};
  }

  /// With its own name synced in the folder above: else a power cut takes it with all files in it.
  Result<void> make_folder() {
    if (folder_made_) return {};
    if (auto made = disk_.make_folder(folder_); !made) return made;
    const std::size_t slash = folder_.rfind('/');
    const std::string above = slash == std::string::npos ? "." : folder_.substr(0, slash);
    if (auto synced = disk_.sync_folder(above); !synced) return synced;
    folder_made_ = true;
    return {};
  }

  Result<Parsed> read_file(const std::string& name) {
    const std::string path = path_of(name);
    auto file = disk_.open(path, log::OpenMode::read);
    if (!file) return std::unexpected{file.error()};
    const auto size = (*file)->size();
    if (!size) return std::unexpected{size.error()};
    if (*size > file_size_max) return damaged(path, "it is too long");
    Bytes bytes(*size);
    if (auto read = (*file)->read_at(0, bytes); !read) return std::unexpected{read.error()};
    return parse_file(path, name, bytes);
  }

  Result<void> write_whole(const Kept& kept) {
    const Filter& filter = kept.definition.filter;
    const auto definition =
        to_json(DefinitionFile{.name = kept.name,
                               .id = kept.id,
                               .categories = filter.categories,
                               .types = filter.types,
                               .tags = filter.tags,
                               .start = std::string{text_of(kept.definition.start.kind)},
                               .start_position = kept.definition.start.position,
                               .created_at = kept.created_at});
    if (!definition) return fail(Errc::internal, definition.error().message);
    const std::string path = path_of(kept.name);
    const std::string aside = path + std::string{aside_suffix};
    {
      auto file = disk_.open(aside, log::OpenMode::create);
      if (!file) return std::unexpected{file.error()};
      if (auto written = (*file)->write_at(0, file_of(kept, *definition)); !written) {
        return written;
      }
      if (auto synced = (*file)->sync(); !synced) return synced;
    }
    if (auto renamed = disk_.rename(aside, path); !renamed) return renamed;
    return disk_.sync_folder(folder_);
  }

  Result<void> write_slot(const Kept& kept, std::uint64_t save) {
    auto file = disk_.open(path_of(kept.name), log::OpenMode::write);
    if (!file) return std::unexpected{file.error()};
    auto written = (*file)->write_at((save % 2) * slot_step, slot_of(kept, save));
    if (!written) return written;
    return (*file)->sync();
  }

  log::Disk& disk_;
  const std::string folder_;
  std::atomic<bool> folder_made_{false};
  std::mutex mutex_;
  std::map<std::string, std::uint64_t> saves_;  // Guarded by mutex_: the number of the last one.
  std::set<std::string> doubtful_;              // Guarded by mutex_: a write of theirs failed.
};

}  // namespace

std::unique_ptr<Keeper> make_file_keeper(log::Disk& disk, std::string folder) {
  return std::make_unique<FileKeeper>(disk, std::move(folder));
}

}  // namespace stele::consumer
