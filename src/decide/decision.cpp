#include <algorithm>

#include "stele/decider.h"

namespace stele {
namespace {

template <typename Write>
std::string json_of(Write&& write) {
  std::string out;
  JsonWriter writer{out};
  write(writer);
  return writer.failed() ? std::string{"null"} : out;
}

}  // namespace

Detail::Detail(std::string_view member, const Money& value)
    : name{member}, json{json_of([&](JsonWriter& w) { w.money(value); })} {}

Detail::Detail(std::string_view member, std::string_view value)
    : name{member}, json{json_of([&](JsonWriter& w) { w.string(value); })} {}

Detail::Detail(std::string_view member, std::int64_t value, int)
    : name{member}, json{json_of([&](JsonWriter& w) { w.integer(value); })} {}

Rejection reject(std::string_view code, Kind kind, std::initializer_list<Detail> details) {
  return {.code = std::string{code}, .kind = kind, .details = details};
}

Rejection reject(std::string_view code, std::initializer_list<Detail> details) {
  return reject(code, Kind::rule, details);
}

Rejection reject(MoneyError error) { return reject(to_string(error)); }

Emitted::Emitted(Made /*unused*/, const detail::MadeEvent* made) : made_{made} {}
Emitted::Emitted(const Emitted& other) = default;
Emitted::Emitted(Emitted&& other) noexcept = default;
Emitted& Emitted::operator=(const Emitted& other) = default;
Emitted& Emitted::operator=(Emitted&& other) noexcept = default;
Emitted::~Emitted() = default;

Emitted Emitted::tag(std::string text) && {
  tags_.push_back(std::move(text));
  return std::move(*this);
}

Decision::Decision() = default;
Decision::Decision(std::initializer_list<Emitted> events) : events_{events} {}
Decision::Decision(std::vector<Emitted> events) : events_{std::move(events)} {}
Decision::Decision(Rejection rejection)
    : rejection_{std::make_unique<Rejection>(std::move(rejection))} {}
Decision::Decision(Decision&& other) noexcept = default;
Decision& Decision::operator=(Decision&& other) noexcept = default;
Decision::~Decision() = default;

namespace detail {

MadeEvent::~MadeEvent() = default;

void MadeEvent::set(const void* of, const TypeTable& table, std::uint16_t version,
                    const void* value) {
  identity = of;
  object = value;
  type = table.name;
  schema_version = version;
  auto written = write_json(data, table, value, Naming::as_stored);
  if (!written) error = std::move(written.error());
}

std::shared_ptr<void> shared_object(void* object, void (*destroy)(void*)) {
  return {object, destroy};
}

std::expected<void, MappingError> CommandTable::write(std::string& out, const void* command) const {
  return write_json(out, *type, command, Naming::as_stored);
}

std::expected<std::shared_ptr<const void>, MappingError> CommandTable::read_value(
    JsonValue json, MappingOptions options) const {
  std::shared_ptr<void> command = make();
  auto wrong = read_json(*type, json, options, command.get());
  if (wrong) return std::unexpected{std::move(*wrong)};
  return command;
}

std::expected<std::shared_ptr<const void>, MappingError> CommandTable::read(
    std::string_view json, MappingOptions options) const {
  const auto document = JsonDocument::parse(json);
  if (!document) return std::unexpected{document.error()};
  return read_value(document->root(), options);
}

const EventTable* DeciderTable::event_of(const void* wanted) const noexcept {
  const auto found = std::ranges::find(events, wanted, &EventTable::identity);
  return found == events.end() ? nullptr : &*found;
}

const EventTable* DeciderTable::event_named(std::string_view name) const noexcept {
  const auto found = std::ranges::find(events, name, &EventTable::name);
  return found == events.end() ? nullptr : &*found;
}

const CommandTable* DeciderTable::command_of(const void* wanted) const noexcept {
  const auto found = std::ranges::find(commands, wanted, &CommandTable::identity);
  return found == commands.end() ? nullptr : &*found;
}

const CommandTable* DeciderTable::command_named(std::string_view name) const noexcept {
  const auto found = std::ranges::find(commands, name, &CommandTable::name);
  return found == commands.end() ? nullptr : &*found;
}

}  // namespace detail
}  // namespace stele
