// doctor: what is in force, and whether what it names is well.

#include <vector>

#include "doctor/check.h"
#include "progress.h"
#include "service/config.h"
#include "stele/json.h"
#include "verbs.h"

namespace stele::program {
namespace {

using doctor::Check;
using doctor::Checks;
using doctor::Verdict;

std::string as_json(const std::vector<service::Setting>& settings, const Checks& checks,
                    bool well) {
  std::string text;
  JsonWriter writer{text};
  const auto member = [&](std::string_view name, std::string_view value) {
    writer.exact_key(name);
    writer.string(value);
  };
  writer.begin_object();
  member("version", STELE_VERSION);
  member("status", well ? "ok" : "failed");
  writer.exact_key("settings");
  writer.begin_array();
  for (const service::Setting& setting : settings) {
    writer.begin_object();
    member("name", setting.name);
    member("value", setting.value);
    member("source", setting.source);
    writer.end_object();
  }
  writer.end_array();
  writer.exact_key("checks");
  writer.begin_array();
  for (const Check& check : checks) {
    writer.begin_object();
    member("name", check.name);
    member("status", doctor::word(check.verdict));
    member("detail", check.detail);
    member("fix", check.fix);
    writer.end_object();
  }
  writer.end_array();
  writer.end_object();
  return text;
}

std::string padded(std::string_view text, std::size_t width) {
  return std::string{text} + std::string(text.size() < width ? width - text.size() : 1, ' ');
}

void tell(const std::vector<service::Setting>& settings, const Checks& checks,
          const Output& output) {
  for (const service::Setting& setting : settings) {
    output.line(padded(setting.name, 26) + padded(setting.value, 22) + setting.source);
  }
  output.line("");
  std::size_t faults = 0;
  for (const Check& check : checks) {
    output.line(padded(doctor::word(check.verdict), 9) + padded(check.name, 16) + check.detail);
    if (check.verdict == Verdict::ok) continue;
    ++faults;
    output.line(padded("", 9) + padded("", 16) + "-> " + check.fix);
  }
  output.line("");
  output.line(faults == 0 ? "All is well."
                          : with_commas(faults) + " of " + with_commas(checks.size()) +
                                " checks want attention; nothing was changed.");
}

}  // namespace

int run_verb(const DoctorOptions& options, const Output& output) {
  Checks checks;
  auto config = service::Config::load({.flags = options.settings.flags,
                                       .variables = service::process_variables(),
                                       .file = options.settings.config});
  if (config) {
    checks.push_back(doctor::well("settings", "They can be read, and every name is known."));
  } else {
    checks.push_back(doctor::failed("settings", config.error().message,
                                    "Until then nothing starts. The checks below go by the flags "
                                    "and the defaults."));
    config = service::Config::load({.flags = options.settings.flags, .use_file = false});
    if (!config) config = service::Config::load({.use_file = false});
  }
  if (!config) return output.failure(config.error());
  const std::string& data = config->get("serve.data");
  doctor::check_settings(*config, checks);
  doctor::check_folder(data, checks);
  doctor::check_log(data, checks);
  doctor::check_machine(*config, checks);
  doctor::check_server(options.url, checks);

  bool well = true;
  for (const Check& check : checks) well = well && check.verdict != Verdict::failed;
  if (output.json()) {
    output.line(as_json(config->in_force(), checks, well));
  } else {
    tell(config->in_force(), checks, output);
  }
  return well ? service::exit_done : service::exit_failed;
}

}  // namespace stele::program
