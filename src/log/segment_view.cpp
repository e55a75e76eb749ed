#include "log/segment_view.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

namespace stele::log {

Ordinal SegmentView::events() const {
  return sealed_ ? sealed_->info().events : open_->durable_events();
}

Result<Candidates> SegmentView::collect(const IndexQuery& query, Ordinal from,
                                        std::size_t limit) const {
  if (sealed_) return sealed_->collect(query, from, limit);
  return open_->collect(query, from, limit);
}

Result<std::vector<Ordinal>> SegmentView::collect_backward(KeyHash key, Ordinal before,
                                                           std::size_t limit) const {
  if (sealed_) return sealed_->collect_backward(key, before, limit);
  return open_->collect_backward(key, before, limit);
}

Result<std::optional<StreamPostings>> SegmentView::find_stream(std::string_view name,
                                                               KeyHash hash) const {
  if (sealed_) return sealed_->find_stream(name, hash);
  const auto entry = open_->find_stream(name, hash);
  if (!entry) return std::unexpected{entry.error()};
  if (!*entry) return std::nullopt;
  return StreamPostings{.entry = **entry};
}

Result<Candidates> SegmentView::collect(const StreamPostings& stream, KeyHash hash, Ordinal from,
                                        std::size_t limit) const {
  if (sealed_) return sealed_->collect(stream, hash, from, limit);
  return open_->collect({.streams = {hash}}, from, limit);
}

Result<LoadedFrames> SegmentView::frame_with(Ordinal ordinal) const {
  if (open_) return open_->frame_with(ordinal);
  auto found = sealed_->frame_with(ordinal);
  if (!found) return std::unexpected{found.error()};
  return LoadedFrames{.owner = std::move(found->block), .frames = {found->frame}};
}

Result<LoadedFrames> SegmentView::frames_from(Ordinal ordinal, std::size_t limit) const {
  if (open_) return open_->frames_from(ordinal, limit);
  auto blocks = sealed_->run_with(ordinal, limit);
  if (!blocks) return std::unexpected{blocks.error()};
  LoadedFrames loaded;
  const std::uint64_t end = std::uint64_t{ordinal} + limit;
  std::size_t frames = 0;
  for (const BlockPtr& block : *blocks) frames += block->frames.size();
  loaded.frames.reserve(std::min(frames, limit));
  for (const BlockPtr& block : *blocks) {
    const auto& refs = block->frames;
    auto ref = refs.begin();
    if (block == blocks->front()) {
      ref = std::prev(std::ranges::upper_bound(refs, ordinal, {}, &FrameRef::first));
    }
    for (; ref != refs.end() && ref->first < end; ++ref) {
      const auto frame = sealed_->frame_in(*block, *ref);
      if (!frame) return std::unexpected{frame.error()};
      loaded.frames.push_back(*frame);
    }
  }
  if (blocks->size() == 1) {
    loaded.owner = std::move(blocks->front());
  } else {
    loaded.owner = std::make_shared<const std::vector<BlockPtr>>(std::move(*blocks));
  }
  return loaded;
}

Result<std::optional<Appended>> SegmentView::find_append(const AppendId& id, KeyHash hash) const {
  if (sealed_) {
    const auto found = sealed_->find_append(id);
    if (!found) return std::unexpected{found.error()};
    if (!*found) return std::optional<Appended>{};
    return std::optional{(*found)->frame.answer()};
  }
  for (const Ordinal ordinal : open_->find_append(hash)) {
    const auto loaded = open_->frame_with(ordinal);
    if (!loaded) return std::unexpected{loaded.error()};
    const FrameView& frame = loaded->frames.front();
    if (frame.append_id() == id) return std::optional{frame.answer()};
  }
  return std::optional<Appended>{};
}

SegmentView view_at(const Layout& layout, std::size_t index) {
  if (index < layout.sealed.size()) return SegmentView{*layout.sealed[index]};
  return SegmentView{*layout.open[index - layout.sealed.size()]};
}

std::size_t segment_at(const Layout& layout, Position position) {
  const auto first = [](const auto& segment) { return segment->first(); };
  if (position >= layout.floor()) {
    const auto after = std::ranges::upper_bound(layout.open, position, {}, first);
    return layout.sealed.size() +
           static_cast<std::size_t>(std::distance(layout.open.begin(), after)) - 1;
  }
  const auto after = std::ranges::upper_bound(layout.sealed, position, {}, first);
  return static_cast<std::size_t>(std::distance(layout.sealed.begin(), after)) - 1;
}

}  // namespace stele::log
