#include "projection/sqlite/full_text.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "projection/sqlite/cells.h"
#include "stele/row.h"

namespace stele::projection {
namespace {

// No contents, as the rows are at hand; no sizes of rows, which only ranking by relevance needs.
constexpr std::string_view words_options =
    "content='', columnsize=0, tokenize='unicode61 remove_diacritics 2'";

std::string words_table(const ProjectionSpec& spec) { return sql_name(spec.name + "_words"); }

std::string column_at(std::size_t i) { return "c" + std::to_string(i + 1); }

// "c1, c2, w"
std::string words_columns(const ProjectionSpec& spec, std::string_view between) {
  std::string list;
  for (std::size_t i = 0; i < spec.full_text.size(); ++i) {
    if (i > 0) list += between;
    list += column_at(i);
  }
  return list;
}

// The values of one row, `row` being "old" or "new". What `hex` gives is one word of the tokenizer
// whatever the value is.
std::string row_values(const ProjectionSpec& spec, const std::string& row) {
  std::string values = row + ".row_id";
  for (const std::string& column : spec.full_text) values += ", " + row + "." + sql_name(column);
  if (!spec.full_text_within.empty()) {
    values += ", hex(" + row + "." + sql_name(spec.full_text_within) + ")";
  }
  return values;
}

std::string remove_sql(const ProjectionSpec& spec, const std::string& columns) {
  const std::string table = words_table(spec);
  return "INSERT INTO " + table + "(" + table + ", rowid, " + columns + ") VALUES('delete', " +
         row_values(spec, "old") + ");";
}

std::string add_sql(const ProjectionSpec& spec, const std::string& columns) {
  return "INSERT INTO " + words_table(spec) + "(rowid, " + columns + ") VALUES(" +
         row_values(spec, "new") + ");";
}

std::string changed_condition(const ProjectionSpec& spec) {
  std::string condition;
  const auto add = [&condition](const std::string& column) {
    const std::string name = sql_name(column);
    if (!condition.empty()) condition += " OR ";
    condition += "old." + name + " IS NOT new." + name;
  };
  std::ranges::for_each(spec.full_text, add);
  if (!spec.full_text_within.empty()) add(spec.full_text_within);
  return condition;
}

// A word or a phrase of a search.
struct Piece {
  std::string_view text;
  bool is_prefix = false;
};

// Space and every control character; what follows a NUL would be lost on the way to SQLite.
bool is_space(char c) {
  const auto code = static_cast<unsigned char>(c);
  return code <= 0x20 || code == 0x7F;
}

// Whether the tokenizer may find a word in `text`. Beyond ASCII it knows better than this does: a
// piece of nothing but such signs then finds nothing.
bool may_hold_word(std::string_view text) {
  return std::ranges::any_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           static_cast<unsigned char>(c) >= 0x80;
  });
}

std::vector<Piece> pieces_of(std::string_view search) {
  std::vector<Piece> pieces;
  const auto keep = [&pieces](std::string_view text, bool is_prefix) {
    if (may_hold_word(text)) pieces.push_back({text, is_prefix});
  };
  std::size_t at = 0;
  while (at < search.size()) {
    if (is_space(search[at])) {
      ++at;
    } else if (search[at] == '"') {  // To the next quote, or, if it is never closed, to the end.
      const std::size_t end = std::min(search.find('"', at + 1), search.size());
      keep(search.substr(at + 1, end - at - 1), false);
      at = end + 1;
    } else {
      const auto* const end = std::find_if(search.begin() + at, search.end(),
                                           [](char c) { return is_space(c) || c == '"'; });
      std::string_view word{search.begin() + at, end};
      at += word.size();
      const bool is_prefix = word.ends_with('*');
      while (word.ends_with('*')) word.remove_suffix(1);
      keep(word, is_prefix);
    }
  }
  return pieces;
}

// As a string of FTS5, in which nothing is an operator.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) out += is_space(c) ? ' ' : c;  // No piece holds a quote.
  return out + "\"";
}

std::string hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

}  // namespace

std::string full_text_sql(const ProjectionSpec& spec) {
  if (!has_full_text(spec)) return {};
  std::string columns = words_columns(spec, ", ");
  if (!spec.full_text_within.empty()) columns += ", w";
  const std::string rows = sql_name(spec.name);
  const auto trigger = [&](const std::string& event) {
    return "CREATE TRIGGER " + sql_name(spec.name + "_words_" + event) + " AFTER " + event +
           " ON " + rows;
  };
  std::string sql = "CREATE VIRTUAL TABLE " + words_table(spec) + " USING fts5(" + columns + ", ";
  sql += words_options;
  sql += ");";
  sql += trigger("insert") + " BEGIN " + add_sql(spec, columns) + " END;";
  sql += trigger("delete") + " BEGIN " + remove_sql(spec, columns) + " END;";
  sql += trigger("update") + " WHEN " + changed_condition(spec) + " BEGIN " +
         remove_sql(spec, columns) + add_sql(spec, columns) + " END;";
  return sql;
}

std::string full_text_schema(const ProjectionSpec& spec) {
  if (!has_full_text(spec)) return {};
  std::string text = "words";
  for (const std::string& column : spec.full_text) text += " " + column;
  if (!spec.full_text_within.empty()) text += " within " + spec.full_text_within;
  return text + "\n";
}

std::string search_condition(const ProjectionSpec& spec) {
  const std::string table = words_table(spec);
  return "row_id IN (SELECT rowid FROM " + table + " WHERE " + table + " MATCH ?)";
}

Result<std::string> match_text(const ProjectionSpec& spec, std::string_view search,
                               std::optional<std::string_view> within) {
  if (!has_full_text(spec)) {
    return fail(Errc::invalid, "Read model \"" + spec.name +
                                   "\" keeps no words to search for; declare its full_text.");
  }
  if (search.size() > search_size_max) {
    return fail(Errc::invalid, "A search of " + std::to_string(search.size()) +
                                   " bytes was given; at most " + std::to_string(search_size_max) +
                                   " are allowed.");
  }
  const std::vector<Piece> pieces = pieces_of(search);
  if (pieces.empty()) {
    return fail(Errc::invalid, "The search holds no letter or digit; give it a word to look for.");
  }
  if (pieces.size() > search_words_max) {
    return fail(Errc::invalid, "A search of " + std::to_string(pieces.size()) +
                                   " words and phrases was given; at most " +
                                   std::to_string(search_words_max) + " are allowed.");
  }
  std::string match;
  if (within && !within->empty() && !spec.full_text_within.empty()) {
    match = "w:" + quoted(hex(*within)) + " AND ";
  }
  match += "{" + words_columns(spec, " ") + "}:(";
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (i > 0) match += " AND ";
    match += quoted(pieces[i].text);
    if (pieces[i].is_prefix) match += '*';
  }
  return match + ")";
}

}  // namespace stele::projection
