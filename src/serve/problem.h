// Module: serve
// Refusals as `application/problem+json` (RFC 9457), from one table of codes.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "serve/http.h"
#include "stele/error.h"

namespace stele::serve {

/// What a code means over HTTP.
struct ProblemKind {
  std::string_view code;  ///< Such as "version_conflict"; `type` is "/problems/{code}".
  int status;
  std::string_view title;
};

/// Every code that the server and the log's routes answer with. Domains add codes of their own:
/// those are 422 unless said otherwise.
[[nodiscard]] std::span<const ProblemKind> problem_kinds() noexcept;

/// The status of `code` in the table; 422 if it is not in it.
[[nodiscard]] int status_of(std::string_view code) noexcept;

/// Builds one refusal:
///
///     responder.send(Problem{"insufficient_funds", "Account 42 holds 3.00 USD."}
///                        .with("balance", "3.00"));
class Problem {
 public:
  /// `detail` is a full sentence with the thing, the value and the way out.
  Problem(std::string_view code, std::string detail);
  /// For codes outside the table: `status` instead of 422.
  Problem(std::string_view code, std::string detail, int status);

  Problem& with(std::string_view name, std::string_view text) &;
  Problem& with(std::string_view name, std::uint64_t number) &;
  Problem& with_json(std::string_view name, std::string_view json) &;  ///< A JSON value as it is.
  Problem&& with(std::string_view name, std::string_view text) &&;
  Problem&& with(std::string_view name, std::uint64_t number) &&;
  Problem&& with_json(std::string_view name, std::string_view json) &&;

  [[nodiscard]] std::string_view code() const noexcept { return code_; }
  [[nodiscard]] int status() const noexcept { return status_; }
  [[nodiscard]] std::string to_json() const;
  /// With `Retry-After: 1` if the status is 503.
  // NOLINTNEXTLINE(google-explicit-constructor): so that a handler can return either.
  operator Response() const;

 private:
  std::string code_;
  std::string detail_;
  int status_;
  std::string members_;  // ",\"name\":value" of each extra member.
};

/// How an error of the library is told: `invalid` is 400 `malformed`, `too_large` is 413, and so
/// on. Errors whose text speaks of this machine (`internal`, `corrupt`, `unavailable`, `held`) are
/// told without their text, which belongs in the log.
[[nodiscard]] Problem problem_of(const Error& error);

/// `malformed` with the place of the fault: a JSON pointer, or "?name" of a query parameter.
[[nodiscard]] Problem malformed(std::string detail, std::string_view pointer = {});

/// 415 for a body that is compressed, or in another character set than UTF-8: this server decodes
/// neither. None if the body is as it should be, or if there is none.
[[nodiscard]] std::optional<Response> coding_problem(const Request& request);

/// 415 and 406, naming what would do.
[[nodiscard]] Problem media_type_problem(const Request& request,
                                         std::initializer_list<std::string_view> accepted);
[[nodiscard]] Problem not_acceptable(std::initializer_list<std::string_view> offered);

}  // namespace stele::serve
