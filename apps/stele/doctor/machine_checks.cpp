#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>

#include "doctor/check.h"
#include "progress.h"
#include "stele/time.h"

namespace stele::program::doctor {
namespace {

constexpr std::uint64_t mebibyte = 1'024 * 1'024;
constexpr std::uint64_t memory_base = 96 * mebibyte;  // Without the block cache.
constexpr std::uint64_t files_base = 128;             // Segments, read models, threads' own.
constexpr std::uint64_t files_min = 64;               // Fewer, and it does not start.
constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();
constexpr std::int64_t clock_min = 1'735'689'600'000'000;  // 2025-01-01: before Stele was.
constexpr std::int64_t clock_max = 4'102'444'800'000'000;  // 2100-01-01.

Check open_files(const service::Config& config) {
  const std::string name = "open files";
  ::rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const std::uint64_t wanted = config.number("serve.connections_max") + files_base;
  const std::string detail = "This process may open " + with_commas(limit.rlim_cur) + " files; " +
                             with_commas(config.number("serve.connections_max")) +
                             " connections need " + with_commas(wanted) + ".";
  const std::string fix = "Raise it (ulimit -n " + std::to_string(wanted) +
                          ", LimitNOFILE=), or lower serve.connections_max.";
  if (limit.rlim_cur < files_min) return failed(name, detail, fix);
  if (limit.rlim_cur < wanted && limit.rlim_max < wanted) return warning(name, detail, fix);
  return well(name, detail);
}

/// A number in a file of the control group's; no limit if it says "max", or is not there.
std::uint64_t limit_in(const std::string& path) {
  std::uint64_t value = no_limit;
  std::ifstream in{path};
  return in >> value ? value : no_limit;
}

/// The least of what the shell and the control groups allow.
std::uint64_t memory_limit() {
  ::rlimit limit{};
  std::uint64_t least = no_limit;
  if (::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    least = limit.rlim_cur;
  }
  std::ifstream groups{"/proc/self/cgroup"};
  for (std::string line; std::getline(groups, line);) {
    const std::size_t colon = line.rfind(':');
    const std::size_t kind = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string group = line.substr(colon + 1);
    const std::string controllers = line.substr(kind + 1, colon - kind - 1);
    if (controllers.empty()) {
      least = std::min(least, limit_in("/sys/fs/cgroup" + group + "/memory.max"));
    } else if (controllers == "memory") {
      least = std::min(least, limit_in("/sys/fs/cgroup/memory" + group + "/memory.limit_in_bytes"));
    }
  }
  return least;
}

Check memory(const service::Config& config) {
  const std::uint64_t wanted = memory_base + config.number("log.cache_mib") * mebibyte;
  const std::uint64_t limit = memory_limit();
  if (limit > no_limit / 4) {  // Old kernels have a number for "none".
    return well("memory", "There is no limit; a server takes about " + mebibytes(wanted) + ".");
  }
  const std::string detail = "At most " + mebibytes(limit) + " are allowed; a server takes about " +
                             mebibytes(wanted) + ".";
  const std::string fix =
      "Raise the limit (ulimit -v, the container's memory), or lower "
      "log.cache_mib.";
  if (limit < wanted) return failed("memory", detail, fix);
  if (limit < wanted * 3 / 2) return warning("memory", detail, fix);
  return well("memory", detail);
}

Check machine_clock() {
  const Timestamp now = system_clock().now();
  const std::string detail = "It is " + to_rfc3339(now) + ".";
  if (micros(now) < clock_min || micros(now) > clock_max) {
    return failed("clock", detail, "Set the machine's clock (NTP): events keep the wrong time.");
  }
  return well("clock", detail);
}

Check encoding() {
  const char* value = "";
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* const set = std::getenv(name);
    if (set == nullptr || *set == '\0') continue;
    value = set;
    break;
  }
  std::string lower{value};
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  const bool plain = lower.empty() || lower == "c" || lower == "posix";
  if (plain || lower.contains("utf-8") || lower.contains("utf8")) {
    return well("encoding", "Texts are UTF-8.");
  }
  return warning("encoding",
                 "The terminal is set to " + std::string{value} + "; Stele reads and writes UTF-8.",
                 "Set LC_ALL to a UTF-8 locale, such as C.UTF-8.");
}

Check processor() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2") == 0) {
    return warning("processor", "It has no SSE4.2; checksums are several times slower.",
                   "Use a processor, or a setting of the virtual machine, that has it.");
  }
#endif
  return well("processor", "It computes checksums by itself.");
}

}  // namespace

void check_machine(const service::Config& config, Checks& out) {
  out.push_back(open_files(config));
  out.push_back(memory(config));
  out.push_back(machine_clock());
  out.push_back(encoding());
  out.push_back(processor());
}

}  // namespace stele::program::doctor
