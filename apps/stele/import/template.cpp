#include "import/template.h"

#include <algorithm>
#include <array>
#include <utility>

#include "http_client.h"
#include "import/decimal.h"
#include "stele/time.h"

namespace stele::program {
namespace {

constexpr std::string_view forms = "number, boolean, optional, or a date's pattern with YYYY";

std::unexpected<Error> bad_template(std::string_view text, const std::string& complaint) {
  return fail(Errc::invalid, "The template \"" + std::string{text} + "\" " + complaint + ".");
}

}  // namespace

Result<Template> Template::parse(std::string_view text, std::vector<std::string>& columns,
                                 bool open_names) {
  Template out;
  out.parts_.emplace_back();
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const bool doubled = at + 1 < text.size() && text[at + 1] == c;
    if ((c == '{' || c == '}') && doubled) {
      out.parts_.back().text += c;
      ++at;
      continue;
    }
    if (c == '}') return bad_template(text, "closes a bracket that is not open");
    if (c != '{') {
      out.parts_.back().text += c;
      continue;
    }
    const std::size_t end = text.find('}', at);
    if (end == std::string_view::npos)
      return bad_template(text, "opens a bracket and does not close it");
    const auto added = out.add_place(text, text.substr(at + 1, end - at - 1), columns, open_names);
    if (!added) return std::unexpected{added.error()};
    out.parts_.emplace_back();
    at = end;
  }
  const bool one_place =
      out.parts_.size() == 2 && out.parts_[0].text.empty() && out.parts_[1].text.empty();
  if (out.type_ != Type::text && !one_place) {
    return bad_template(text, "must be the place alone to have a type");
  }
  return out;
}

Result<void> Template::add_place(std::string_view whole, std::string_view inside,
                                 std::vector<std::string>& names, bool open_names) {
  const std::size_t colon = std::min(inside.find(':'), inside.size());
  const std::string name{inside.substr(0, colon)};
  auto found = std::ranges::find(names, name);
  if (found == names.end()) {
    if (!open_names || name.empty()) {
      std::string known;
      for (const std::string& one : names) known += (known.empty() ? "" : ", ") + one;
      return bad_template(whole, "names the column \"" + name + "\"; there are: " + known);
    }
    names.push_back(name);
    found = names.end() - 1;
  }
  Part& part = parts_.back();
  part.has_value = true;
  part.column = static_cast<std::size_t>(found - names.begin());
  if (std::ranges::count(columns_, part.column) == 0) columns_.push_back(part.column);
  if (colon == inside.size()) return {};

  const std::string_view form = inside.substr(colon + 1);
  if (form == "number") {
    type_ = Type::number;
  } else if (form == "boolean") {
    type_ = Type::boolean;
  } else if (form == "optional") {
    type_ = Type::optional;
  } else if (form.find("YYYY") != std::string_view::npos) {
    part.pattern = form;
  } else {
    return bad_template(
        whole, "asks for the form \"" + std::string{form} + "\"; there are: " + std::string{forms});
  }
  return {};
}

Result<void> Template::append(std::string& out, const Record& record, bool in_path) const {
  for (const Part& part : parts_) {
    out += part.text;
    if (!part.has_value) continue;
    const std::string& value = record.values[part.column];
    if (type_ == Type::number && !is_decimal(value)) {
      return fail(Errc::invalid, "\"" + value + "\" is not a number.");
    }
    if (type_ == Type::boolean && value != "true" && value != "false") {
      return fail(Errc::invalid, "\"" + value + "\" is neither true nor false.");
    }
    std::string date;
    if (!part.pattern.empty()) {
      auto read = read_date(value, part.pattern);
      if (!read) return std::unexpected{read.error()};
      date = std::move(*read);
    }
    const std::string& shown = part.pattern.empty() ? value : date;
    out += in_path ? percent_encode(shown) : shown;
  }
  return {};
}

Result<std::string> read_date(std::string_view value, std::string_view pattern) {
  // Filled in from the value, then read strictly as RFC 3339: the calendar is judged there.
  std::string text = "YYYY-01-01T00:00:00Z";
  struct Field {
    std::string_view letters;
    std::size_t place;
  };
  constexpr std::array fields = {Field{"YYYY", 0}, Field{"MM", 5},  Field{"DD", 8},
                                 Field{"hh", 11},  Field{"mm", 14}, Field{"ss", 17}};
  const auto wrong = [&] {
    return fail(Errc::invalid, "\"" + std::string{value} + "\" is not a date of the form " +
                                   std::string{pattern} + ".");
  };
  if (value.size() != pattern.size()) return wrong();
  for (std::size_t at = 0; at < pattern.size();) {
    const auto* field = std::ranges::find_if(
        fields, [&](const Field& one) { return pattern.substr(at).starts_with(one.letters); });
    if (field == fields.end()) {
      if (value[at] != pattern[at]) return wrong();
      ++at;
      continue;
    }
    for (std::size_t i = 0; i < field->letters.size(); ++i, ++at) {
      if (value[at] < '0' || value[at] > '9') return wrong();
      text[field->place + i] = value[at];
    }
  }
  const auto time = parse_time(text);
  if (!time) return wrong();
  return to_rfc3339(*time);
}

}  // namespace stele::program
