#include "stele/registry.h"

#include <algorithm>

namespace stele {

Result<void> Upcasters::add(std::string type, std::uint16_t version, Upcast step,
                            std::string new_type) {
  const auto [at, inserted] = steps_.try_emplace({std::move(type), version});
  if (!inserted) {
    return fail(Errc::invalid, "There is an upcaster for version " + std::to_string(version) +
                                   " of event type \"" + at->first.first +
                                   "\" already; there can be one.");
  }
  at->second = {.upcast = std::move(step), .new_type = std::move(new_type)};
  return {};
}

Result<EventView> Upcasters::apply(const EventView& event, std::string& buffer) const {
  EventView newest = event;
  if (steps_.empty()) return newest;
  // Every step raises the version, so the loop ends.
  for (auto step = steps_.find({std::string{newest.type}, newest.schema_version});
       step != steps_.end();
       step = steps_.find({std::string{newest.type}, newest.schema_version})) {
    auto data = step->second.upcast(newest.data);
    if (!data) {
      return fail(Errc::corrupt, "The event at position " + std::to_string(number(event.position)) +
                                     " cannot be brought from version " +
                                     std::to_string(newest.schema_version) + " of type \"" +
                                     std::string{newest.type} +
                                     "\" to the next: " + data.error().message);
    }
    buffer = std::move(*data);
    newest.data = buffer;
    if (!step->second.new_type.empty()) newest.type = step->second.new_type;
    ++newest.schema_version;
  }
  return newest;
}

std::vector<std::string> Upcasters::former_names(std::string_view type) const {
  std::vector<std::string> names;
  std::vector<std::string> ahead{std::string{type}};  // Names whose own former ones are not known.
  while (!ahead.empty()) {
    const std::string name = std::move(ahead.back());
    ahead.pop_back();
    for (const auto& [from, step] : steps_) {
      if (step.new_type != name || from.first == type ||
          std::ranges::count(names, from.first) > 0) {
        continue;
      }
      names.push_back(from.first);
      ahead.push_back(from.first);
    }
  }
  return names;
}

Result<void> TypeRegistry::add(EventType type) {
  const auto [at, inserted] = types_.try_emplace(type.name, type);
  if (!inserted && at->second.identity != type.identity) {
    return fail(Errc::invalid, "Two types are both recorded as \"" + std::string{type.name} +
                                   "\"; give one another name with STELE_DESCRIBE_AS.");
  }
  return {};
}

const EventType* TypeRegistry::find(std::string_view name) const {
  const auto at = types_.find(name);
  return at == types_.end() ? nullptr : &at->second;
}

namespace detail {

Result<void> decode_event(const EventView& event, const TypeTable& type, void* object) {
  const auto error = read_json(type, event.data, stored_mapping, object);
  if (!error) return {};
  std::string message = "The event at position " + std::to_string(number(event.position));
  message += " does not decode as ";
  message += type.name;
  return fail(Errc::corrupt, message + " at \"" + error->pointer + "\": " + error->message);
}

}  // namespace detail
}  // namespace stele
