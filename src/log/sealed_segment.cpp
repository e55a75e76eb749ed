#include "log/sealed_segment.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/crc32c.h"
#include "log/bytes.h"
#include "log/index_builder.h"
#include "log/memory_file.h"
#include "log/seal_segment.h"

namespace stele::log {
namespace {

constexpr std::uint32_t table_cache_base = 0x8000'0000;  // Blocks have the numbers below.
constexpr std::size_t append_id_at = 16;                 // In a frame (format.h).
constexpr std::size_t fences_at = 76;

}  // namespace

SealedSegment::SealedSegment(Disk& disk, std::string folder, std::shared_ptr<BlockCache> cache)
    : disk_{&disk},
      folder_{std::move(folder)},
      cache_{std::move(cache)},
      cache_file_{cache_->new_file()} {}

SealedSegment::~SealedSegment() = default;

Result<std::shared_ptr<const SealedSegment>> SealedSegment::open(
    Disk& disk, const std::string& folder, Position first, std::shared_ptr<BlockCache> cache) {
  std::shared_ptr<SealedSegment> segment{new SealedSegment{disk, folder, std::move(cache)}};
  segment->path_ = folder + "/" + segment_name(first);
  auto file = disk.open(segment->path_, OpenMode::read);
  if (!file) return std::unexpected{file.error()};
  segment->file_ = std::move(*file);
  if (const auto read = segment->read_ends(); !read) return std::unexpected{read.error()};
  if (segment->first() != first) {
    return fail(Errc::corrupt, "The segment \"" + segment->path_ + "\" begins at position " +
                                   std::to_string(number(segment->first())) +
                                   ", not at the one in its name. Was it renamed?");
  }
  auto index = segment->open_index();
  if (index) {
    segment->index_ = index->get();
    segment->runs_.push_back(std::move(*index));
  } else if (const auto built = segment->rebuild_index(); !built) {
    return std::unexpected{built.error()};
  }
  return segment;
}

Result<void> SealedSegment::read_ends() {
  const auto size = file_->size();
  if (!size) return std::unexpected{size.error()};
  if (*size < segment_header_size + sealed_footer_size) {
    return fail(Errc::corrupt, "The segment \"" + path_ + "\" is cut short: it has only " +
                                   std::to_string(*size) + " bytes.");
  }
  std::array<std::byte, segment_header_size> head;
  if (const auto read = file_->read_at(0, head); !read) return std::unexpected{read.error()};
  const auto header = decode_segment_header(head, path_);
  if (!header) return std::unexpected{header.error()};
  if (header->kind != SegmentKind::sealed) {
    return fail(Errc::corrupt, "The segment \"" + path_ + "\" is not sealed.");
  }
  info_.header = *header;
  seed_ = segment_seed(header->salt, header->first);
  return read_footer(*size);
}

Result<void> SealedSegment::read_footer(std::uint64_t size) {
  std::array<std::byte, sealed_footer_size> foot;
  const std::byte* const at = foot.data();
  const std::uint64_t foot_at = size - sealed_footer_size;
  if (const auto read = file_->read_at(foot_at, foot); !read) return std::unexpected{read.error()};
  const auto corrupt = [&](std::string_view why) {
    return fail(Errc::corrupt, "The footer at offset " + std::to_string(foot_at) + " of \"" +
                                   path_ + "\" " + std::string{why} +
                                   ". Run \"stele verify\" on the log.");
  };
  if (load<std::uint32_t>(at + foot.size() - 4) != crc32c(at, foot.size() - 4, seed_)) {
    return corrupt("fails its checksum");
  }
  if (text_at(at, 8) != "STELEEND") return corrupt("is none");
  info_.events = load<std::uint32_t>(at + 8);
  info_.frames = load<std::uint32_t>(at + 12);
  info_.blocks = load<std::uint32_t>(at + 16);
  info_.table_offset = load<std::uint32_t>(at + 20);
  info_.frames_size = load<std::uint64_t>(at + 24);
  info_.next_group = load<std::uint64_t>(at + 40);
  info_.last_recorded_at = Timestamp{load<std::int64_t>(at + 48)};
  std::memcpy(info_.chain_after.data(), at + 56, info_.chain_after.size());
  const auto pages = load<std::uint32_t>(at + 72);
  const bool fits = pages <= sealed_table_pages_max && info_.blocks != 0 && info_.events != 0 &&
                    pages == (std::uint64_t{info_.blocks} + sealed_table_entries_per_page - 1) /
                                 sealed_table_entries_per_page &&
                    info_.table_offset + std::uint64_t{pages} * sealed_page_size == foot_at &&
                    load<std::uint64_t>(at + 32) == number(info_.header.first);
  if (!fits) return corrupt("does not fit the file");
  for (std::uint32_t i = 0; i < pages; ++i) {
    info_.table_fences.push_back(load<std::uint32_t>(at + fences_at + 4 * std::size_t{i}));
  }
  table_.emplace(*file_, path_, info_.table_offset, seed_, *cache_, cache_file_, table_cache_base);
  return {};
}

IndexIdentity SealedSegment::identity() const {
  return {.first = info_.header.first,
          .chain_after = info_.chain_after,
          .events = info_.events,
          .frames = info_.frames,
          .seed = seed_};
}

Result<std::unique_ptr<IndexRun>> SealedSegment::open_index() const {
  const std::string path = folder_ + "/" + index_name(first());
  auto file = disk_->open(path, OpenMode::read);
  if (!file) return std::unexpected{file.error()};
  return IndexRun::open(std::move(*file), path, identity(), cache_);
}

Result<std::vector<std::byte>> SealedSegment::index_bytes() const {
  IndexBuilder builder{info_.header.salt};
  std::uint32_t frames = 0;
  Ordinal events = 0;
  for (std::uint32_t number = 0; number < info_.blocks; ++number) {
    const auto loaded = load_block(number, FrameView::Check::structure);
    if (!loaded) return std::unexpected{loaded.error()};
    for (const FrameRef& at : (*loaded)->frames) {
      const auto frame = frame_in(**loaded, at);
      if (!frame) return std::unexpected{frame.error()};
      builder.add(*frame, number);
      ++frames;
    }
    events = (*loaded)->end;
  }
  if (frames != info_.frames || events != info_.events) {
    return fail(Errc::corrupt, "The segment \"" + path_ + "\" does not hold the " +
                                   std::to_string(info_.frames) + " frames that its footer names.");
  }
  return builder.build(identity());
}

Result<void> SealedSegment::rebuild_index() const {
  auto bytes = index_bytes();
  if (!bytes) return std::unexpected{bytes.error()};
  const std::string path = folder_ + "/" + index_name(first());
  std::unique_ptr<File> file;
  if (write_index(*disk_, folder_, first(), *bytes)) {
    if (auto opened = disk_->open(path, OpenMode::read)) file = std::move(*opened);
  }
  // A full disk is no reason to answer nothing: the index stays in memory until the next opening.
  if (file == nullptr) file = std::make_unique<MemoryFile>(std::move(*bytes));
  auto run = IndexRun::open(std::move(file), path, identity(), cache_);
  if (!run) return std::unexpected{run.error()};
  index_.store(run->get());
  runs_.push_back(std::move(*run));
  rebuilt_.store(true);
  return {};
}

// Asks the index; if a page of it is damaged, builds it again and asks once more.
template <typename Ask>
auto SealedSegment::ask_index(const Ask& ask) const
    -> decltype(ask(std::declval<const IndexRun&>())) {
  const IndexRun* const asked = index_.load();
  auto answer = ask(*asked);
  if (answer || answer.error().code != Errc::corrupt) return answer;
  {
    const std::lock_guard lock{mutex_};
    if (index_.load() == asked) {  // Otherwise another reader has done it.
      if (const auto built = rebuild_index(); !built) return std::unexpected{built.error()};
    }
  }
  return ask(*index_.load());
}

// True if the event at `ordinal` is one of `stream`; then `entry` says where the stream stood.
Result<bool> SealedSegment::is_of(Ordinal ordinal, std::string_view stream,
                                  StreamEntry& entry) const {
  const auto found = frame_with(ordinal);
  if (!found) return std::unexpected{found.error()};
  EventCursor events = found->frame.events();
  EventView event;
  for (Ordinal at = found->first; events.next(event); ++at) {
    if (at != ordinal) continue;
    if (event.stream != stream) return false;
    entry.version = event.version;
    entry.tip = tip_of(event.id);
    entry.last = ordinal;
    return true;
  }
  return false;
}

Result<std::optional<StreamEntry>> SealedSegment::find_stream(std::string_view name) const {
  const auto found = find_stream(name, key_hash(info_.header.salt, KeyKind::stream, name));
  if (!found) return std::unexpected{found.error()};
  if (!*found) return std::nullopt;
  return (*found)->entry;
}

Result<std::optional<StreamPostings>> SealedSegment::find_stream(std::string_view name,
                                                                 KeyHash key) const {
  StreamPostings out;
  const auto found = ask_index([&](const IndexRun& index) {
    out.index = &index;
    return index.find(key);
  });
  if (!found) return std::unexpected{found.error()};
  if (!*found) return std::nullopt;
  out.key = **found;
  out.entry.count = out.key.stream.count;
  const auto same = is_of(out.key.stream.last, name, out.entry);
  if (!same) return std::unexpected{same.error()};
  if (*same) return out;
  // Two streams share the hash: look through the events of both.
  const auto all = collect_backward(key, info_.events, info_.events);
  if (!all) return std::unexpected{all.error()};
  out.entry.count = 0;
  for (const Ordinal ordinal : *all) {
    StreamEntry here;
    const auto of = is_of(ordinal, name, here);
    if (!of) return std::unexpected{of.error()};
    if (*of && out.entry.count++ == 0) {
      here.count = 1;
      out.entry = here;
    }
  }
  if (out.entry.count == 0) return std::nullopt;
  return out;
}

Result<std::optional<SealedFrame>> SealedSegment::find_append(const AppendId& id) const {
  const KeyHash key = key_hash(info_.header.salt, id);
  const auto blocks = ask_index([key](const IndexRun& index) { return index.find_append(key); });
  if (!blocks) return std::unexpected{blocks.error()};
  for (const std::uint32_t number : *blocks) {
    const auto held = block(number);
    if (!held) return std::unexpected{held.error()};
    for (const FrameRef& at : (*held)->frames) {
      const std::byte* const frame = (*held)->bytes.get() + at.offset;
      if (std::memcmp(frame + append_id_at, id.bytes.data(), id.bytes.size()) == 0) {
        const auto found = frame_in(**held, at);
        if (!found) return std::unexpected{found.error()};
        return SealedFrame{.block = *held, .frame = *found, .first = at.first};
      }
    }
  }
  return std::nullopt;
}

Result<Candidates> SealedSegment::collect(const IndexQuery& query, Ordinal from,
                                          std::size_t limit) const {
  return ask_index([&](const IndexRun& index) { return index.collect(query, from, limit); });
}

Result<Candidates> SealedSegment::collect(const StreamPostings& stream, KeyHash key, Ordinal from,
                                          std::size_t limit) const {
  auto found = stream.index->collect(stream.key, from, limit);
  if (found || found.error().code != Errc::corrupt) return found;
  return collect({.streams = {key}}, from, limit);  // Builds the index again.
}

Result<std::vector<Ordinal>> SealedSegment::collect_backward(KeyHash key, Ordinal before,
                                                             std::size_t limit) const {
  return ask_index(
      [&](const IndexRun& index) { return index.collect_backward(key, before, limit); });
}

Result<std::optional<Ordinal>> SealedSegment::last_of(KeyHash key) const {
  const auto found = ask_index([key](const IndexRun& index) { return index.find(key); });
  if (!found) return std::unexpected{found.error()};
  if (!*found) return std::nullopt;
  return (*found)->stream.last;
}

}  // namespace stele::log
