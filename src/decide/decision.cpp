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

namespace detail {

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
