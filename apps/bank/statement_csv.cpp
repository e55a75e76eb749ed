#include "bank/statement_csv.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace bank {
namespace {

constexpr std::string_view line_end = "\r\n";
constexpr std::string_view header =
    "timestamp,transactionId,eventId,version,type,description,reference,counterparty,amount,fee,"
    "balance,currency";
constexpr std::size_t line_size_usual = 256;  // Bytes.

// As a spreadsheet looks at a cell: what stands behind blanks decides, a blank no-break space and a
// byte order mark among them.
std::string_view without_blanks(std::string_view text) {
  constexpr std::array<std::string_view, 4> blanks{" ", "\xC2\xA0", "\xEF\xBB\xBF", "\xE3\x80\x80"};
  bool more = true;
  while (more) {
    more = false;
    for (const std::string_view blank : blanks) {
      if (!text.starts_with(blank)) continue;
      text.remove_prefix(blank.size());
      more = true;
    }
  }
  return text;
}

bool looks_like_formula(std::string_view text) {
  // The last four are the wide forms of = + - @, which some programs take for the plain ones.
  constexpr std::array<std::string_view, 11> signs{"=",
                                                   "+",
                                                   "-",
                                                   "@",
                                                   "\t",
                                                   "\r",
                                                   "\n",
                                                   "\xEF\xBC\x9D",
                                                   "\xEF\xBC\x8B",
                                                   "\xEF\xBC\x8D",
                                                   "\xEF\xBC\xA0"};
  const std::string_view seen = without_blanks(text);
  return std::ranges::any_of(signs,
                             [seen](std::string_view sign) { return seen.starts_with(sign); });
}

void add_text(std::string& out, std::string_view text) {
  out += '"';
  if (looks_like_formula(text)) out += '\'';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

void add_note(std::string& out, const std::optional<std::string>& text) {
  if (text) add_text(out, *text);
}

// `value` holds no comma, quote or line end: ids, numbers, names of the program.
void add_plain(std::string& out, std::string_view value) {
  out += value;
  out += ',';
}

}  // namespace

std::string to_csv(const Statement& statement) {
  std::string out;
  out.reserve(header.size() + statement.lines.size() * line_size_usual);
  out += header;
  out += line_end;
  for (const StatementLine& line : statement.lines) {
    add_plain(out, stele::to_rfc3339(line.timestamp));
    add_plain(out, line.transaction_id.text());
    add_plain(out, line.event_id.text());
    add_plain(out, std::to_string(stele::number(line.version)));
    add_plain(out, stele::enum_text(line.type));
    add_text(out, line.description);
    out += ',';
    add_note(out, line.reference);
    out += ',';
    add_note(out, line.counterparty);
    out += ',';
    add_plain(out, line.amount.text());
    add_plain(out, line.fee.text());
    add_plain(out, line.balance.text());
    out += statement.currency.code();
    out += line_end;
  }
  return out;
}

}  // namespace bank
