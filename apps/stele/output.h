// What a verb says: to a person in sentences, or with --json one object on standard output and
// failures as a problem object on standard error.

#pragma once

#include <string>
#include <string_view>

#include "http_client.h"
#include "service/exit_code.h"
#include "stele/error.h"

namespace stele::program {

/// The exit code for an answer, by its status and the `code` of its problem.
[[nodiscard]] int exit_code_of(int status, std::string_view code) noexcept;

/// Not thread-safe.
class Output {
 public:
  explicit Output(bool json) : json_{json} {}

  [[nodiscard]] bool json() const noexcept { return json_; }

  /// A line on standard output. False if nobody reads it any more.
  bool line(std::string_view text) const;
  /// A line on standard error, for people only.
  void note(std::string_view text) const;

  /// Says why the verb failed, and gives the code to end with.
  [[nodiscard]] int failure(const Error& error) const;
  /// Says what is wrong with the command line. `way_out` is a sentence, or empty.
  [[nodiscard]] int usage(std::string_view what, std::string_view way_out) const;
  /// Says why what was asked is not done, though nothing failed.
  [[nodiscard]] int refused(std::string_view why) const;
  /// Of a server: a connection that could not be made or was lost has a code of its own.
  [[nodiscard]] int unreachable(const Error& error) const;
  /// Of a problem that a server answered.
  [[nodiscard]] int failure(const Answer& answer) const;

 private:
  [[nodiscard]] int tell(std::string_view name, const Error& error, int code) const;
  bool json_;
};

}  // namespace stele::program
