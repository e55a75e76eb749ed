// The program: reads the command line, runs the verb that it names, ends with the verb's code.

#include <variant>

#include "command_line.h"
#include "output.h"
#include "verbs.h"

int main(int argc, char** argv) {
  using namespace stele::program;

  const auto parsed = parse_command_line(argc, argv);
  if (const int* code = std::get_if<int>(&parsed)) return *code;

  const auto& line = std::get<CommandLine>(parsed);
  const Output output{line.json};
  return std::visit([&](const auto& options) { return run_verb(options, output); }, line.verb);
}
