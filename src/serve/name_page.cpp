#include "serve/name_page.h"

#include <utility>
#include <vector>

#include "query/cursor.h"
#include "stele/json.h"

namespace stele::serve {
namespace {

constexpr std::size_t limit_default = 50;
constexpr std::size_t limit_max = 1'000;

}  // namespace

NamePage::NamePage(std::string list, QueryParams& query)
    : list_{std::move(list)}, limit_{query.number("limit", limit_default, 1, limit_max)} {
  const auto cursor = query.text("cursor");
  if (!cursor) return;
  const auto place = query::decode_cursor(*cursor, query::hash_of_query(list_, {}));
  if (place && place->size() == 1 && place->front().cell().kind() == Cell::Kind::text) {
    after_ = place->front().cell().text();
  } else {
    query.refuse("cursor", "is none of this list; send the `next` of the page before, as it was.");
  }
}

void NamePage::finish(std::string& body, std::string_view last) const {
  body += "\"next\":";
  if (last.empty()) {
    body += "null}";
    return;
  }
  append_json_string(body, query::encode_cursor(query::hash_of_query(list_, {}), {Value{last}}));
  body += '}';
}

}  // namespace stele::serve
