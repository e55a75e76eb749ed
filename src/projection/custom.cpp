// Custom projections: whole batches told to the user's own code, with the sink's own client.

#include "projection/tables.h"
#include "stele/custom_projection.h"

namespace stele::projection {
namespace {

class Custom final : public Projection {
 public:
  explicit Custom(const detail::CustomTable& table) : table_{table} {
    spec_.name = table.name;
    spec_.generation = table.generation;
    spec_.kind = ProjectionKind::custom;
    spec_.category = table.category;
    spec_.tables = table.tables;
    for (const std::string_view type : table.events) spec_.filter.types.emplace_back(type);
    if (!table.category.empty()) spec_.filter.categories = {std::string{table.category}};
  }
  [[nodiscard]] const ProjectionSpec& spec() const override { return spec_; }
  [[nodiscard]] std::unique_ptr<Projection> clone() const override {
    return std::make_unique<Custom>(table_);
  }
  [[nodiscard]] Result<std::string> key_of(const EventView& event) override {
    return std::string{event.stream};
  }

  [[nodiscard]] std::expected<void, ProjectFailure> project(
      std::span<const EventView* const> events, RowStore& rows) override {
    if (events.empty()) return {};
    SqlClient* sql = rows.sql();
    if (sql == nullptr) return std::unexpected{ProjectFailure{std::nullopt, no_client()}};
    batch_.clear();
    for (const EventView* event : events) batch_.push_back(*event);
    std::vector<Result<void>> results;
    // What is thrown names no event of the batch: the first is told alone then, and so on.
    auto applied = guarded(spec_, at_of(batch_.front()), [&]() -> Result<void> {
      results = table_.apply(batch_, *sql);
      return {};
    });
    if (!applied) return std::unexpected{ProjectFailure{blamed(), std::move(applied.error())}};
    if (results.size() != events.size()) {
      return std::unexpected{ProjectFailure{std::nullopt, wrong_count(results.size())}};
    }
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (results[i]) continue;
      Error& error = results[i].error();
      // A sink that is away is no fault of the event.
      const bool of_sink = error.code == Errc::unavailable || error.code == Errc::timed_out ||
                           error.code == Errc::corrupt || error.code == Errc::read_only;
      return std::unexpected{
          ProjectFailure{of_sink ? std::nullopt : std::optional{i}, std::move(error)}};
    }
    return {};
  }

  [[nodiscard]] Result<void> forget(Position after, RowStore& rows) override {
    SqlClient* sql = rows.sql();
    if (sql == nullptr) return std::unexpected{no_client()};
    if (table_.forget == nullptr) {
      return fail(Errc::invalid, "Projection \"" + spec_.name +
                                     "\" does not say how to forget what it wrote after a "
                                     "position. Rebuild it from position 0, or give it `forget`.");
    }
    try {
      return table_.forget(after, *sql);
    } catch (const std::exception& thrown) {
      return std::unexpected{
          Error{.code = Errc::internal,
                .message = "Projection \"" + spec_.name + "\" threw in `forget`.",
                .detail = thrown.what()}};
    }
  }

 private:
  // A batch of one names its event; a larger one is halved by the engine until it does.
  [[nodiscard]] std::optional<std::size_t> blamed() const {
    return batch_.size() == 1 ? std::optional<std::size_t>{0} : std::nullopt;
  }
  [[nodiscard]] Error no_client() const {
    return {.code = Errc::unsupported,
            .message = "Projection \"" + spec_.name +
                       "\" is a custom one, and its sink offers no SQL. Use another sink."};
  }
  [[nodiscard]] Error wrong_count(std::size_t count) const {
    return {.code = Errc::internal,
            .message = "Projection \"" + spec_.name + "\" was told " +
                       std::to_string(batch_.size()) + " events and returned " +
                       std::to_string(count) + " results. Return one for each."};
  }

  const detail::CustomTable& table_;
  ProjectionSpec spec_;
  std::vector<EventView> batch_;
};

}  // namespace
}  // namespace stele::projection

namespace stele::detail {

std::unique_ptr<Projection> make_custom(const CustomTable& table) {
  return std::make_unique<projection::Custom>(table);
}

}  // namespace stele::detail
