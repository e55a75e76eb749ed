// Maps: each event turned into rows of its own.

#include "projection/tables.h"

namespace stele::projection {
namespace {

std::vector<std::string> names_of(std::span<const detail::MapEvent> events) {
  std::vector<std::string> names;
  for (const detail::MapEvent& each : events) names.emplace_back(each.type->name);
  return names;
}

class Map final : public Projection {
 public:
  explicit Map(const detail::MapTable& table)
      : table_{table},
        row_{*table.says.row},
        spec_{spec_of(table.says, names_of(table.events))},
        rows_{table.make_rows()} {
    spec_.kind = ProjectionKind::map;
  }
  [[nodiscard]] const ProjectionSpec& spec() const override { return spec_; }
  [[nodiscard]] std::unique_ptr<Projection> clone() const override {
    return std::make_unique<Map>(table_);
  }
  [[nodiscard]] Result<std::string> key_of(const EventView& event) override {
    return std::string{event.stream};
  }
  [[nodiscard]] Result<void> forget(Position, RowStore&) override { return {}; }

  [[nodiscard]] std::expected<void, ProjectFailure> project(
      std::span<const EventView* const> events, RowStore& rows) override {
    for (std::size_t i = 0; i < events.size(); ++i) {
      auto mapped = map(*events[i]);
      if (!mapped) return std::unexpected{ProjectFailure{i, std::move(mapped.error())}};
      for (const detail::MappedRow& each : list_) {
        auto done = put(*events[i], each, i, rows);
        if (!done) return done;
      }
    }
    return {};
  }

 private:
  Result<void> map(const EventView& event) {
    const At at = at_of(event);
    list_.clear();
    return guarded(spec_, at, [&]() -> Result<void> {
      const detail::MapEvent* type = find_event(table_.events, event.type);
      if (type == nullptr) return {};
      value_.clear();
      void* decoded = value_.make(*type->type);
      if (auto read = detail::decode_event(event, *type->type, decoded); !read) return read;
      type->map(rows_.get(), decoded, at);
      table_.list(rows_.get(), list_);
      return {};
    });
  }

  std::expected<void, ProjectFailure> put(const EventView& event, const detail::MappedRow& mapped,
                                          std::size_t i, RowStore& rows) {
    const std::string own = mapped.id.empty() ? event.id.text() : std::string{};
    RowWrite write{.key = mapped.id.empty() ? std::string_view{own} : mapped.id,
                   .version = event.version,
                   .position = event.position,
                   .cells = {},
                   .erase = mapped.row == nullptr};
    if (mapped.row != nullptr) {
      const auto cells = row_.write(writer_, mapped.row);
      if (!cells) return std::unexpected{ProjectFailure{i, cells.error()}};
      write.cells = *cells;
    }
    const auto written = rows.put(write);
    if (!written) return std::unexpected{ProjectFailure{std::nullopt, written.error()}};
    return {};
  }

  const detail::MapTable& table_;
  const detail::RowTable& row_;
  ProjectionSpec spec_;
  std::shared_ptr<void> rows_;
  std::vector<detail::MappedRow> list_;  // What rows_ holds.
  ValueArena value_;                     // The event at hand.
  RowWriter writer_;
};

}  // namespace
}  // namespace stele::projection

namespace stele::detail {

std::unique_ptr<Projection> make_map(const MapTable& table) {
  return std::make_unique<projection::Map>(table);
}

}  // namespace stele::detail
