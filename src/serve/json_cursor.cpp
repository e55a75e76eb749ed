#include "serve/json_cursor.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "stele/ids.h"
#include "stele/json.h"

namespace stele::serve {
namespace {

constexpr std::ptrdiff_t names_compared_max = 16;  // More members of an object are sorted.

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// The four hex digits at the front of `text`; -1 if they are not.
int code_unit(std::string_view text) noexcept {
  if (text.size() < 4) return -1;
  int unit = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const int digit = hex_value(text[i]);
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

void append_utf8(std::string& out, std::uint32_t point) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xC0 | (point >> 6));
    put(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    put(0xE0 | (point >> 12));
    put(0x80 | ((point >> 6) & 0x3F));
    put(0x80 | (point & 0x3F));
  } else {
    put(0xF0 | (point >> 18));
    put(0x80 | ((point >> 12) & 0x3F));
    put(0x80 | ((point >> 6) & 0x3F));
    put(0x80 | (point & 0x3F));
  }
}

/// Bytes of a string that mean themselves and end nothing.
constexpr std::array<bool, 256> is_plain = [] {
  std::array<bool, 256> out{};
  for (std::size_t c = 0x20; c < 0x80; ++c) out[c] = c != '"' && c != '\\';
  return out;
}();

bool is_space(char c) noexcept { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

}  // namespace

void JsonCursor::fail(std::string_view message) {
  if (failed_) return;
  failed_ = true;
  message_ = message;
  for (const Step& step : path_) {
    if (step.between) continue;
    pointer_ += '/';
    if (step.name.data() == nullptr) {
      pointer_ += std::to_string(step.index);
      continue;
    }
    for (const char c : step.name.substr(0, 128)) {
      pointer_ += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    }
  }
  if (!is_utf8(pointer_)) pointer_.clear();
}

void JsonCursor::unknown(std::string_view member) {
  fail("The member \"" + std::string{member.substr(0, 64)} + "\" is not known here.");
}

void JsonCursor::skip_space() {
  while (at_ < text_.size() && is_space(text_[at_])) {
    ++at_;
    had_space_ = true;
  }
}

bool JsonCursor::take(char c) {
  if (at_ >= text_.size() || text_[at_] != c) return false;
  ++at_;
  return true;
}

char JsonCursor::peek() {
  if (failed_) return 0;
  skip_space();
  if (at_ >= text_.size()) return 0;
  const char c = text_[at_];
  if (c == '-' || is_digit(c)) return '0';
  return std::string_view{"{[\"tfn"}.contains(c) ? c : '\0';
}

bool JsonCursor::enter(char open) {
  if (failed_) return false;
  skip_space();
  if (!take(open)) {
    fail(open == '{' ? "An object must stand here." : "An array must stand here.");
    return false;
  }
  if (path_.size() >= json_depth_max) fail("The JSON is nested too deeply.");
  return !failed_;
}

bool JsonCursor::next_member(bool first, std::string_view& name) {
  skip_space();
  if (take('}')) return false;
  if (!first) {
    if (!take(',')) fail("A comma or the end of the object must stand here.");
    skip_space();
  }
  if (at_ >= text_.size() || text_[at_] != '"') fail("A member's name in quotes must stand here.");
  if (failed_) return false;
  string(name);
  skip_space();
  if (!take(':')) fail("A colon must follow a member's name.");
  if (failed_) return false;
  const auto seen = names_.begin() + static_cast<std::ptrdiff_t>(path_.back().names_at);
  if (std::find(seen, names_.end(), name) != names_.end()) {
    path_.back().name = name;
    path_.back().between = false;
    fail("The member \"" + std::string{name.substr(0, 64)} + "\" stands twice.");
    return false;
  }
  names_.push_back(name);
  return true;
}

bool JsonCursor::next_element(bool first) {
  skip_space();
  if (take(']')) return false;
  if (!first && !take(',')) fail("A comma or the end of the array must stand here.");
  return !failed_;
}

void JsonCursor::string(std::string_view& out) {
  if (failed_) return;
  skip_space();
  if (at_ >= text_.size() || text_[at_] != '"') return fail("A string must stand here.");
  const std::size_t begin = at_ + 1;
  skip_string();
  if (failed_) return;
  const std::string_view raw = text_.substr(begin, at_ - begin - 1);
  if (raw.find('\\') == std::string_view::npos) {
    out = raw;
    return;
  }
  decoded_.push_back(std::make_unique<std::string>());
  decode(raw, *decoded_.back());
  out = *decoded_.back();
}

/// `raw` was checked by `skip_string`.
void JsonCursor::decode(std::string_view raw, std::string& out) {
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\') {
      out += raw[i];
      continue;
    }
    ++i;
    constexpr std::string_view letters = "\"\\/bfnrt";
    constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    if (const std::size_t at = letters.find(raw[i]); at != std::string_view::npos) {
      out += meanings[at];
      continue;
    }
    auto point = static_cast<std::uint32_t>(code_unit(raw.substr(i + 1)));
    i += 4;
    if (point >= 0xD800 && point < 0xDC00) {
      const auto low = static_cast<std::uint32_t>(code_unit(raw.substr(i + 3)));
      point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
      i += 6;
    }
    append_utf8(out, point);
  }
}

