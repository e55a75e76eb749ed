// What the command line asks for, one struct for each verb. command_line.cpp fills them in.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "bench_append.h"
#include "bench_read.h"

namespace stele::program {

/// Where a client verb finds its log: a running server, or a folder that it opens itself.
struct Target {
  std::string url = "http://127.0.0.1:8420";
  std::optional<std::string> data = std::nullopt;
};

struct ServeOptions {
  /// Settings by their dotted names, as flags gave them: {"serve.listen", "127.0.0.1:9000"}.
  std::vector<std::pair<std::string, std::string>> flags = {};
  std::optional<std::string> config = std::nullopt;
};

struct AppendOptions {
  Target target;
  bool ndjson = false;  ///< Requests from standard input; the members below are then unused.
  std::string stream;
  std::string type;
  std::string data = "{}";  ///< "-" = standard input.
  std::string expected = "any";
  std::vector<std::string> tags = {};
  std::string metadata = {};
  std::string content_type = {};
  std::string id = {};
};

struct ReadOptions {
  Target target;
  std::uint64_t after = 0;
  std::uint64_t limit = 100;
  std::vector<std::string> categories = {};
  std::vector<std::string> types = {};
  std::vector<std::string> tags = {};
  bool follow = false;                                ///< tail
  std::optional<std::uint64_t> start = std::nullopt;  ///< tail: `--after`; none = the log's end.
};

struct StreamOptions {
  Target target;
  std::string stream;
  std::uint64_t after = 0;
  std::uint64_t limit = 100;
  bool backward = false;
};

struct ImportVerbOptions {
  Target target;
  std::string mapping;
  std::string input;
  bool check = false;
  bool restore = false;  ///< The input is an export; `mapping` and `check` are unused.
};

struct ExportOptions {
  Target target;
  std::uint64_t after = 0;
  std::optional<std::string> out = std::nullopt;  ///< None: standard output.
  bool resume = false;
};

struct VerifyOptions {
  std::string data = "./data";
};

struct RepairOptions {
  std::string data = "./data";
  bool yes = false;
};

struct CompletionOptions {
  std::string shell;  ///< "bash", "zsh", "fish".
};

struct DoctorOptions {
  ServeOptions settings;
  std::string url;
};

/// projection ACTION: the route's verbs, and list, status, parked, retry.
struct ProjectionOptions {
  std::string action = {};
  std::string url = {};
  std::string name = {};
  std::vector<std::string> names = {};  ///< Of a rebuild: several, or none with `all`.
  bool all = false;
  bool side_by_side = false;
  std::uint64_t from = 0;
  bool wait = true;
  std::optional<std::uint64_t> generation = std::nullopt;
  std::string key = {};
};

/// consumer ACTION.
struct ConsumerOptions {
  std::string action = {};
  std::string url = {};
  std::string name = {};
  std::vector<std::string> categories = {};
  std::vector<std::string> types = {};
  std::vector<std::string> tags = {};
  std::string place = "beginning";  ///< Where it begins, or is sought to.
  std::uint64_t limit = 100;
  std::uint64_t wait = 0;
  std::string reader = {};
  bool ack = false;
  std::string cursor = {};
};

using Verb = std::variant<ServeOptions, AppendOptions, ReadOptions, StreamOptions,
                          ImportVerbOptions, ExportOptions, VerifyOptions, RepairOptions,
                          DoctorOptions, CompletionOptions, ProjectionOptions, ConsumerOptions,
                          bench::BenchAppendOptions, bench::BenchReadOptions>;

struct CommandLine {
  Verb verb;
  bool json = false;
};

}  // namespace stele::program
