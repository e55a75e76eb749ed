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
constexpr std::uint32_t entries_per_page = sealed_page_room / block_entry_size;
constexpr std::size_t append_id_at = 16;  // In a frame (format.h).
constexpr std::size_t fences_at = 76;

BlockEntry load_entry(const std::byte* at, std::uint32_t number) {
  return {.number = number,
          .offset = load<std::uint32_t>(at),
          .first = load<std::uint32_t>(at + 4),
          .stored = load<std::uint32_t>(at + 8),
          .raw = load<std::uint32_t>(at + 12)};
}

constexpr std::size_t scratch_size_max = 512 * 1'024;  // Of what a thread keeps.

// Memory for bytes as they lie in the file, until they are unpacked; each thread keeps some.
class Scratch {
 public:
  explicit Scratch(std::size_t size) {
    thread_local std::vector<std::byte> kept;
    if (size > scratch_size_max) {
      large_.resize(size);
      bytes_ = large_.data();
      return;
    }
    if (kept.size() < size) kept.resize(size);
    bytes_ = kept.data();
  }
  [[nodiscard]] std::byte* bytes() const { return bytes_; }

 private:
  std::vector<std::byte> large_;
  std::byte* bytes_ = nullptr;
};

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
                    pages == (info_.blocks + entries_per_page - 1) / entries_per_page &&
                    info_.table_offset + std::uint64_t{pages} * sealed_page_size == foot_at &&
                    load<std::uint64_t>(at + 32) == number(info_.header.first);
  if (!fits) return corrupt("does not fit the file");
  for (std::uint32_t i = 0; i < pages; ++i) {
    info_.table_fences.push_back(load<std::uint32_t>(at + fences_at + 4 * std::size_t{i}));
  }
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

Result<std::vector<std::byte>> SealedSegment::index_bytes(FrameView::Check check) const {
  IndexBuilder builder{info_.header.salt};
  FrameChain chain{info_.header.chain};
  std::uint32_t frames = 0;
  Ordinal events = 0;
  for (std::uint32_t number = 0; number < info_.blocks; ++number) {
    const auto loaded = load_block(number, check);
    if (!loaded) return std::unexpected{loaded.error()};
    for (const FrameRef& at : (*loaded)->frames) {
      const auto frame = frame_in(*loaded, at);
      if (!frame) return std::unexpected{frame.error()};
      builder.add(frame->frame, number);
      if (check == FrameView::Check::all) chain.add(frame->frame.bytes());
      ++frames;
    }
    events = (*loaded)->end;
  }
  const bool chained = check != FrameView::Check::all || chain.value() == info_.chain_after;
  if (frames != info_.frames || events != info_.events || !chained) {
    return fail(Errc::corrupt, "The segment \"" + path_ + "\" does not hold the " +
                                   std::to_string(info_.frames) + " frames that its footer names.");
  }
  return builder.build(identity());
}

