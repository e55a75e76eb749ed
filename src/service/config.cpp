#include "service/config.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "service/nearest.h"
#include "service/toml.h"

namespace stele::service {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view prefix = "STELE_";
constexpr std::size_t config_size_max = 1'024 * 1'024;  // Bytes of a configuration file.
constexpr std::string_view file_default = "./stele.toml";

enum class Kind : std::uint8_t { text, number, boolean, address, choice, names };

/// A setting that exists. `*` in a name stands for a name that the user gives.
struct Known {
  std::string_view name;
  Kind kind;
  std::string_view fallback;      // The default.
  std::string_view choices = {};  // Separated by blanks, for choice and names.
  std::size_t min = 0;
  std::size_t max = 0;
  std::string_view others = {};  // Choices that need parts which this build has not.
};

constexpr std::string_view other_sinks =
    "postgres mysql mongodb redis elasticsearch opensearch clickhouse";

constexpr std::array known_settings = {
    Known{"log.cache_mib", Kind::number, "32", {}, 1, 65'536},
    Known{"log.segment_mib", Kind::number, "32", {}, 1, 1'024},
    Known{"projection.*.batch", Kind::number, "2000", {}, 1, 10'000},
    Known{"projection.*.on_error", Kind::choice, "park", "park pause"},
    Known{"projection.*.sink", Kind::text, ""},
    Known{"projection.*.source", Kind::choice, "store", "store", 0, 0, "broker"},
    Known{"serve.access_log", Kind::boolean, "true"},
    Known{"serve.body_seconds", Kind::number, "60", {}, 1, 3'600},
    Known{"serve.connections_max", Kind::number, "16384", {}, 1, 1'000'000},
    Known{"serve.data", Kind::text, "./data"},
    Known{"serve.header_seconds", Kind::number, "10", {}, 1, 3'600},
    Known{"serve.idle_seconds", Kind::number, "75", {}, 1, 86'400},
    Known{"serve.listen", Kind::address, "127.0.0.1:8420"},
    Known{"serve.read_only", Kind::boolean, "false"},
    Known{"serve.roles", Kind::names, "api,projector", "api projector", 0, 0, "relay reactor"},
    Known{"serve.stop_seconds", Kind::number, "10", {}, 1, 3'600},
    Known{"serve.write_seconds", Kind::number, "30", {}, 1, 3'600},
    Known{"sink.*.kind", Kind::choice, "sqlite", "sqlite", 0, 0, other_sinks},
    Known{"sink.*.url", Kind::text, ""},
    Known{"store.kind", Kind::choice, "embedded", "embedded memory", 0, 0, "postgres mysql"},
    Known{"store.url", Kind::text, ""},
    Known{"telemetry.log_level", Kind::choice, "info", "debug info warn error"},
};

/// Settings whose whole table needs a part that this build has not.
struct Absent {
  std::string_view front;
  std::string_view what;
};
constexpr std::array absent_tables = {
    Absent{"broker.", "a relay to a broker"},
    Absent{"auth.", "authentication"},
    Absent{"telemetry.otlp", "traces over OTLP"},
};

/// Variables with the prefix that are not settings of a server.
constexpr std::array passed_over = {std::string_view{"STELE_CONFIG"}, std::string_view{"STELE_URL"},
                                    std::string_view{"STELE_REQUIRE_SERVERS"}};
constexpr std::string_view tests_prefix = "STELE_TEST_";

bool matches(std::string_view pattern, std::string_view name) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  const std::string_view front = pattern.substr(0, star);
  const std::string_view back = pattern.substr(star + 1);
  return name.size() > front.size() + back.size() && name.starts_with(front) &&
         name.ends_with(back);
}

const Known* find_known(std::string_view name) {
  const auto* found = std::ranges::find_if(
      known_settings, [&](const Known& known) { return matches(known.name, name); });
  return found == known_settings.end() ? nullptr : found;
}

std::string variable_name(std::string_view name) {
  std::string out{prefix};
  for (const char c : name) {
    out += c == '.' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return out;
}

std::string_view nearest_setting(std::string_view name) {
  return std::ranges::min(known_settings, {},
                          [&](const Known& known) { return distance(known.name, name); })
      .name;
}

/// The dotted name that a variable stands for, or nothing. A user's own name between two dots is
/// taken in lower case.
std::optional<std::string> name_of_variable(std::string_view variable) {
  std::string rest{variable.substr(prefix.size())};
  std::ranges::transform(rest, rest.begin(), [](char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  for (const Known& known : known_settings) {
    std::string pattern{known.name};
    std::ranges::replace(pattern, '.', '_');
    if (!matches(pattern, rest)) continue;
    const std::size_t star = known.name.find('*');
    if (star == std::string_view::npos) return std::string{known.name};
    const std::size_t tail = known.name.size() - star - 1;
    rest[star - 1] = '.';
    rest[rest.size() - tail] = '.';
    return rest;
  }
  return std::nullopt;
}

Result<void> check_present(const Setting& setting) {
  const auto* const absent = std::ranges::find_if(
      absent_tables, [&](const Absent& one) { return setting.name.starts_with(one.front); });
  if (absent == absent_tables.end()) return {};
  return fail(Errc::invalid, "The setting " + setting.name + " (from " + setting.source +
                                 ") asks for " + std::string{absent->what} +
                                 ", which is not in this build. Remove it.");
}

/// The setting of a part that this build has not, by its variable.
std::optional<std::string> absent_name(std::string_view variable) {
  for (const Absent& one : absent_tables) {
    const std::string front = variable_name(one.front);
    if (variable.starts_with(front)) {
      return std::string{one.front} + std::string{variable.substr(front.size())};
    }
  }
  return std::nullopt;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::optional<std::size_t> parse_number(std::string_view text) {
  std::size_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const auto port = parse_number(text.substr(colon + 1));
  return port && *port <= 65'535;
}

/// What is wrong with `value` for the setting, or nothing.
std::optional<std::string> complaint(const Known& known, std::string_view value) {
  const auto choices = split(known.choices, ' ');
  const auto chosen = [&](const std::string& one) { return std::ranges::count(choices, one) > 0; };
  const auto others = split(known.others, ' ');
  for (const std::string& one : split(value, ',')) {
    if (std::ranges::count(others, one) == 0) continue;
    return "\"" + one + "\" is not in this build, which has: " + std::string{known.choices};
  }
  switch (known.kind) {
    case Kind::text:
      return std::nullopt;
    case Kind::boolean:
      if (value == "true" || value == "false") return std::nullopt;
      return "write true or false";
    case Kind::number: {
      const auto number = parse_number(value);
      if (number && *number >= known.min && *number <= known.max) return std::nullopt;
      return "write a number from " + std::to_string(known.min) + " to " +
             std::to_string(known.max);
    }
    case Kind::address:
      if (is_address(value)) return std::nullopt;
      return "write HOST:PORT, such as 127.0.0.1:8420";
    case Kind::choice:
      if (chosen(std::string{value})) return std::nullopt;
      return "this version knows: " + std::string{known.choices};
    case Kind::names: {
      const auto names = split(value, ',');
      if (!names.empty() && std::ranges::all_of(names, chosen)) return std::nullopt;
      return "write one or more of these, with commas between: " + std::string{known.choices};
    }
  }
  return std::nullopt;
}

void flatten(const toml::table& table, const std::string& front, std::vector<Setting>& out,
             const std::string& source) {
  for (const auto& [key, node] : table) {
    const std::string name = front + std::string{key.str()};
    if (const auto* inner = node.as_table()) {
      flatten(*inner, name + ".", out, source);
      continue;
    }
    std::string value;
    if (const auto* list = node.as_array()) {
      for (const auto& item : *list) {
        if (!value.empty()) value += ',';
        value += item.value_or(std::string{});
      }
    } else if (const auto* text = node.as_string()) {
      value = text->get();
    } else {
      std::ostringstream plain;
      node.visit([&](const auto& leaf) { plain << leaf; });
      value = plain.str();
    }
    out.push_back({.name = name, .value = std::move(value), .source = source});
  }
}

Result<std::vector<Setting>> read_file(const std::string& path) {
  std::error_code failed;
  const auto size = fs::file_size(path, failed);
  if (failed) {
    return fail(Errc::not_found,
                "The configuration file \"" + path + "\" can't be read: " + failed.message() + ".");
  }
  if (size > config_size_max) {
    return fail(Errc::invalid, "The configuration file \"" + path + "\" has " +
                                   std::to_string(size) + " bytes; at most " +
                                   std::to_string(config_size_max) + " are allowed.");
  }
  std::ifstream in{path};
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return fail(Errc::unavailable, "The configuration file \"" + path + "\" can't be read.");

  const toml::parse_result parsed = toml::parse(text.str(), path);
  if (!parsed) {
    const auto& where = parsed.error().source().begin;
    return fail(Errc::invalid, "The configuration file \"" + path + "\" is not TOML at line " +
                                   std::to_string(where.line) + ", column " +
                                   std::to_string(where.column) + ": " +
                                   std::string{parsed.error().description()} + ".");
  }
  std::vector<Setting> out;
  flatten(parsed.table(), "", out, path);
  return out;
}

std::optional<std::string> value_of(const ConfigSources& sources, std::string_view variable) {
  for (const auto& [name, value] : sources.variables) {
    if (name == variable) return value;
  }
  return std::nullopt;
}

Result<std::vector<Setting>> from_file(const ConfigSources& sources) {
  if (!sources.use_file) return std::vector<Setting>{};
  std::optional<std::string> path = sources.file;
  if (!path) path = value_of(sources, "STELE_CONFIG");
  if (!path) {
    std::error_code ignored;
    if (!fs::exists(file_default, ignored)) return std::vector<Setting>{};
    path = std::string{file_default};
  }
  return read_file(*path);
}

std::string nearest_variable(std::string_view variable) {
  std::vector<std::string> names{passed_over.begin(), passed_over.end()};
  for (const Known& known : known_settings) names.push_back(variable_name(known.name));
  const std::vector<std::string_view> views{names.begin(), names.end()};
  return std::string{nearest(variable, views)};
}

Result<std::vector<Setting>> from_variables(const ConfigSources& sources) {
  std::vector<Setting> out;
  for (const auto& [variable, value] : sources.variables) {
    if (!variable.starts_with(prefix) || variable.starts_with(tests_prefix)) continue;
    if (std::ranges::count(passed_over, variable) > 0) continue;
    const auto name = name_of_variable(variable);
    if (!name) {
      if (const auto absent = absent_name(variable)) {
        const auto refused = check_present({.name = *absent, .value = value, .source = variable});
        if (!refused) return std::unexpected{refused.error()};
      }
      return fail(Errc::invalid, "The variable " + variable + " is not known; the nearest is " +
                                     nearest_variable(variable) +
                                     ". Unset it or correct its name.");
    }
    out.push_back({.name = *name, .value = value, .source = variable});
  }
  return out;
}

/// A projection's sink must be one that has a table of its own.
Result<void> check_sinks(const std::vector<Setting>& settings) {
  for (const Setting& setting : settings) {
    if (!setting.name.starts_with("projection.") || !setting.name.ends_with(".sink")) continue;
    const std::string front = "sink." + setting.value + ".";
    const bool there = std::ranges::any_of(
        settings, [&](const Setting& other) { return other.name.starts_with(front); });
    if (there || setting.value.empty()) continue;
    return fail(Errc::invalid, "The setting " + setting.name + " (from " + setting.source +
                                   ") names the sink \"" + setting.value +
                                   "\", but there is no [sink." + setting.value + "]. Add it.");
  }
  return {};
}

}  // namespace

Result<void> check_variables(const std::vector<std::pair<std::string, std::string>>& variables) {
  const auto known = from_variables({.variables = variables});
  return known ? Result<void>{} : std::unexpected{known.error()};
}

std::vector<std::string> Config::names_in(std::string_view table) const {
  std::vector<std::string> names;
  for (const Setting& setting : settings_) {
    const std::string_view name = setting.name;
    if (!name.starts_with(table) || name.size() <= table.size() || name[table.size()] != '.') {
      continue;
    }
    const std::string_view rest = name.substr(table.size() + 1);
    const std::string own{rest.substr(0, rest.rfind('.'))};
    if (std::ranges::find(names, own) == names.end()) names.push_back(own);
  }
  return names;
}

Result<Config> Config::load(const ConfigSources& sources) {
  Config config;
  for (const Known& known : known_settings) {
    if (known.name.contains('*')) continue;
    config.settings_.push_back({.name = std::string{known.name},
                                .value = std::string{known.fallback},
                                .source = "default"});
  }
  auto file = from_file(sources);
  if (!file) return std::unexpected{file.error()};
  auto variables = from_variables(sources);
  if (!variables) return std::unexpected{variables.error()};

  std::vector<Setting> told = std::move(*file);
  told.insert(told.end(), variables->begin(), variables->end());
  for (const auto& [name, value] : sources.flags) {
    told.push_back({.name = name,
                    .value = value,
                    .source = "--" + std::string{name.substr(name.rfind('.') + 1)}});
  }

  for (Setting& setting : told) {
    if (auto absent = check_present(setting); !absent) return std::unexpected{absent.error()};
    const Known* known = find_known(setting.name);
    if (known == nullptr) {
      return fail(Errc::invalid, "The setting " + setting.name + " (from " + setting.source +
                                     ") is not known; the nearest is " +
                                     std::string{nearest_setting(setting.name)} + ".");
    }
    if (const auto wrong = complaint(*known, setting.value)) {
      return fail(Errc::invalid, "The setting " + setting.name + " is \"" + setting.value +
                                     "\" (from " + setting.source + "); " + *wrong + ".");
    }
    const auto at = std::ranges::lower_bound(config.settings_, setting.name, {}, &Setting::name);
    if (at != config.settings_.end() && at->name == setting.name) {
      *at = std::move(setting);
    } else {
      config.settings_.insert(at, std::move(setting));
    }
  }
  if (auto done = check_sinks(config.settings_); !done) return std::unexpected{done.error()};
  return config;
}

const std::string& Config::get(std::string_view name) const {
  static const std::string empty;
  const auto at = std::ranges::lower_bound(settings_, name, {}, &Setting::name);
  return at != settings_.end() && at->name == name ? at->value : empty;
}

std::size_t Config::number(std::string_view name) const {
  return parse_number(get(name)).value_or(0);
}

bool Config::flag(std::string_view name) const { return get(name) == "true"; }

std::vector<std::pair<std::string, std::string>> process_variables() {
  std::vector<std::pair<std::string, std::string>> out;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view text{*variable};
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    out.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

}  // namespace stele::service
