#include "stele/projection.h"

#include <algorithm>
#include <set>

#include "stele/json.h"

namespace stele {
namespace {

// Names become parts of file names, table names and URLs.
bool is_plain_name(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && name.size() <= 64 && (name.front() < '0' || name.front() > '9') &&
         std::ranges::all_of(name, plain);
}

bool is_kept_by_engine(std::string_view column) {
  return column == "row_id" || column == "row_key" || column == "row_version" ||
         column == "row_position";
}

// What is searched must be text, each column named once.
Result<void> check_full_text(const ProjectionSpec& spec) {
  std::vector<std::string> names = spec.full_text;
  if (!spec.full_text_within.empty()) names.push_back(spec.full_text_within);
  for (const std::string& name : names) {
    const auto column = std::ranges::find(spec.columns, name, &Column::name);
    if (column != spec.columns.end() && column->type == ColumnType::text &&
        std::ranges::count(names, name) == 1) {
      continue;
    }
    return fail(Errc::invalid, "Projection \"" + spec.name + "\" has full text over \"" + name +
                                   "\", which stands there twice or is none of its text columns.");
  }
  if (spec.full_text.empty() && !spec.full_text_within.empty()) {
    return fail(Errc::invalid, "Projection \"" + spec.name +
                                   "\" has full text within a column, but over none. Name some.");
  }
  return {};
}

}  // namespace

At at_of(const EventView& event) {
  At at{.stream = event.stream,
        .version = event.version,
        .position = event.position,
        .append_id = event.append_id,
        .event_id = event.id,
        .type = event.type,
        .occurred_at = event.recorded_at,
        .recorded_at = event.recorded_at,
        .metadata = event.metadata};
  // Most events have no time of their own: do not parse to find that out.
  if (event.metadata.find("\"occurred_at\"") == std::string_view::npos) return at;
  const auto document = JsonDocument::parse(event.metadata);
  if (!document || document->root().kind() != JsonKind::object) return at;
  const JsonValue given = document->root().member("occurred_at");
  if (!given.found() || given.kind() != JsonKind::string) return at;
  const auto time = parse_time(given.text());
  if (time) at.occurred_at = *time;
  return at;
}

Result<void> check_spec(const ProjectionSpec& spec) {
  const std::string who = "Projection \"" + spec.name + "\" ";
  if (!is_plain_name(spec.name)) {
    return fail(Errc::invalid,
                who + "must be named with 1 to 64 of a-z, 0-9 and _, no digit first.");
  }
  if (spec.generation < 1) {
    return fail(Errc::invalid, who + "has generation " + std::to_string(spec.generation) +
                                   "; generations count from 1.");
  }
  std::set<std::string_view> columns;
  for (const Column& column : spec.columns) {
    if (!is_plain_name(column.name) || is_kept_by_engine(column.name) ||
        !columns.insert(column.name).second) {
      return fail(Errc::invalid, who + "cannot have column \"" + column.name +
                                     "\": it is there twice, is kept by the engine, or is not made "
                                     "of a-z, 0-9 and _.");
    }
  }
  for (const auto& index : spec.indexes) {
    for (const std::string& column : index) {
      if (columns.contains(column) || is_kept_by_engine(column)) continue;
      std::string message = who;
      message.append("has an index over \"").append(column);
      message += "\", which is none of its columns.";
      return fail(Errc::invalid, std::move(message));
    }
  }
  return check_full_text(spec);
}

}  // namespace stele
