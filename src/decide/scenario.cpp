#include <algorithm>
#include <array>

#include "stele/testing.h"

namespace stele {
namespace {

std::string described(const Emitted& event) {
  const detail::MadeEvent& made = event.made();
  std::string out{made.type};
  out += made.error ? " that cannot be written (" + std::string{to_string(made.error->code)} + ")"
                    : made.data;
  if (event.stream() != 0) out += " on stream " + std::to_string(event.stream());
  for (const std::string& tag : event.tags()) out += " #" + tag;
  return out;
}

std::string described(const std::vector<Emitted>& events) {
  if (events.empty()) return "no events";
  std::string out;
  for (const Emitted& event : events) {
    if (!out.empty()) out += ", ";
    out += described(event);
  }
  return out;
}

/// The code of the rejection that the processor would answer; empty if it would accept.
std::string rejection_code(const Decision& decision) {
  if (decision.rejection() != nullptr) return decision.rejection()->code;
  for (const Emitted& event : decision.events()) {
    if (event.made().error) return std::string{to_string(event.made().error->code)};
  }
  return {};
}

bool matches(const Query& query, const Emitted& event) {
  return std::ranges::any_of(query, [&](const QueryItem& item) {
    const bool type =
        item.types.empty() || std::ranges::find(item.types, event.made().type) != item.types.end();
    return type && std::ranges::all_of(item.tags, [&](const std::string& tag) {
             return std::ranges::find(event.tags(), tag) != event.tags().end();
           });
  });
}

TestResult failed(std::string explanation) {
  return {.passed = false, .explanation = std::move(explanation)};
}

}  // namespace

TestResult Outcome::then_rejected(std::string_view code) const {
  const std::string found = rejection_code(decision_);
  if (found == code) return {};
  const std::string came = found.empty() ? described(decision_.events()) : "the rejection " + found;
  return failed("Expected the rejection " + std::string{code} + "; came: " + came + ".");
}

TestResult Outcome::then_events(const std::vector<Emitted>& expected) const {
  const std::string code = rejection_code(decision_);
  if (!code.empty()) {
    return failed("Expected " + described(expected) + "; came: the rejection " + code + ".");
  }
  const auto same = [](const Emitted& a, const Emitted& b) {
    return a.made().type == b.made().type && a.made().data == b.made().data &&
           a.stream() == b.stream() && a.tags() == b.tags();
  };
  if (std::ranges::equal(expected, decision_.events(), same)) return {};
  return failed("Expected " + described(expected) + "; came: " + described(decision_.events()) +
                ".");
}

namespace detail {

std::shared_ptr<void> ScenarioBase::fold(std::string_view key, const Query& query) const {
  auto state = table_.make_state();
  for (const Happened& each : happened_) {
    if (query.empty() ? each.key != key : !matches(query, each.event)) continue;
    const EventTable* type = table_.event_of(each.event.made().identity);
    if (type == nullptr) continue;
    EventView view;
    view.type = each.event.made().type;
    view.data = each.event.made().data;
    static_cast<void>(type->decode_and_evolve(state.get(), view));
  }
  return state;
}

Decision ScenarioBase::judge(const CommandTable& command, const void* body) const {
  const Context context{.now = now_, .occurred_at = now_, .key = key_};
  std::vector<std::shared_ptr<void>> owned;
  if (command.scope != nullptr) {
    owned.push_back(fold(key_, command.scope(body)));
  } else {
    const Keys keys = command.keys != nullptr ? command.keys(key_, body) : Keys{key_};
    for (const std::string& key : keys) owned.push_back(fold(key, {}));
  }
  while (owned.size() < command.states) owned.push_back(table_.make_state());
  std::array<const void*, decide_states_max> states{};
  for (std::size_t i = 0; i < command.states; ++i) states[i] = owned[i].get();
  return command.decide(std::span{states}.first(command.states), body, context);
}

}  // namespace detail
}  // namespace stele
