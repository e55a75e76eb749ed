// What `stele doctor` looks at. Every check says what it found; one that is not well also says the
// way out. Checks change nothing: what writes a probe removes it again.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "service/config.h"

namespace stele::program::doctor {

enum class Verdict : std::uint8_t { ok, warning, failed };

[[nodiscard]] constexpr std::string_view word(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::ok:
      return "ok";
    case Verdict::warning:
      return "warning";
    case Verdict::failed:
      return "failed";
  }
  return "failed";
}

struct Check {
  std::string name;  ///< Stable: programs look for it.
  Verdict verdict = Verdict::ok;
  std::string detail;    ///< A sentence: what was found.
  std::string fix = {};  ///< A sentence: the way out; empty if all is well.
};
using Checks = std::vector<Check>;

[[nodiscard]] inline Check well(std::string name, std::string detail) {
  return {.name = std::move(name), .detail = std::move(detail)};
}
[[nodiscard]] inline Check warning(std::string name, std::string detail, std::string fix) {
  return {.name = std::move(name),
          .verdict = Verdict::warning,
          .detail = std::move(detail),
          .fix = std::move(fix)};
}
[[nodiscard]] inline Check failed(std::string name, std::string detail, std::string fix) {
  return {.name = std::move(name),
          .verdict = Verdict::failed,
          .detail = std::move(detail),
          .fix = std::move(fix)};
}

/// The folder, its owner, its lock, its disk: what may keep a log from opening or from lasting.
void check_folder(const std::string& data, Checks& out);
/// The segments and read models in it.
void check_log(const std::string& data, Checks& out);
/// Descriptors, memory, clock, encoding, processor.
void check_machine(const service::Config& config, Checks& out);
/// Settings that do not go together, and the address to listen on.
void check_settings(const service::Config& config, Checks& out);
/// The server that client verbs would talk to.
void check_server(const std::string& url, Checks& out);

/// "Permission denied", of `errno`.
[[nodiscard]] std::string system_reason();
/// "12 MiB".
[[nodiscard]] std::string mebibytes(std::uint64_t bytes);
/// The process that holds the folder's lock; 0 = none, 1 = one that did not say which.
[[nodiscard]] long holder_of(const std::string& data);

}  // namespace stele::program::doctor
