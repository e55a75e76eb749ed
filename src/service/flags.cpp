#include "service/flags.h"

#include <algorithm>
#include <array>
#include <string>

namespace stele::service {
namespace {

struct FlagName {
  std::string_view flag;
  std::string_view setting;
};
constexpr std::array valued = {FlagName{"--data", "serve.data"},
                               FlagName{"--listen", "serve.listen"},
                               FlagName{"--role", "serve.roles"}, FlagName{"--config", ""}};

}  // namespace

Result<Flags> parse_flags(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    std::string_view name = argv[i];
    if (name == "--help" || name == "-h") {
      flags.help = true;
      continue;
    }
    if (name == "--read-only") {
      flags.options.settings.emplace_back("serve.read_only", "true");
      continue;
    }
    std::string_view value;
    const std::size_t equals = name.find('=');
    const bool inline_value = equals != std::string_view::npos;
    if (inline_value) {
      value = name.substr(equals + 1);
      name = name.substr(0, equals);
    }
    const auto* known = std::ranges::find(valued, name, &FlagName::flag);
    if (known == valued.end()) {
      return fail(Errc::invalid,
                  "The flag \"" + std::string{name} + "\" is not known; see --help.");
    }
    if (!inline_value) {
      if (i + 1 == argc) {
        return fail(Errc::invalid, "The flag " + std::string{name} + " needs a value; see --help.");
      }
      value = argv[++i];
    }
    if (known->setting.empty()) {
      flags.options.config_file = std::string{value};
    } else {
      flags.options.settings.emplace_back(known->setting, value);
    }
  }
  return flags;
}

}  // namespace stele::service
