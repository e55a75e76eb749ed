#include "serve/url.h"

#include <algorithm>

#include "stele/ids.h"

namespace stele::serve {
namespace {

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool has_control(std::string_view text) noexcept {
  return std::ranges::any_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

}  // namespace

std::optional<std::string_view> decode(std::string_view text, bool plus, std::string& decoded) {
  if (text.find_first_of(plus ? "%+" : "%") == std::string_view::npos) {
    if (!is_utf8(text)) return std::nullopt;
    return text;
  }
  const std::size_t begin = decoded.size();
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus) {
      c = ' ';
    }
    decoded += c;
  }
  const auto result = std::string_view{decoded}.substr(begin);
  if (!is_utf8(result) || has_control(result)) return std::nullopt;
  return result;
}

bool split_target(Request& request, std::string& decoded) {
  // One reservation: what is decoded is never longer than the target, and views must stay valid.
  if (request.target.find_first_of("%+") != std::string_view::npos) {
    decoded.reserve(request.target.size());
  }
  const std::size_t mark = request.target.find('?');
  request.path = request.target.substr(0, mark);
  request.query.clear();
  if (mark == std::string_view::npos) return true;
  std::string_view rest = request.target.substr(mark + 1);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const auto name = decode(pair.substr(0, equals), true, decoded);
    const auto value = decode(pair.substr(std::min(equals + 1, pair.size())), true, decoded);
    if (!name || !value || request.query.size() == query_params_max) return false;
    request.query.push_back({.name = *name, .value = *value});
  }
  return true;
}

}  // namespace stele::serve
