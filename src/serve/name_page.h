// Pages of a list that is ordered by name: `?limit`, `?cursor`, `next`.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "serve/query_params.h"

namespace stele::serve {

/// What a request asks of such a list: 50 items unless it says so, at most 1,000.
class NamePage {
 public:
  /// `list` names the list: a cursor of another one is refused (400, by `query.finish`).
  NamePage(std::string list, QueryParams& query);

  [[nodiscard]] std::size_t limit() const noexcept { return limit_; }
  /// Items behind this name; empty: from the first one.
  [[nodiscard]] const std::string& after() const noexcept { return after_; }
  /// Appends `"next":...}` of a page that ends with `last`, or of the last page if it is empty.
  void finish(std::string& body, std::string_view last) const;

 private:
  std::string list_;
  std::size_t limit_;
  std::string after_;
};

}  // namespace stele::serve
