// Texts with places for a record's values, as they stand in an import mapping:
//
//     "Customer {customer}"     a value as it is
//     "{date:YYYYMMDD}"         a date or a time, read by that pattern (YYYY MM DD hh mm ss, every
//                               other character stands for itself), written as RFC 3339 in UTC
//     "{count:number}"          a whole template of this form is a JSON number, not a string
//     "{flag:boolean}"          likewise: true or false
//     "{note:optional}"         likewise: the member is left out where the value is empty
//     "{{" and "}}"             the brackets themselves

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "import/record.h"
#include "stele/error.h"

namespace stele::program {

class Template {
 public:
  enum class Type : std::uint8_t { text, number, boolean, optional };

  /// `columns` and `open_names` as in `Expression::parse`. Errors: `invalid` (names the template,
  /// and the column or form that is unknown).
  [[nodiscard]] static Result<Template> parse(std::string_view text,
                                              std::vector<std::string>& columns, bool open_names);

  /// Appends the text for `record` to `out`; in a URL's path with `in_path`, where each value is
  /// percent-encoded. Errors: `invalid` (a value that is not a date of that pattern, not a number).
  [[nodiscard]] Result<void> append(std::string& out, const Record& record,
                                    bool in_path = false) const;

  [[nodiscard]] Type type() const noexcept { return type_; }
  /// The columns that stand in it, each once.
  [[nodiscard]] const std::vector<std::size_t>& columns() const { return columns_; }

 private:
  struct Part {
    std::string text;  // Before the value.
    bool has_value = false;
    std::size_t column = 0;
    std::string pattern;  // Of a date.
  };
  Result<void> add_place(std::string_view whole, std::string_view inside,
                         std::vector<std::string>& names, bool open_names);

  std::vector<Part> parts_;
  std::vector<std::size_t> columns_;
  Type type_ = Type::text;
};

/// Reads `value` by `pattern` and writes it as RFC 3339: "19970101" by "YYYYMMDD" is
/// "1997-01-01T00:00:00.000000Z". Errors: `invalid`.
[[nodiscard]] Result<std::string> read_date(std::string_view value, std::string_view pattern);

}  // namespace stele::program
