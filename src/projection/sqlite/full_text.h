// Words of a read model in SQLite: an FTS5 table beside the rows, in the same file and written by
// triggers in the same transaction, so that no commit, crash, rebuild or erased row can part them.
//
// The rows' table then has a number for each row, `row_id INTEGER PRIMARY KEY`, and `row_key` is
// unique beside it. `<name>_words` knows rows by that number and holds no text of its own. Its
// columns are c1, c2... for the columns of `full_text`, and w: the value of `full_text_within` as
// one word, by which a search reads only the postings of its part.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "stele/error.h"
#include "stele/projection.h"

namespace stele::projection {

[[nodiscard]] inline bool has_full_text(const ProjectionSpec& spec) noexcept {
  return !spec.full_text.empty();
}

/// The words' table and the triggers that keep it, as SQL that is run after the rows' table was
/// made; empty if the projection has no full text.
[[nodiscard]] std::string full_text_sql(const ProjectionSpec& spec);

/// What stands for a changed full text in the comparison of schemas; empty if there is none.
[[nodiscard]] std::string full_text_schema(const ProjectionSpec& spec);

/// A condition on the rows with one parameter, what `match_text` gives.
[[nodiscard]] std::string search_condition(const ProjectionSpec& spec);

/// `search` (see `Select::search`) in the language of FTS5, every word of it quoted; narrowed to
/// the rows whose `full_text_within` is `within`, if that is given. Errors: `invalid`: too long,
/// too many words, no letter or digit in it, or a projection without full text.
[[nodiscard]] Result<std::string> match_text(const ProjectionSpec& spec, std::string_view search,
                                             std::optional<std::string_view> within);

}  // namespace stele::projection
