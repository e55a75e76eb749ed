// What a program was told: flags over variables over the file over defaults, each with its source.
//
// A setting has a dotted name, `serve.listen`. It is set by a flag (`--listen`), by a variable
// (`STELE_SERVE_LISTEN`: "STELE_", the name in upper case, dots as underscores) or by the TOML file
// (`[serve] listen = ...`). An unknown key or variable is an error that names the nearest one, so
// that a slip of the pen is never a silent default.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stele/error.h"

namespace stele::service {

/// One setting in force, as `stele doctor` prints it.
struct Setting {
  std::string name;    ///< "serve.listen"
  std::string value;   ///< "127.0.0.1:8420"
  std::string source;  ///< "default", "--listen", "STELE_SERVE_LISTEN" or the file's name.
};

/// Where settings come from. `flags` hold dotted names; `variables` are the process's, all of them
/// (those without the prefix are passed over).
struct ConfigSources {
  std::vector<std::pair<std::string, std::string>> flags = {};
  std::vector<std::pair<std::string, std::string>> variables = {};
  std::optional<std::string> file =
      std::nullopt;      ///< `--config`; else `STELE_CONFIG`, `./stele.toml`.
  bool use_file = true;  ///< False: no file at all.
};

/// The settings of one process.
class Config {
 public:
  /// Errors: `invalid` (an unknown name with the nearest one, a value out of its range, a
  /// conflict), `not_found` (the file that was named is not there), `unavailable` (it can't be
  /// read).
  [[nodiscard]] static Result<Config> load(const ConfigSources& sources);

  /// The value in force; empty if it has none. `name` must be a known one.
  [[nodiscard]] const std::string& get(std::string_view name) const;
  [[nodiscard]] std::size_t number(std::string_view name) const;  ///< A setting that is a number.
  [[nodiscard]] bool flag(std::string_view name) const;  ///< A setting that is true or false.
  /// The user's own names in a table such as "projection" that were given any setting.
  [[nodiscard]] std::vector<std::string> names_in(std::string_view table) const;
  [[nodiscard]] const std::vector<Setting>& in_force() const { return settings_; }

 private:
  std::vector<Setting> settings_;  // Ordered by name.
};

/// Whether every variable with the prefix is one that is known, for programs that read none of the
/// settings: a slip of the pen is told by every verb. Errors: `invalid`, as `Config::load`.
[[nodiscard]] Result<void> check_variables(
    const std::vector<std::pair<std::string, std::string>>& variables);

/// The variables of this process as pairs.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> process_variables();

}  // namespace stele::service