Result<void> SealedSegment::rebuild_index() const {
  auto bytes = index_bytes(FrameView::Check::structure);
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

PageReader SealedSegment::table() const {
  return {*file_, path_, info_.table_offset, seed_, *cache_, cache_file_, table_cache_base};
}

// `end` is set to one past the block's last ordinal.
Result<BlockEntry> SealedSegment::entry_of(std::uint32_t number, Ordinal& end) const {
  const PageReader reader = table();
  const std::uint32_t page_number = number / entries_per_page;
  const auto page = reader.page(page_number);
  if (!page) return std::unexpected{page.error()};
  const std::byte* const at = (*page)->bytes.get() + number % entries_per_page * block_entry_size;
  const BlockEntry entry = load_entry(at, number);
  if (number + 1 == info_.blocks) {
    end = info_.events;
  } else if (number % entries_per_page + 1 == entries_per_page) {
    end = info_.table_fences[page_number + 1];
  } else {
    end = load_entry(at + block_entry_size, number + 1).first;
  }
  const bool possible =
      entry.first < end && end <= info_.events && entry.raw != 0 && entry.stored != 0 &&
      entry.raw <= frame_size_max + sealed_block_size &&
      std::uint64_t{entry.offset} + sealed_block_header_size + entry.stored <= info_.table_offset;
  if (!possible) return reader.nonsense(page_number);
  return entry;
}

Result<std::uint32_t> SealedSegment::number_of(Ordinal ordinal) const {
  const auto& fences = info_.table_fences;
  const auto fence = std::upper_bound(fences.begin() + 1, fences.end(), ordinal);
  const auto page_number = static_cast<std::uint32_t>(fence - fences.begin() - 1);
  const auto page = table().page(page_number);
  if (!page) return std::unexpected{page.error()};
  const std::byte* const at = (*page)->bytes.get();
  const auto first_of = [at](std::uint32_t entry) {
    return load<std::uint32_t>(at + entry * block_entry_size + 4);
  };
  // Blocks hold about as many events each: begin at the place where the event should be.
  const std::uint32_t count =
      std::min(entries_per_page, info_.blocks - page_number * entries_per_page);
  const Ordinal from = fences[page_number];
  const Ordinal to = page_number + 1 < fences.size() ? fences[page_number + 1] : info_.events;
  const std::uint64_t guess = std::uint64_t{ordinal - from} * count / std::max(to - from, 1U);
  auto low = static_cast<std::uint32_t>(std::min<std::uint64_t>(guess, count - 1));
  std::uint32_t step = 1;
  while (low > 0 && first_of(low) > ordinal) {
    low -= std::min(low, step);
    step *= 2;
  }
  std::uint32_t high = std::min(low + 1, count);
  for (step = 1; high < count && first_of(high) <= ordinal; step *= 2) {
    low = high;
    high = std::min(high + step, count);
  }
  while (high - low > 1) {
    const std::uint32_t middle = low + (high - low) / 2;
    (first_of(middle) <= ordinal ? low : high) = middle;
  }
  return page_number * entries_per_page + low;
}

// Reads blocks that lie side by side with one read and gives them as one. Events [.., end).
Result<BlockPtr> SealedSegment::load_run(const std::vector<BlockEntry>& entries, Ordinal end,
                                         FrameView::Check check) const {
  const BlockEntry& last = entries.back();
  const std::size_t offset = entries.front().offset;
  const std::size_t stored_size = last.offset + sealed_block_header_size + last.stored - offset;
  std::size_t raw_size = 0;
  for (const BlockEntry& entry : entries) raw_size += entry.raw;
  const bool all_raw = std::ranges::all_of(entries, is_raw);
  auto block = std::make_shared<Block>();
  // Raw blocks stay where they were read to, with their headers between them.
  block->size = all_raw ? stored_size : raw_size;
  if (entries.size() > 1 && block->size <= run_buffer_size) {
    block->home = cache_->run_buffers();
    block->bytes = block->home->take();
  } else {
    block->bytes = std::make_unique_for_overwrite<std::byte[]>(block->size);
  }
  block->frames.reserve(end - entries.front().first);
  block->first = entries.front().first;
  block->end = block->first;
  Scratch scratch{all_raw ? 0 : stored_size};
  const std::span<std::byte> stored{all_raw ? block->bytes.get() : scratch.bytes(), stored_size};
  if (const auto read = file_->read_at(offset, stored); !read) {
    return std::unexpected{read.error()};
  }
  std::size_t out_at = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const BlockEntry& entry = entries[i];
    const auto bytes =
        stored.subspan(entry.offset - offset, sealed_block_header_size + entry.stored);
    auto done = check_block(bytes, entry, seed_, path_);
    std::size_t frames_at = out_at;
    if (all_raw) {
      frames_at = entry.offset - offset + sealed_block_header_size;
    } else if (done) {
      done = unpack_block(bytes, entry, {block->bytes.get() + out_at, entry.raw}, path_);
      out_at += entry.raw;
    }
    const Ordinal block_end = i + 1 < entries.size() ? entries[i + 1].first : end;
    if (done) {
      done = find_frames(*block, frames_at, entry, block_end, info_.header, check, path_);
    }
    if (!done) return std::unexpected{done.error()};
  }
  return block;
}

Result<BlockPtr> SealedSegment::load_block(std::uint32_t number, FrameView::Check check) const {
  Ordinal end = 0;
  const auto entry = entry_of(number, end);
  if (!entry) return std::unexpected{entry.error()};
  return load_run({*entry}, end, check);
}

