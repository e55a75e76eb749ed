// Folds: events applied to one row per key, in order, each once.

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "projection/tables.h"

namespace stele::projection {
namespace {

std::vector<std::string> names_of(std::span<const detail::FoldEvent> events) {
  std::vector<std::string> names;
  for (const detail::FoldEvent& each : events) names.emplace_back(each.type->name);
  return names;
}

class Fold final : public Projection {
 public:
  explicit Fold(const detail::FoldTable& table)
      : table_{table}, row_{*table.says.row}, spec_{spec_of(table.says, names_of(table.events))} {
    spec_.keyed_by_stream = std::ranges::none_of(
        table.events, [](const detail::FoldEvent& each) { return each.key != nullptr; });
  }
  [[nodiscard]] const ProjectionSpec& spec() const override { return spec_; }
  [[nodiscard]] std::unique_ptr<Projection> clone() const override {
    return std::make_unique<Fold>(table_);
  }

  [[nodiscard]] Result<std::string> key_of(const EventView& event) override {
    if (spec_.keyed_by_stream) return std::string{own_key(event.stream)};
    const detail::FoldEvent* type = find_event(table_.events, event.type);
    if (type == nullptr) return std::string{};
    ValueArena values;
    void* decoded = values.make(*type->type);
    if (auto read = detail::decode_event(event, *type->type, decoded); !read) {
      return std::unexpected{std::move(read.error())};
    }
    const At at = at_of(event);
    std::string key;
    auto said = guarded(spec_, at, [&]() -> Result<void> {
      key = type->key(decoded, at);
      return {};
    });
    if (!said) return std::unexpected{std::move(said.error())};
    return key;
  }

  [[nodiscard]] Result<void> forget(Position, RowStore&) override {
    return fail(Errc::invalid, "Projection \"" + spec_.name +
                                   "\" is a fold: its rows need the whole history. Rebuild it from "
                                   "position 0.");
  }

  [[nodiscard]] std::expected<void, ProjectFailure> project(
      std::span<const EventView* const> events, RowStore& rows) override {
    clear();
    for (std::size_t i = 0; i < events.size(); ++i) {
      auto taken = take(*events[i]);
      if (!taken) return std::unexpected{ProjectFailure{i, std::move(taken.error())}};
    }
    auto loaded = rows.load(keys_, [this](std::size_t key, const StoredRow& stored) {
      return load(slots_[key], stored);
    });
    if (!loaded) return std::unexpected{ProjectFailure{std::nullopt, std::move(loaded.error())}};
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      auto applied = apply(i);
      if (!applied) return std::unexpected{ProjectFailure{i, std::move(applied.error())}};
    }
    return write(rows);
  }

 private:
  static constexpr std::size_t no_slot = static_cast<std::size_t>(-1);
  struct Slot {
    void* row = nullptr;  // In values_.
    Version version{};
    Position position{};
    bool changed = false;
    // The event that changed it last, to blame when it cannot be stored.
    std::size_t last_step = 0;
  };
  struct Step {
    const detail::FoldEvent* type = nullptr;  // Null: a type that is not listed.
    const void* event = nullptr;              // In values_.
    At at;
    std::size_t slot = no_slot;
  };

  [[nodiscard]] std::string_view own_key(std::string_view stream) const {
    return spec_.category.empty() ? stream : id_of(stream);
  }

  void clear() {
    index_.clear();  // Its keys view `names_`.
    names_.clear();
    keys_.clear();
    slots_.clear();
    steps_.clear();
    values_.clear();
  }

  Result<void> take(const EventView& event) {
    const At at = at_of(event);
    return guarded(spec_, at, [&]() -> Result<void> {
      const detail::FoldEvent* type = find_event(table_.events, event.type);
      Step& step = steps_.emplace_back(Step{.type = type, .event = nullptr, .at = at});
      if (type != nullptr) {
        void* decoded = values_.make(*type->type);
        if (auto read = detail::decode_event(event, *type->type, decoded); !read) return read;
        step.event = decoded;
      }
      if (spec_.keyed_by_stream) {
        step.slot = slot_of(own_key(event.stream));
      } else if (type != nullptr) {
        step.slot = slot_of(type->key(step.event, at));
      }
      return {};
    });
  }

  std::size_t slot_of(std::string_view key) {
    if (key.empty()) return no_slot;
    const auto found = index_.find(key);
    if (found != index_.end()) return found->second;
    void* row = values_.make(*row_.type);
    const std::string_view kept = names_.emplace_back(key);
    keys_.push_back(kept);
    slots_.push_back({.row = row});
    return index_.emplace(kept, slots_.size() - 1).first->second;
  }

  Result<void> load(Slot& slot, const StoredRow& stored) {
    if (auto read = row_.read(stored.cells, slot.row); !read) return read;
    slot.version = stored.version;
    slot.position = stored.position;
    return {};
  }

  Result<void> apply(std::size_t i) {
    const Step& step = steps_[i];
    if (step.slot == no_slot) return {};
    Slot& slot = slots_[step.slot];
    if (step.at.position <= slot.position) return {};
    return guarded(spec_, step.at, [&]() -> Result<void> {
      if (step.type != nullptr) step.type->apply(slot.row, step.event, step.at);
      slot.version = step.at.version;
      slot.position = step.at.position;
      slot.changed = true;
      slot.last_step = i;
      return {};
    });
  }

  std::expected<void, ProjectFailure> write(RowStore& rows) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      const Slot& slot = slots_[i];
      if (!slot.changed) continue;
      const auto cells = row_.write(writer_, slot.row);
      if (!cells) return std::unexpected{ProjectFailure{slot.last_step, cells.error()}};
      const auto put = rows.put(
          {.key = keys_[i], .version = slot.version, .position = slot.position, .cells = *cells});
      if (!put) return std::unexpected{ProjectFailure{std::nullopt, put.error()}};
    }
    return {};
  }

  const detail::FoldTable& table_;
  const detail::RowTable& row_;
  ProjectionSpec spec_;
  ValueArena values_;  // The events and rows of the batch.
  std::deque<std::string> names_;
  std::vector<std::string_view> keys_;  // Into names_; in step with slots_.
  std::vector<Slot> slots_;
  std::unordered_map<std::string_view, std::size_t> index_;
  std::vector<Step> steps_;
  RowWriter writer_;
};

}  // namespace
}  // namespace stele::projection

namespace stele::detail {

std::unique_ptr<Projection> make_fold(const FoldTable& table) {
  return std::make_unique<projection::Fold>(table);
}

}  // namespace stele::detail