/// At a quote: past the closing one. Checks escapes, control characters, surrogates and UTF-8.
void JsonCursor::skip_string() {
  const std::size_t begin = ++at_;
  bool ascii = true;
  while (true) {
    while (at_ < text_.size() && is_plain[static_cast<unsigned char>(text_[at_])]) ++at_;
    if (at_ >= text_.size()) break;
    const auto byte = static_cast<unsigned char>(text_[at_]);
    if (byte == '"') {
      if (!ascii && !is_utf8(text_.substr(begin, at_ - begin))) fail("A string is not UTF-8.");
      ++at_;
      return;
    }
    if (byte < 0x20) return fail("A string has a control character; escape it.");
    if (byte >= 0x80) ascii = false;
    ++at_;
    if (byte != '\\') continue;
    const char escape = at_ < text_.size() ? text_[at_++] : '\0';
    if (escape != 'u') {
      if (escape == '\0' || !std::string_view{"\"\\/bfnrt"}.contains(escape)) {
        return fail("A string has an escape that JSON does not know.");
      }
      continue;
    }
    const int unit = code_unit(text_.substr(at_));
    if (unit < 0) return fail("A string has an escape that JSON does not know.");
    at_ += 4;
    if (unit < 0xD800 || unit > 0xDFFF) continue;
    const bool pair = unit < 0xDC00 && text_.substr(at_).starts_with("\\u");
    const int low = pair ? code_unit(text_.substr(at_ + 2)) : -1;
    if (low < 0xDC00 || low > 0xDFFF) return fail("A string has half of a surrogate pair.");
    at_ += 6;
  }
  fail("A string does not end.");
}

void JsonCursor::skip_digits() {
  const std::size_t begin = at_;
  while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
  if (at_ == begin) fail("A number has no digit where one must stand.");
}

void JsonCursor::skip_number() {
  take('-');
  if (!take('0')) skip_digits();
  if (take('.')) skip_digits();
  if (take('e') || take('E')) {
    if (!take('+')) take('-');
    const std::size_t begin = at_;
    skip_digits();
    if (!failed_ && at_ - begin > exponent_digits_max) {
      fail("An exponent has at most " + std::to_string(exponent_digits_max) + " digits.");
    }
  }
}

void JsonCursor::number(std::uint64_t& out, std::uint64_t highest) {
  const auto refuse = [&] {
    fail("A whole number from 0 to " + std::to_string(highest) + " must stand here.");
  };
  if (peek() != '0') return refuse();
  const std::size_t begin = at_;
  skip_number();
  if (failed_) return;
  const char* const last = text_.data() + at_;
  const auto [end, error] = std::from_chars(text_.data() + begin, last, out);
  if (error != std::errc{} || end != last || out > highest) refuse();
}

void JsonCursor::value(std::string_view& out) {
  if (failed_) return;
  skip_space();
  had_space_ = false;  // White space before the value is not part of it.
  const std::size_t begin = at_;
  skip_value();
  if (!failed_) out = text_.substr(begin, at_ - begin);
}

/// Without recursion: the depth is the client's.
void JsonCursor::skip_value() {
  std::array<std::size_t, json_depth_max> names_at;  // Of each bracket that is open.
  std::string open;                                  // The brackets; rarely more than fit in place.
  do {
    const char next = peek();
    bool value_ended = true;
    switch (next) {
      case '{':
      case '[':
        if (open.size() + path_.size() >= json_depth_max) {
          return fail("The JSON is nested too deeply.");
        }
        ++at_;
        names_at[open.size()] = names_.size();
        open += next;
        skip_space();
        value_ended = take(next == '{' ? '}' : ']');
        if (value_ended) open.pop_back();
        break;
      case '"':
        skip_string();
        break;
      case '0':
        skip_number();
        break;
      default: {
        const std::string_view word = next == 't' ? "true" : next == 'f' ? "false" : "null";
        if (next == 0 || !text_.substr(at_).starts_with(word)) {
          return fail("A JSON value must stand here.");
        }
        at_ += word.size();
      }
    }
    // After a value: a comma, or brackets that close; before a member's value: its name.
    while (value_ended && !failed_ && !open.empty()) {
      skip_space();
      if (take(open.back() == '{' ? '}' : ']')) {
        open.pop_back();
        drop_names(names_at[open.size()]);
      } else if (take(',')) {
        value_ended = false;
      } else {
        return fail("A comma or the end must stand after a value.");
      }
    }
    if (!value_ended && open.back() == '{' && !skip_name(names_at[open.size() - 1])) return;
  } while (!failed_ && !open.empty());
}

/// A member's name and colon inside a value. Few names are compared as they come; many when their
/// object closes, sorted.
bool JsonCursor::skip_name(std::size_t names_at) {
  if (peek() != '"') fail("A member's name in quotes must stand here.");
  if (failed_) return false;
  std::string_view name;
  string(name);
  if (failed_) return false;
  skip_space();
  if (!take(':')) fail("A colon must follow a member's name.");
  const auto seen = names_.begin() + static_cast<std::ptrdiff_t>(names_at);
  if (names_.end() - seen < names_compared_max &&
      std::find(seen, names_.end(), name) != names_.end()) {
    fail("The member \"" + std::string{name.substr(0, 64)} + "\" stands twice.");
  }
  names_.push_back(name);
  return !failed_;
}

void JsonCursor::drop_names(std::size_t names_at) {
  const auto seen = names_.begin() + static_cast<std::ptrdiff_t>(names_at);
  if (names_.end() - seen > names_compared_max) {
    std::sort(seen, names_.end());
    if (const auto twice = std::adjacent_find(seen, names_.end()); twice != names_.end()) {
      fail("The member \"" + std::string{twice->substr(0, 64)} + "\" stands twice.");
    }
  }
  names_.resize(names_at);
}

void JsonCursor::end() {
  if (failed_) return;
  skip_space();
  if (at_ != text_.size()) fail("Something stands after the end of the JSON text.");
}

}  // namespace stele::serve