Result<BlockPtr> SealedSegment::run_with(Ordinal ordinal, std::size_t events) const {
  const auto number = number_of(ordinal);
  if (!number) return std::unexpected{number.error()};
  std::vector<BlockEntry> entries;
  Ordinal end = 0;
  std::size_t size = 0;
  for (std::uint32_t next = *number; next < info_.blocks; ++next) {
    Ordinal next_end = 0;
    const auto entry = entry_of(next, next_end);
    if (!entry) return std::unexpected{entry.error()};
    size += entry->raw;
    if (!entries.empty()) {
      const BlockEntry& before = entries.back();
      const bool adjoins =
          before.offset + sealed_block_header_size + before.stored == entry->offset;
      if (!adjoins || size > sealed_run_size_max) break;
    }
    entries.push_back(*entry);
    end = next_end;
    if (end - ordinal >= events) break;
  }
  if (entries.size() == 1) return block(*number);
  return load_run(entries, end, FrameView::Check::structure);
}

Result<BlockPtr> SealedSegment::block(std::uint32_t number) const {
  if (BlockPtr known = cache_->find(cache_file_, number)) return known;
  auto loaded = load_block(number, FrameView::Check::structure);
  if (loaded) cache_->put(cache_file_, number, *loaded);
  return loaded;
}

Result<BlockPtr> SealedSegment::block_with(Ordinal ordinal) const {
  const auto number = number_of(ordinal);
  if (!number) return std::unexpected{number.error()};
  return block(*number);
}

Result<SealedFrame> SealedSegment::frame_in(BlockPtr block, const FrameRef& at) const {
  auto frame = FrameView::parse(block->view().subspan(at.offset), log_seed(info_.header.salt),
                                FrameView::Check::known);
  if (!frame) return std::unexpected{frame.error()};
  return SealedFrame{.block = std::move(block), .frame = *frame, .first = at.first};
}

Result<SealedFrame> SealedSegment::frame_with(Ordinal ordinal) const {
  auto found = block_with(ordinal);
  if (!found) return std::unexpected{found.error()};
  const auto& frames = (*found)->frames;
  const auto after = std::upper_bound(frames.begin(), frames.end(), ordinal,
                                      [](Ordinal o, const FrameRef& at) { return o < at.first; });
  if (after == frames.begin()) {
    return fail(Errc::internal, "An event was looked for in a block that does not hold it.");
  }
  return frame_in(std::move(*found), *(after - 1));
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
  const KeyHash key = key_hash(info_.header.salt, KeyKind::stream, name);
  const auto found = ask_index([key](const IndexRun& index) { return index.find(key); });
  if (!found) return std::unexpected{found.error()};
  if (!*found) return std::nullopt;
  StreamEntry entry{.count = (*found)->stream.count};
  const auto same = is_of((*found)->stream.last, name, entry);
  if (!same) return std::unexpected{same.error()};
  if (*same) return entry;
  // Two streams share the hash: look through the events of both.
  const auto all = collect_backward(key, info_.events, info_.events);
  if (!all) return std::unexpected{all.error()};
  entry.count = 0;
  for (const Ordinal ordinal : *all) {
    StreamEntry here;
    const auto of = is_of(ordinal, name, here);
    if (!of) return std::unexpected{of.error()};
    if (*of && entry.count++ == 0) {
      here.count = 1;
      entry = here;
    }
  }
  if (entry.count == 0) return std::nullopt;
  return entry;
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
        return frame_in(*held, at);
      }
    }
  }
  return std::nullopt;
}

Result<Candidates> SealedSegment::collect(const IndexQuery& query, Ordinal from,
                                          std::size_t limit) const {
  return ask_index([&](const IndexRun& index) { return index.collect(query, from, limit); });
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

Result<void> SealedSegment::verify() const {
  const auto right = index_bytes(FrameView::Check::all);
  if (!right) return std::unexpected{right.error()};
  const std::string path = folder_ + "/" + index_name(first());
  const auto file = disk_->open(path, OpenMode::read);
  if (!file) return std::unexpected{file.error()};
  const auto size = (*file)->size();
  if (!size) return std::unexpected{size.error()};
  std::vector<std::byte> found(static_cast<std::size_t>(*size));
  if (const auto read = (*file)->read_at(0, found); !read) return std::unexpected{read.error()};
  if (found == *right) return {};
  return fail(Errc::corrupt, "The index \"" + path +
                                 "\" is not the one of its segment. Remove it: it is built again "
                                 "when the log is opened.");
}

}  // namespace stele::log
