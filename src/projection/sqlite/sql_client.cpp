#include "projection/sqlite/sql_client.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include "projection/sqlite/cells.h"

namespace stele::projection {
namespace {

// The first word of a statement, in lower case.
std::string first_word(std::string_view sql) {
  std::string word;
  for (const char c : sql) {
    const auto letter = static_cast<unsigned char>(c);
    if (std::isalpha(letter) != 0) {
      word += static_cast<char>(std::tolower(letter));
    } else if (!word.empty() || std::isspace(letter) == 0) {
      break;
    }
  }
  return word;
}

bool ends_a_transaction(std::string_view sql) {
  constexpr std::array<std::string_view, 8> words = {"begin",     "commit",  "end",    "rollback",
                                                     "savepoint", "release", "attach", "detach"};
  const std::string word = first_word(sql);
  return word.empty() || std::ranges::count(words, word) > 0;  // None: a comment hides it.
}

}  // namespace

Result<sqlite::Statement> DatabaseClient::ready(std::string_view sql,
                                                std::span<const Cell> parameters) {
  if (ends_a_transaction(sql)) {
    return fail(Errc::invalid,
                "A custom projection's SQL may not begin or end transactions: its "
                "batch is one, and the sink's. Leave \"" +
                    std::string{sql.substr(0, 40)} + "\" out.");
  }
  auto statement = database_.cached(sql);
  if (!statement) return statement;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    bind_cell(*statement, static_cast<int>(i), parameters[i]);
  }
  return statement;
}

Result<std::uint64_t> DatabaseClient::execute(std::string_view sql,
                                              std::span<const Cell> parameters) {
  auto statement = ready(sql, parameters);
  if (!statement) return std::unexpected{std::move(statement.error())};
  const auto done = statement->run();
  if (!done) return std::unexpected{done.error()};
  return static_cast<std::uint64_t>(database_.changes());
}

Result<void> DatabaseClient::query(std::string_view sql, std::span<const Cell> parameters,
                                   const OnCells& on_row) {
  auto statement = ready(sql, parameters);
  if (!statement) return std::unexpected{std::move(statement.error())};
  while (true) {
    const auto row = statement->step();
    if (!row) return std::unexpected{row.error()};
    if (!*row) return {};
    std::vector<Cell> cells(static_cast<std::size_t>(statement->columns()));
    for (std::size_t i = 0; i < cells.size(); ++i) {
      cells[i] = cell_of(*statement, static_cast<int>(i));
    }
    auto given = on_row(cells);
    if (!given) return given;
  }
}

}  // namespace stele::projection
