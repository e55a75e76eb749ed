#include "serve/query_params.h"

#include <charconv>

namespace stele::serve {

QueryParams::QueryParams(const Request& request)
    : request_{request}, asked_(request.query.size(), false) {}

void QueryParams::refuse(std::string_view name, std::string why) {
  if (fault_) return;
  std::string where = "?" + std::string{name.substr(0, 64)};
  fault_ = malformed("The query parameter \"" + where.substr(1) + "\" " + std::move(why), where);
}

const NameValue* QueryParams::one(std::string_view name) {
  const NameValue* found = nullptr;
  for (std::size_t i = 0; i < request_.query.size(); ++i) {
    if (request_.query[i].name != name) continue;
    asked_[i] = true;
    if (found != nullptr) {
      refuse(name, "stands twice; give it once.");
      return nullptr;
    }
    found = &request_.query[i];
  }
  return found;
}

std::optional<std::uint64_t> QueryParams::number(std::string_view name, std::uint64_t lowest,
                                                 std::uint64_t highest) {
  const NameValue* const found = one(name);
  if (found == nullptr) return std::nullopt;
  const std::string_view text = found->value;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < lowest ||
      value > highest) {
    refuse(name, "is \"" + std::string{text.substr(0, 64)} + "\"; it must be a whole number from " +
                     std::to_string(lowest) + " to " + std::to_string(highest) + ".");
    return std::nullopt;
  }
  return value;
}

std::uint64_t QueryParams::number(std::string_view name, std::uint64_t otherwise,
                                  std::uint64_t lowest, std::uint64_t highest) {
  return number(name, lowest, highest).value_or(otherwise);
}

std::optional<std::string_view> QueryParams::text(std::string_view name) {
  const NameValue* const found = one(name);
  if (found == nullptr) return std::nullopt;
  if (found->value.empty()) {
    refuse(name, "is empty; leave it out, or give it a value.");
    return std::nullopt;
  }
  return found->value;
}

std::vector<std::string_view> QueryParams::texts(std::string_view name, std::size_t count_max) {
  std::vector<std::string_view> out;
  for (std::size_t i = 0; i < request_.query.size(); ++i) {
    if (request_.query[i].name != name) continue;
    asked_[i] = true;
    if (request_.query[i].value.empty()) refuse(name, "is empty; leave it out.");
    out.push_back(request_.query[i].value);
  }
  if (out.size() > count_max) {
    refuse(name, "stands " + std::to_string(out.size()) + " times; at most " +
                     std::to_string(count_max) + " are allowed.");
  }
  return out;
}

std::optional<bool> QueryParams::truth(std::string_view name) {
  const auto value = text(name);
  if (!value) return std::nullopt;
  if (*value == "true") return true;
  if (*value == "false") return false;
  refuse(name, "must be \"true\" or \"false\".");
  return std::nullopt;
}

std::optional<Timestamp> QueryParams::time(std::string_view name) {
  const auto value = text(name);
  if (!value) return std::nullopt;
  const auto parsed = parse_time(*value);
  if (parsed) return *parsed;
  refuse(name, "is wrong: " + parsed.error().message);
  return std::nullopt;
}

std::size_t QueryParams::choice(std::string_view name,
                                std::initializer_list<std::string_view> allowed,
                                std::size_t otherwise) {
  const auto value = text(name);
  if (!value) return otherwise;
  std::size_t index = 0;
  std::string list;
  for (const std::string_view each : allowed) {
    if (*value == each) return index;
    list += (index++ == 0 ? "\"" : ", \"") + std::string{each} + "\"";
  }
  refuse(name, "is \"" + std::string{value->substr(0, 64)} + "\"; it must be one of " + list + ".");
  return otherwise;
}

std::optional<Problem> QueryParams::finish() {
  for (std::size_t i = 0; i < asked_.size() && !fault_; ++i) {
    if (!asked_[i]) refuse(request_.query[i].name, "is not known here.");
  }
  return fault_;
}

}  // namespace stele::serve
