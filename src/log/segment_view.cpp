#include "log/segment_view.h"

#include <algorithm>
#include <iterator>
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

Result<std::optional<StreamEntry>> SegmentView::find_stream(std::string_view name,
                                                            KeyHash hash) const {
  if (sealed_) return sealed_->find_stream(name);
  return open_->find_stream(name, hash);
}

Result<LoadedFrames> SegmentView::frame_with(Ordinal ordinal) const {
  if (open_) return open_->frame_with(ordinal);
  auto found = sealed_->frame_with(ordinal);
  if (!found) return std::unexpected{found.error()};
  return LoadedFrames{.owner = std::move(found->block), .frames = {found->frame}};
}

Result<LoadedFrames> SegmentView::frames_from(Ordinal ordinal, std::size_t limit) const {
  if (open_) return open_->frames_from(ordinal, limit);
  auto block = sealed_->run_with(ordinal, limit);
  if (!block) return std::unexpected{block.error()};
  LoadedFrames loaded;
  const auto& refs = (*block)->frames;
  loaded.frames.reserve(std::min(refs.size(), limit));
  auto ref = std::ranges::upper_bound(refs, ordinal, {}, &FrameRef::first);
  for (ref = std::prev(ref); ref != refs.end(); ++ref) {
    if (std::size_t{ref->first} >= ordinal + limit) break;
    const auto bytes = (*block)->view().subspan(ref->offset);
    // Checked and parsed when the block was read.
    auto frame = FrameView::parse(bytes, 0, FrameView::Check::known);
    if (!frame) {
      return fail(Errc::corrupt, "\"" + sealed_->path() + "\" is damaged: " +
                                     frame.error().message + " Run `stele verify`.");
    }
    loaded.frames.push_back(*frame);
  }
  loaded.owner = std::move(*block);
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
  if (index < layout.sealed.size()) return SegmentView{layout.sealed[index]};
  return SegmentView{std::shared_ptr<const OpenSegment>{layout.open[index - layout.sealed.size()]}};
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
