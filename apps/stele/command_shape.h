// What the command line takes, as a tree of names: for completion, and for guessing what somebody
// meant.

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace stele::program {

struct OptionShape {
  std::vector<std::string> names = {};  ///< "--data", "-h".
  bool takes_value = false;
};

struct CommandShape {
  std::string name;
  std::string help;
  std::vector<OptionShape> options = {};
  std::vector<CommandShape> verbs = {};

  /// Null if there is none.
  [[nodiscard]] const CommandShape* verb(std::string_view named) const;
  [[nodiscard]] const OptionShape* option(std::string_view named) const;
};

}  // namespace stele::program
