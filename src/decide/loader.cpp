#include "decide/loader.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "stele/limits.h"

namespace stele::decide {
namespace {

/// The event in its newest form; what changed lives in `buffer`.
Result<EventView> newest_of(const ProcessorParts& parts, const EventView& event,
                            std::string& buffer) {
  if (parts.upcasters == nullptr) return event;
  return parts.upcasters->apply(event, buffer);
}

/// Folds one event; one whose type the decider does not list changes nothing.
Result<void> fold(const ProcessorParts& parts, const detail::DeciderTable& table, void* state,
                  const EventView& event) {
  std::string buffer;
  const auto newest = newest_of(parts, event, buffer);
  if (!newest) return std::unexpected{newest.error()};
  const detail::EventTable* type = table.event_named(newest->type);
  if (type == nullptr) return {};
  try {
    return type->decode_and_evolve(state, *newest);
  } catch (...) {  // The rules are the user's.
    return fail(Errc::internal, "The decider of \"" + std::string{table.category} +
                                    "\" threw an exception at the event at position " +
                                    std::to_string(number(event.position)) + ".");
  }
}

/// Reads on from `loaded.at` to the stream's end.
Result<void> read_on(const ProcessorParts& parts, const detail::DeciderTable& table,
                     const std::string& stream, LoadedState& loaded) {
  while (true) {
    const auto page = parts.store->read_stream(stream, loaded.at.version, parts.limits.load_events,
                                               Direction::forward);
    if (!page) return std::unexpected{page.error()};
    for (const EventView& event : page->events) {
      auto folded = fold(parts, table, loaded.state.get(), event);
      if (!folded) return folded;
      loaded.at = {.version = event.version, .tip = tip_of(event.id)};
    }
    if (page->events.empty() || loaded.at.version >= page->state.version) return {};
  }
}

/// A state from a snapshot that the log confirms: the event at its version has its tip.
std::optional<LoadedState> from_snapshot(const ProcessorParts& parts,
                                         const detail::DeciderTable& table,
                                         const std::string& stream) {
  if (parts.snapshots == nullptr || table.read_state == nullptr) return std::nullopt;
  const auto found = parts.snapshots->find(table.category, table.state_version, stream);
  if (!found || found->category != table.category || found->stream != stream ||
      found->state_version != table.state_version || found->log != parts.store->log_id() ||
      found->epoch != parts.store->epoch() || number(found->version) == 0) {
    return std::nullopt;
  }
  const Version before{number(found->version) - 1};
  const auto page = parts.store->read_stream(stream, before, 1, Direction::forward);
  if (!page || page->events.empty() || page->events[0].version != found->version ||
      tip_of(page->events[0].id) != found->tip) {
    return std::nullopt;
  }
  auto state = table.read_state(found->state);
  if (!state) return std::nullopt;
  return LoadedState{.state = std::move(state),
                     .at = {.version = found->version, .tip = found->tip},
                     .snapshot_version = found->version};
}

Result<void> read_item(const ProcessorParts& parts, const QueryItem& item, Position end,
                       std::vector<EventBlock>& blocks, std::vector<EventView>& events) {
  Filter filter{.categories = {}, .types = item.types, .tags = item.tags};
  for (const std::string& type : item.types) {  // Also those recorded under a former name.
    if (parts.upcasters == nullptr) break;
    std::ranges::copy(parts.upcasters->former_names(type), std::back_inserter(filter.types));
  }
  Position after{};
  while (after < end) {
    auto page = parts.store->read_all(after, filter, parts.limits.load_events);
    if (!page) return std::unexpected{page.error()};
    for (const EventView& event : page->events) {
      if (event.position <= end) events.push_back(event);
    }
    if (events.size() > parts.limits.query_events_max) {
      return fail(Errc::invalid,
                  "More than " + std::to_string(parts.limits.query_events_max) +
                      " events match what the command depends on (query_events_max). Narrow it.");
    }
    blocks.push_back(std::move(page->events));
    after = page->looked_to;
  }
  return {};
}

}  // namespace

Result<LoadedState> load_stream(const ProcessorParts& parts, const detail::DeciderTable& table,
                                const std::string& stream) {
  LoadedState loaded;
  if (auto kept = from_snapshot(parts, table, stream)) {
    loaded = std::move(*kept);
  } else {
    loaded.state = table.make_state();
  }
  if (auto read = read_on(parts, table, stream, loaded); !read) {
    return std::unexpected{std::move(read.error())};
  }
  return loaded;
}

Result<LoadedState> load_query(const ProcessorParts& parts, const detail::DeciderTable& table,
                               const Query& query) {
  LoadedState loaded{.state = table.make_state(), .at = {}, .snapshot_version = {}};
  loaded.read_to = parts.store->log_end();
  std::vector<EventBlock> blocks;
  std::vector<EventView> events;
  for (const QueryItem& item : query) {
    if (auto read = read_item(parts, item, loaded.read_to, blocks, events); !read) {
      return std::unexpected{std::move(read.error())};
    }
  }
  std::ranges::sort(events, {}, &EventView::position);
  const auto repeated = std::ranges::unique(events, {}, &EventView::position);
  events.erase(repeated.begin(), repeated.end());
  for (const EventView& event : events) {
    if (auto folded = fold(parts, table, loaded.state.get(), event); !folded) {
      return std::unexpected{std::move(folded.error())};
    }
  }
  return loaded;
}

Result<Accepted> load_accepted(const ProcessorParts& parts, Appended appended) {
  Accepted out;
  out.appended = std::move(appended);
  out.appended.replayed = true;
  out.appended.streams.clear();
  Position after{number(out.appended.first) - 1};
  while (after < out.appended.last) {
    const std::size_t limit =
        std::min<std::size_t>(number(out.appended.last) - number(after), limits::read_events_max);
    const auto page = parts.store->read_all(after, {}, limit);
    if (!page) return std::unexpected{page.error()};
    if (page->looked_to <= after) {
      return fail(Errc::corrupt, "The events of append " + out.appended.id.text() +
                                     " cannot be read. Run `stele verify`.");
    }
    for (const EventView& event : page->events) {
      const StreamState state{.version = event.version, .tip = tip_of(event.id)};
      if (out.streams.empty() || out.streams.back() != event.stream) {
        out.streams.emplace_back(event.stream);
        out.appended.streams.push_back(state);
      }
      out.appended.streams.back() = state;
      std::string buffer;
      const auto newest = newest_of(parts, event, buffer);
      if (!newest) return std::unexpected{newest.error()};
      out.events.push_back({.stream = std::string{event.stream},
                            .type = std::string{newest->type},
                            .version = event.version,
                            .position = event.position,
                            .id = event.id,
                            .schema_version = newest->schema_version,
                            .data = std::string{newest->data},
                            .metadata = std::string{event.metadata}});
    }
    after = page->looked_to;
  }
  return out;
}

}  // namespace stele::decide
