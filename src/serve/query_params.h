// Module: serve
// Strict reading of query parameters: each is asked for by name; what was not asked for, stands
// twice or does not parse is 400 `malformed`, naming the parameter.
//
//     QueryParams query{request};
//     const auto limit = query.number("limit", 50, 1, 1'000);
//     const auto owner = query.text("owner");
//     if (auto bad = query.finish()) return *bad;

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "serve/problem.h"
#include "stele/time.h"

namespace stele::serve {

/// Lives on the stack of one handler. The first fault is kept; later reads give their defaults.
class QueryParams {
 public:
  explicit QueryParams(const Request& request);

  /// A whole number from `lowest` to `highest`.
  std::uint64_t number(std::string_view name, std::uint64_t otherwise, std::uint64_t lowest,
                       std::uint64_t highest);
  std::optional<std::uint64_t> number(std::string_view name, std::uint64_t lowest,
                                      std::uint64_t highest);
  /// UTF-8, not empty. Views live as long as the request.
  std::optional<std::string_view> text(std::string_view name);
  /// Every value of a parameter that may repeat, at most `count_max`.
  std::vector<std::string_view> texts(std::string_view name, std::size_t count_max);
  /// "true" or "false".
  std::optional<bool> truth(std::string_view name);
  /// RFC 3339 or a date.
  std::optional<Timestamp> time(std::string_view name);
  /// One of `allowed`: its index.
  std::size_t choice(std::string_view name, std::initializer_list<std::string_view> allowed,
                     std::size_t otherwise);

  /// Refuse a parameter by a rule of the caller's.
  void refuse(std::string_view name, std::string why);

  /// The first fault, or none. Parameters that nobody asked for are faults. `token` is let pass
  /// if it was asked for, like any other.
  [[nodiscard]] std::optional<Problem> finish();

 private:
  const NameValue* one(std::string_view name);

  const Request& request_;
  std::vector<bool> asked_;
  std::optional<Problem> fault_;
};

}  // namespace stele::serve
