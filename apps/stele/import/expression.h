// The language of `when` in an import mapping. It decides whether a record makes a command.
//
//     or      := and ("or" and)*
//     and     := not ("and" not)*
//     not     := "not" not | "(" or ")" | "first_of" COLUMN ("," COLUMN)* | test
//     test    := operand ("==" | "!=" | "<" | "<=" | ">" | ">=") operand
//     operand := COLUMN | NUMBER | "text" | 'text'
//
// Two operands compare as numbers, exactly, if one of them is written as a NUMBER; a column that is
// then not a number is an error of that line. Otherwise they compare as bytes. `first_of customer`
// holds in the first record of the file that has this value in the column, whatever the other
// conditions say there.

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "import/key_set.h"
#include "import/record.h"
#include "stele/error.h"

namespace stele::program {

/// A compiled condition. It remembers what `first_of` has seen, so one object serves one pass.
class Expression {
 public:
  /// `columns` are the names that may stand in it; with `open_names` any name may, and is added.
  /// Errors: `invalid` (says where and what was expected).
  [[nodiscard]] static Result<Expression> parse(std::string_view text,
                                                std::vector<std::string>& columns, bool open_names);

  /// Errors: `invalid` (a column that should be a number is not), `too_large` (see KeySet).
  [[nodiscard]] Result<bool> holds(const Record& record);

  /// The columns of the first `first_of`, or none.
  [[nodiscard]] const std::vector<std::size_t>& first_of_columns() const { return first_of_; }

  struct Node;

 private:
  struct FirstOf {
    std::vector<std::size_t> columns;
    KeySet seen;
    bool first = false;  // In the record being judged.
  };
  friend class ExpressionParser;

  std::shared_ptr<const Node> root_;
  std::vector<FirstOf> first_ofs_;
  std::vector<std::size_t> first_of_;

  Result<bool> judge(const Node& node, const Record& record) const;
};

/// The columns' values as one key: each with its size, so that no two lists of values are alike.
[[nodiscard]] std::string key_of(const Record& record, const std::vector<std::size_t>& columns);

}  // namespace stele::program
