#include "store/validate.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "stele/limits.h"

namespace stele::store {
namespace {

std::string over(std::string_view what, std::size_t found, std::string_view unit, std::size_t limit,
                 std::string_view limit_name) {
  return std::string{what} + " has " + std::to_string(found) + " " + std::string{unit} +
         "; at most " + std::to_string(limit) + " are allowed (" + std::string{limit_name} + ")";
}

std::unexpected<Error> too_many(std::string_view what, std::size_t found, std::string_view unit,
                                std::size_t limit, std::string_view limit_name,
                                std::string_view way_out) {
  return fail(Errc::invalid,
              over(what, found, unit, limit, limit_name) + ". " + std::string{way_out});
}

std::unexpected<Error> too_big(std::string_view what, std::size_t found, std::size_t limit,
                               std::string_view limit_name) {
  return fail(Errc::too_large,
              over(what, found, "bytes", limit, limit_name) + ". Send less at a time.");
}

template <typename Names>
Result<void> check_names(std::string_view what, const Names& names, std::size_t size_max) {
  for (const std::string_view name : names) {
    if (auto good = check_name(what, name, size_max); !good) return good;
  }
  return {};
}

Result<void> check_tags(std::span<const std::string_view> tags) {
  if (tags.size() > limits::event_tags_max) {
    return too_many("An event", tags.size(), "tags", limits::event_tags_max, "event_tags_max",
                    "Give it fewer.");
  }
  for (std::size_t i = 0; i < tags.size(); ++i) {
    if (auto good = check_name("tag", tags[i], limits::tag_size_max); !good) return good;
    if (std::ranges::find(tags.first(i), tags[i]) !=
        tags.begin() + static_cast<std::ptrdiff_t>(i)) {
      return fail(Errc::invalid, "An event has the tag \"" + std::string{tags[i]} +
                                     "\" twice. Give each tag once.");
    }
  }
  return {};
}

Result<void> check_event(std::string_view stream, const NewEvent& event) {
  if (auto good = check_name("event type", event.type, limits::type_size_max); !good) return good;
  if (auto good = check_name("content type", event.content_type, limits::type_size_max); !good) {
    return good;
  }
  if (!event.key_id.empty()) {
    if (auto good = check_name("key id", event.key_id, limits::tag_size_max); !good) return good;
  }
  if (!event.tags.empty()) {
    if (auto good = check_tags(event.tags); !good) return good;
  }
  if (event.metadata.size() > limits::metadata_size_max) {
    return too_big("An event's metadata", event.metadata.size(), limits::metadata_size_max,
                   "metadata_size_max");
  }
  if (const std::size_t size = event_size(stream, event); size > limits::event_size_max) {
    return too_big("An event with its envelope", size, limits::event_size_max, "event_size_max");
  }
  return {};
}

Result<void> check_named_once(std::span<const StreamAppend> streams) {
  std::array<std::string_view, limits::append_streams_max> names;
  for (std::size_t i = 0; i < streams.size(); ++i) names[i] = streams[i].stream;
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(streams.size());
  std::sort(names.begin(), end);
  const auto twice = std::adjacent_find(names.begin(), end);
  if (twice == end) return {};
  return fail(Errc::invalid, "The append names the stream \"" + std::string{*twice} +
                                 "\" twice. Put all of its events under one entry.");
}

Result<void> check_condition(const Condition& condition) {
  if (condition.fail_if.empty()) {
    return fail(Errc::invalid,
                "The condition has no items. Give at least one, or leave the condition out.");
  }
  if (condition.fail_if.size() > limits::condition_items_max) {
    return too_many("The condition", condition.fail_if.size(), "items", limits::condition_items_max,
                    "condition_items_max", "Give fewer.");
  }
  for (const QueryItem& item : condition.fail_if) {
    if (item.types.empty() && item.tags.empty()) {
      return fail(Errc::invalid,
                  "An item of the condition has neither types nor tags; it would match every "
                  "event. Name at least one.");
    }
    if (item.types.size() > limits::filter_names_max ||
        item.tags.size() > limits::filter_names_max) {
      return too_many("An item of the condition", std::max(item.types.size(), item.tags.size()),
                      "types or tags", limits::filter_names_max, "filter_names_max",
                      "Split it into several items.");
    }
    if (auto good = check_names("event type", item.types, limits::type_size_max); !good) {
      return good;
    }
    if (auto good = check_names("tag", item.tags, limits::tag_size_max); !good) return good;
  }
  return {};
}

Result<void> check_limit(std::size_t limit) {
  if (limit <= limits::read_events_max) return {};
  return too_many("A read", limit, "events as its limit", limits::read_events_max,
                  "read_events_max", "Read in several steps.");
}

}  // namespace

std::size_t event_size(std::string_view stream, const NewEvent& event) noexcept {
  std::size_t size = event_fixed_size + stream.size() + event.type.size() + event.data.size() +
                     event.content_type.size() + event.metadata.size() + event.key_id.size();
  for (const std::string_view tag : event.tags) size += 1 + tag.size();
  return size;
}

std::size_t append_size(const AppendRequest& request) noexcept {
  std::size_t size = append_fixed_size;
  for (const StreamAppend& stream : request.streams) {
    size += append_stream_fixed_size + stream.stream.size();
    for (const NewEvent& event : stream.events) size += event_size(stream.stream, event);
  }
  return size;
}

Result<void> check_request(const AppendRequest& request) {
  if (request.streams.empty()) {
    return fail(Errc::invalid, "The append names no stream. Name at least one.");
  }
  if (request.streams.size() > limits::append_streams_max) {
    return too_many("The append", request.streams.size(), "streams", limits::append_streams_max,
                    "append_streams_max", "Split it.");
  }
  std::size_t events = 0;
  for (const StreamAppend& stream : request.streams) {
    if (auto good = check_stream_name(stream.stream); !good) return good;
    events += stream.events.size();
  }
  if (events > limits::append_events_max) {
    return too_many("The append", events, "events", limits::append_events_max, "append_events_max",
                    "Split it.");
  }
  if (request.streams.size() > 1) {
    if (auto good = check_named_once(request.streams); !good) return good;
  }
  for (const StreamAppend& stream : request.streams) {
    for (const NewEvent& event : stream.events) {
      if (auto good = check_event(stream.stream, event); !good) return good;
    }
  }
  if (const std::size_t size = append_size(request); size > limits::append_size_max) {
    return too_big("The append", size, limits::append_size_max, "append_size_max");
  }
  if (request.condition) return check_condition(*request.condition);
  return {};
}

Result<void> check_read_stream(std::string_view stream, std::size_t limit) {
  if (auto good = check_stream_name(stream); !good) return good;
  return check_limit(limit);
}

Result<void> check_read_all(const Filter& filter, std::size_t limit) {
  const std::size_t most =
      std::max({filter.categories.size(), filter.types.size(), filter.tags.size()});
  if (most > limits::filter_names_max) {
    return too_many("The filter", most, "names of one kind", limits::filter_names_max,
                    "filter_names_max", "Read with a wider filter and pick from what comes.");
  }
  if (auto good = check_names("category", filter.categories, limits::stream_name_size_max); !good) {
    return good;
  }
  if (auto good = check_names("event type", filter.types, limits::type_size_max); !good) {
    return good;
  }
  if (auto good = check_names("tag", filter.tags, limits::tag_size_max); !good) return good;
  return check_limit(limit);
}

}  // namespace stele::store
