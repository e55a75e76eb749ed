#include "serve/http.h"

#include <algorithm>
#include <charconv>

namespace stele::serve {
namespace {

constexpr std::size_t idempotency_key_size_max = 255;

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool is_lower_hex(std::string_view text) noexcept {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Takes the part before `separator` off the front of `rest`.
std::string_view take_part(std::string_view& rest, char separator) noexcept {
  const std::size_t at = rest.find(separator);
  const std::string_view part = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
  return trim(part);
}

/// Thousandths of a "q" weight: "0.5" is 500. A weight that does not parse counts as 1.
int weight_of(std::string_view parameters) noexcept {
  while (!parameters.empty()) {
    std::string_view value = take_part(parameters, ';');
    const std::string_view name = take_part(value, '=');
    if (!same_token(name, "q")) continue;
    if (value.empty() || (value[0] != '0' && value[0] != '1')) return 1'000;
    int weight = value[0] == '1' ? 1'000 : 0;
    int unit = 100;
    for (std::size_t i = 2; i < value.size() && unit > 0; ++i, unit /= 10) {
      if (value[i] < '0' || value[i] > '9') break;
      weight += (value[i] - '0') * unit;
    }
    return std::min(weight, 1'000);
  }
  return 1'000;
}

/// How well `range` covers `type`: 0 not at all, 1 by "*/*", 2 by "text/*", 3 exactly.
int match_of(std::string_view range, std::string_view type) noexcept {
  if (range == "*/*" || range == "*") return 1;
  if (same_token(range, type)) return 3;
  if (!range.ends_with("/*")) return 0;
  const std::string_view main = range.substr(0, range.size() - 1);
  return type.size() > main.size() && same_token(main, type.substr(0, main.size())) ? 2 : 0;
}

/// The weight that a list of media ranges gives `type`: of its most specific match.
int weight_in(std::string_view ranges, std::string_view type) noexcept {
  int best_match = 0;
  int weight = 0;
  while (!ranges.empty()) {
    std::string_view parameters = take_part(ranges, ',');
    const std::string_view range = take_part(parameters, ';');
    const int match = match_of(range, type);
    if (match <= best_match) continue;
    best_match = match;
    weight = weight_of(parameters);
  }
  return weight;
}

}  // namespace

bool same_token(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() &&
         std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::optional<std::string_view> Request::header(std::string_view name) const noexcept {
  for (const NameValue& each : headers) {
    if (same_token(each.name, name)) return each.value;
  }
  return std::nullopt;
}

std::string_view Request::param(std::string_view name) const noexcept {
  for (const NameValue& each : params) {
    if (each.name == name) return each.value;
  }
  return {};
}

std::optional<std::string_view> Request::query_value(std::string_view name) const noexcept {
  for (const NameValue& each : query) {
    if (each.name == name) return each.value;
  }
  return std::nullopt;
}

std::string_view Request::media_type() const noexcept {
  std::string_view value = header("Content-Type").value_or("");
  return take_part(value, ';');
}

std::string_view Request::media_parameter(std::string_view name) const noexcept {
  std::string_view parameters = header("Content-Type").value_or("");
  take_part(parameters, ';');
  while (!parameters.empty()) {
    std::string_view value = take_part(parameters, ';');
    if (!same_token(take_part(value, '='), name)) continue;
    value = trim(value);
    const bool quoted = value.size() >= 2 && value.front() == '"' && value.back() == '"';
    return quoted ? value.substr(1, value.size() - 2) : value;
  }
  return {};
}

std::string_view Request::traceparent() const noexcept {
  const std::string_view value = header("traceparent").value_or("");
  const bool shaped = value.size() == 55 && value[2] == '-' && value[35] == '-' && value[52] == '-';
  if (!shaped || value.starts_with("ff")) return {};
  const std::string_view trace = value.substr(3, 32);
  const std::string_view parent = value.substr(36, 16);
  const bool good = is_lower_hex(value.substr(0, 2)) && is_lower_hex(trace) &&
                    is_lower_hex(parent) && is_lower_hex(value.substr(53)) &&
                    trace.find_first_not_of('0') != std::string_view::npos &&
                    parent.find_first_not_of('0') != std::string_view::npos;
  return good ? value : std::string_view{};
}

std::string_view Request::trace_id() const noexcept {
  const std::string_view parent = traceparent();
  return parent.empty() ? parent : parent.substr(3, 32);
}

std::optional<std::size_t> Request::accepts(
    std::initializer_list<std::string_view> offered) const noexcept {
  const std::optional<std::string_view> ranges = header("Accept");
  if (!ranges || trim(*ranges).empty()) return 0;
  std::optional<std::size_t> best;
  int best_weight = 0;
  std::size_t index = 0;
  for (const std::string_view type : offered) {
    if (const int weight = weight_in(*ranges, type); weight > best_weight) {
      best_weight = weight;
      best = index;
    }
    ++index;
  }
  return best;
}

Result<std::optional<std::string_view>> Request::idempotency_key() const {
  std::optional<std::string_view> key;
  for (const NameValue& each : headers) {
    if (!same_token(each.name, "Idempotency-Key")) continue;
    if (key) return fail(Errc::invalid, "The header Idempotency-Key stands twice; send it once.");
    key = each.value;
  }
  if (!key) return key;
  const bool printable = std::ranges::all_of(*key, [](char c) { return c >= 0x20 && c < 0x7f; });
  if (key->empty() || key->size() > idempotency_key_size_max || !printable) {
    return fail(Errc::invalid, "The Idempotency-Key has " + std::to_string(key->size()) +
                                   " bytes; it must be 1 to 255 printable ASCII characters.");
  }
  return key;
}

Response Response::json(int status, std::string body) {
  return {.status = status, .content_type = "application/json", .body = std::move(body)};
}

Response Response::text(std::string body, int status) {
  return {.status = status, .content_type = "text/plain; charset=utf-8", .body = std::move(body)};
}

Response Response::with(std::string name, std::string value) && {
  headers.emplace_back(std::move(name), std::move(value));
  return std::move(*this);
}

}  // namespace stele::serve
