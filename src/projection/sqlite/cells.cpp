#include "projection/sqlite/cells.h"

namespace stele::projection {

void bind_cell(sqlite::Statement& statement, int parameter, const Cell& cell) {
  switch (cell.kind()) {
    case Cell::Kind::null:
      return statement.bind_null(parameter);
    case Cell::Kind::integer:
      return statement.bind(parameter, cell.integer());
    case Cell::Kind::real:
      return statement.bind(parameter, cell.real());
    case Cell::Kind::text:
      return statement.bind(parameter, cell.text());
  }
}

Cell cell_of(const sqlite::Statement& statement, int column) {
  switch (statement.type(column)) {
    case sqlite::Type::integer:
      return Cell{statement.int64(column)};
    case sqlite::Type::real:
      return Cell{statement.real(column)};
    case sqlite::Type::text:
    case sqlite::Type::blob:
      return Cell{statement.text(column)};
    case sqlite::Type::null:
      break;
  }
  return {};
}

}  // namespace stele::projection
