// The blocks of a sealed segment: where they are, and reading them one by one or many at once.

#include <algorithm>
#include <utility>

#include "log/bytes.h"
#include "log/sealed_segment.h"

namespace stele::log {
namespace {

constexpr std::uint32_t entries_per_page = sealed_table_entries_per_page;
constexpr std::size_t scratch_size_max = 512 * 1'024;  // Of what a thread keeps.

BlockEntry load_entry(const std::byte* at, std::uint32_t number) {
  return {.number = number,
          .offset = load<std::uint32_t>(at),
          .first = load<std::uint32_t>(at + 4),
          .stored = load<std::uint32_t>(at + 8),
          .raw = load<std::uint32_t>(at + 12)};
}

std::size_t whole_size(const BlockEntry& entry) { return sealed_block_header_size + entry.stored; }

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

// `end` is set to one past the block's last ordinal.
Result<BlockEntry> SealedSegment::entry_of(std::uint32_t number, Ordinal& end) const {
  const std::uint32_t page_number = number / entries_per_page;
  const auto page = table_->page(page_number);
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
  if (!possible) return table_->nonsense(page_number);
  return entry;
}

Result<std::uint32_t> SealedSegment::number_of(Ordinal ordinal) const {
  const auto& fences = info_.table_fences;
  const auto fence = std::upper_bound(fences.begin() + 1, fences.end(), ordinal);
  const auto page_number = static_cast<std::uint32_t>(fence - fences.begin() - 1);
  const auto page = table_->page(page_number);
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

Result<SealedSegment::Run> SealedSegment::plan_run(std::uint32_t number, Ordinal ordinal,
                                                   std::size_t events) const {
  Run run;
  std::size_t size = 0;
  for (; number < info_.blocks; ++number) {
    Ordinal end = 0;
    const auto entry = entry_of(number, end);
    if (!entry) return std::unexpected{entry.error()};
    size += entry->raw;
    if (!run.entries.empty()) {
      const BlockEntry& before = run.entries.back();
      const bool adjoins = before.offset + whole_size(before) == entry->offset;
      if (!adjoins || size > sealed_run_size_max) break;
    }
    run.entries.push_back(*entry);
    run.end = end;
    if (end - ordinal >= events) break;
  }
  return run;
}

// Reads blocks that lie side by side with one read and gives them as one.
Result<BlockPtr> SealedSegment::load_joined(const Run& run, FrameView::Check check) const {
  const auto& entries = run.entries;
  const std::size_t offset = entries.front().offset;
  const std::size_t stored_size = entries.back().offset + whole_size(entries.back()) - offset;
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
  block->frames.reserve(run.end - entries.front().first);
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
    const auto bytes = stored.subspan(entry.offset - offset, whole_size(entry));
    auto done = check_block(bytes, entry, seed_, path_);
    std::size_t frames_at = out_at;
    if (all_raw) {
      frames_at = entry.offset - offset + sealed_block_header_size;
    } else if (done) {
      done = unpack_block(bytes, entry, {block->bytes.get() + out_at, entry.raw}, path_);
      out_at += entry.raw;
    }
    const Ordinal end = i + 1 < entries.size() ? entries[i + 1].first : run.end;
    if (done) done = find_frames(*block, frames_at, entry, end, info_.header, check, path_);
    if (!done) return std::unexpected{done.error()};
  }
  return block;
}

// The same, each block for itself, and into the cache.
Result<void> SealedSegment::load_each(const Run& run, std::vector<BlockPtr>& out) const {
  const auto& entries = run.entries;
  const std::size_t offset = entries.front().offset;
  const std::size_t stored_size = entries.back().offset + whole_size(entries.back()) - offset;
  const Scratch scratch{stored_size};
  const std::span<std::byte> stored{scratch.bytes(), stored_size};
  if (const auto read = file_->read_at(offset, stored); !read) {
    return std::unexpected{read.error()};
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const BlockEntry& entry = entries[i];
    const auto bytes = stored.subspan(entry.offset - offset, whole_size(entry));
    const Ordinal end = i + 1 < entries.size() ? entries[i + 1].first : run.end;
    auto block = std::make_shared<Block>();
    block->size = entry.raw;
    block->bytes = std::make_unique_for_overwrite<std::byte[]>(block->size);
    block->first = entry.first;
    block->end = block->first;
    block->frames.reserve(end - entry.first);
    auto done = check_block(bytes, entry, seed_, path_);
    if (done) done = unpack_block(bytes, entry, {block->bytes.get(), block->size}, path_);
    if (done) {
      done = find_frames(*block, 0, entry, end, info_.header, FrameView::Check::structure, path_);
    }
    if (!done) return done;
    out.push_back(std::move(block));
    cache_->put(cache_file_, entry.number, out.back(), BlockCache::Put::if_room);
  }
  return {};
}

Result<BlockPtr> SealedSegment::load_block(std::uint32_t number, FrameView::Check check) const {
  Run run;
  const auto entry = entry_of(number, run.end);
  if (!entry) return std::unexpected{entry.error()};
  run.entries.push_back(*entry);
  return load_joined(run, check);
}

Result<std::vector<BlockPtr>> SealedSegment::run_with(Ordinal ordinal, std::size_t events) const {
  const auto first = number_of(ordinal);
  if (!first) return std::unexpected{first.error()};
  std::vector<BlockPtr> out;
  std::size_t size = 0;
  for (std::uint32_t number = *first; number < info_.blocks; ++number) {
    BlockPtr known = cache_->find(cache_file_, number);
    if (known == nullptr) break;
    size += known->size;
    if (!out.empty() && size > sealed_run_size_max) return out;
    out.push_back(std::move(known));
    if (out.back()->end - ordinal >= events) return out;
  }
  if (!out.empty()) return out;
  const auto run = plan_run(*first, ordinal, events);
  if (!run) return std::unexpected{run.error()};
  if (cache_->has_room(cache_file_, *first, 2 * sealed_block_size)) {
    if (auto done = load_each(*run, out); !done) return std::unexpected{done.error()};
    return out;
  }
  auto joined = load_joined(*run, FrameView::Check::structure);
  if (!joined) return std::unexpected{joined.error()};
  out.push_back(std::move(*joined));
  return out;
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

// What waits for memory is asked for ahead: the cache's slots first, then the blocks, then the
// frames, each for all events.
Result<void> SealedSegment::blocks_with(std::span<const Ordinal> ordinals,
                                        std::span<BlockPtr> out) const {
  std::vector<std::uint32_t> numbers;
  numbers.reserve(ordinals.size());
  for (const Ordinal ordinal : ordinals) {
    const auto number = number_of(ordinal);
    if (!number) return std::unexpected{number.error()};
    numbers.push_back(*number);
    cache_->prefetch(cache_file_, *number);
  }
  for (std::size_t i = 0; i < ordinals.size(); ++i) {
    if (i != 0 && numbers[i] == numbers[i - 1]) {
      out[i] = out[i - 1];
      continue;
    }
    auto found = block(numbers[i]);
    if (!found) return std::unexpected{found.error()};
    out[i] = std::move(*found);
    __builtin_prefetch(out[i]->frames.data());
  }
  for (std::size_t i = 0; i < ordinals.size(); ++i) {
    // About where the event is: its frame's first lines.
    const Block& held = *out[i];
    const std::size_t guess =
        held.size * (ordinals[i] - held.first) / std::max<std::size_t>(held.end - held.first, 1);
    const std::byte* const at = held.bytes.get() + std::min(guess, held.size - 1);
    for (std::size_t line = 0; line < 4; ++line) __builtin_prefetch(at + 64 * line);
  }
  return {};
}

// Its block was checked when it was read; that the frame holds together is seen when it is used.
Result<FrameView> SealedSegment::frame_in(const Block& block, const FrameRef& at) const {
  auto frame = FrameView::parse(block.view().subspan(at.offset), 0, FrameView::Check::structure);
  if (frame) return frame;
  return fail(Errc::corrupt, "A block of \"" + path_ + "\" holds a frame that does not hold " +
                                 "together, though its checksum is right.");
}

Result<FrameView> SealedSegment::frame_in(const Block& block, Ordinal ordinal) const {
  const auto& frames = block.frames;
  const auto after = std::upper_bound(frames.begin(), frames.end(), ordinal,
                                      [](Ordinal o, const FrameRef& at) { return o < at.first; });
  if (after == frames.begin() || ordinal >= block.end) {
    return fail(Errc::internal, "An event was looked for in a block that does not hold it.");
  }
  return frame_in(block, *(after - 1));
}

Result<SealedFrame> SealedSegment::frame_with(Ordinal ordinal) const {
  auto found = block_with(ordinal);
  if (!found) return std::unexpected{found.error()};
  const auto frame = frame_in(**found, ordinal);
  if (!frame) return std::unexpected{frame.error()};
  const auto first = static_cast<Ordinal>(number(frame->first()) - number(info_.header.first));
  return SealedFrame{.block = std::move(*found), .frame = *frame, .first = first};
}

}  // namespace stele::log
