// Checking all of a sealed segment, damage by damage.

#include <string>
#include <utility>

#include "log/index_builder.h"
#include "log/sealed_segment.h"

namespace stele::log {

// Reads block `number`. False if it is damaged: then `out` says so, and `number` is the last block
// that is lost with it.
Result<bool> SealedSegment::check_block_of(std::uint32_t& number, std::vector<SealedDamage>& out,
                                           BlockPtr& block) const {
  Ordinal end = 0;
  const auto entry = entry_of(number, end);
  if (!entry && entry.error().code != Errc::corrupt) return std::unexpected{entry.error()};
  if (!entry) {
    // A page of the table: where its blocks lie is not known without it.
    const std::uint32_t page = number / sealed_table_entries_per_page;
    const bool last = page + 1 == info_.table_fences.size();
    out.push_back({.path = path_,
                   .offset = info_.table_offset + std::uint64_t{page} * sealed_page_size,
                   .first = info_.table_fences[page],
                   .end = last ? info_.events : info_.table_fences[page + 1],
                   .what = entry.error().message});
    number = (page + 1) * sealed_table_entries_per_page - 1;
    return false;
  }
  auto loaded = load_block(number, FrameView::Check::all);
  if (loaded) {
    block = std::move(*loaded);
    return true;
  }
  if (loaded.error().code != Errc::corrupt) return std::unexpected{loaded.error()};
  out.push_back({.path = path_,
                 .offset = entry->offset,
                 .first = entry->first,
                 .end = end,
                 .what = loaded.error().message});
  return false;
}

Result<std::vector<SealedDamage>> SealedSegment::find_damage(const TakeFrame& take) const {
  std::vector<SealedDamage> out;
  IndexBuilder builder{info_.header.salt};
  FrameChain chain{info_.header.chain};
  std::uint32_t frames = 0;
  Ordinal events = 0;
  for (std::uint32_t number = 0; number < info_.blocks; ++number) {
    BlockPtr block;
    const auto good = check_block_of(number, out, block);
    if (!good) return std::unexpected{good.error()};
    if (!*good) continue;
    for (const FrameRef& at : block->frames) {
      const auto frame = frame_in(*block, at);
      if (!frame) return std::unexpected{frame.error()};
      builder.add(*frame, number);
      chain.add(frame->bytes());
      if (take) take(*frame);
      ++frames;
    }
    events = block->end;
  }
  if (!out.empty()) return out;  // Without all frames neither chain nor index can be compared.
  if (frames != info_.frames || events != info_.events || chain.value() != info_.chain_after) {
    out.push_back({.path = path_,
                   .what = "The segment \"" + path_ + "\" does not hold the " +
                           std::to_string(info_.frames) + " frames that its footer names."});
    return out;
  }
  if (auto done = check_index(builder.build(identity()), out); !done) {
    return std::unexpected{done.error()};
  }
  return out;
}

Result<void> SealedSegment::check_index(const std::vector<std::byte>& right,
                                        std::vector<SealedDamage>& out) const {
  const std::string path = folder_ + "/" + index_name(first());
  const auto file = disk_->open(path, OpenMode::read);
  if (!file) return std::unexpected{file.error()};
  const auto size = (*file)->size();
  if (!size) return std::unexpected{size.error()};
  std::vector<std::byte> found(static_cast<std::size_t>(*size));
  if (const auto read = (*file)->read_at(0, found); !read) return std::unexpected{read.error()};
  if (found == right) return {};
  std::size_t offset = 0;
  while (offset < found.size() && offset < right.size() && found[offset] == right[offset]) ++offset;
  out.push_back({.path = path,
                 .offset = offset,
                 .what = "The index \"" + path +
                         "\" is not the one of its segment. Remove it: it is built again when the "
                         "log is opened."});
  return {};
}

Result<void> SealedSegment::verify() const {
  const auto damage = find_damage();
  if (!damage) return std::unexpected{damage.error()};
  if (damage->empty()) return {};
  return fail(Errc::corrupt, damage->front().what);
}

}  // namespace stele::log
