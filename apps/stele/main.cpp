// The program: reads the command line, runs the verb that it names, ends with the verb's code.

#include <cstdio>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "command_line.h"
#include "completion.h"
#include "output.h"
#include "verbs.h"

int main(int argc, char** argv) {
  using namespace stele::program;

  if (argc > 1 && std::string_view{argv[1]} == "__complete") {
    const std::vector<std::string> words(argv + 2, argv + argc);
    for (const auto& one : candidates(command_shape(), words, names_of_server)) {
      std::puts(one.c_str());
    }
    return 0;
  }
  const auto parsed = parse_command_line(argc, argv);
  if (const int* code = std::get_if<int>(&parsed)) return *code;

  const auto& line = std::get<CommandLine>(parsed);
  const Output output{line.json};
  if (const auto known = check_environment(line); !known) return output.failure(known.error());
  return std::visit([&](const auto& options) { return run_verb(options, output); }, line.verb);
}
