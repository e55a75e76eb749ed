// An import mapping: how the records of a file become commands. A TOML file:
//
//     format = "columns"                    # or "csv", "ndjson"
//     skip_lines = 1
//     columns = ["customer", "date", "count", "amount"]
//     key = ["customer"]                    # optional: records of one key keep their order
//
//     [[command]]
//     when = "first_of customer"            # optional; expression.h
//     call = "POST /accounts"
//     [command.body]                        # optional; template.h
//     id = "cdnow-{customer}"
//     ownerName = "Customer {customer}"
//     occurredAt = "{date:YYYYMMDD}"
//
//     [[command]]
//     when = "amount > 0"
//     call = "POST /accounts/cdnow-{customer}/deposit"
//     body = { amount = "{amount}", occurredAt = "{date:YYYYMMDD}" }
//
// Every record is held against every [[command]], in their order. Without `key` the columns of the
// first `first_of` are it, else those in the paths of the calls; without any, the whole file is
// one key. With CSV, `columns` may be missing: the first line after `skip_lines` names them. With
// NDJSON it may too: any member may be named.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "import/expression.h"
#include "import/record.h"
#include "import/template.h"
#include "stele/error.h"

namespace stele::program {

inline constexpr std::size_t mapping_size_max = 1'024 * 1'024;  ///< Bytes of the file.
inline constexpr std::size_t mapping_commands_max = 64;
inline constexpr std::size_t mapping_depth_max = 8;  ///< Tables inside a body.

/// A JSON value of a body, with places.
struct BodyValue {
  enum class Kind : std::uint8_t { text, literal, object, array };
  Kind kind = Kind::object;
  Template text;             ///< Of text.
  std::string literal = {};  ///< JSON that is the same for every record.
  std::vector<std::pair<std::string, BodyValue>> members = {};  ///< Of object; array: no names.
};

struct MappedCommand {
  std::optional<Expression> when;
  std::string method;
  Template path;
  BodyValue body;
};

/// One call that a record asks for.
struct ImportCall {
  std::size_t place = 0;  ///< Of the [[command]], from 0.
  std::string method;
  std::string path;
  std::string body;
};

/// Not thread-safe; serves one pass over a file (see Expression).
class Mapping {
 public:
  /// Reads the mapping file. `input` is opened if it is CSV and names its own columns. Errors:
  /// `not_found`, `unavailable`, `invalid` (names the mapping's file and what is wrong).
  [[nodiscard]] static Result<Mapping> load(const std::string& path, const std::string& input);

  [[nodiscard]] const InputShape& shape() const { return shape_; }

  /// The calls that `record` asks for, in order; none = the record is skipped. `calls` is cleared
  /// first. Errors: `invalid` (a value does not fit the mapping).
  [[nodiscard]] Result<void> apply(const Record& record, std::vector<ImportCall>& calls);

  /// Calls of equal keys must be made one after another, in the file's order.
  [[nodiscard]] std::string order_key(const Record& record) const;

 private:
  friend class MappingReader;
  InputShape shape_;
  std::vector<MappedCommand> commands_;
  std::vector<std::size_t> key_columns_;
};

}  // namespace stele::program
