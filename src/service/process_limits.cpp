#include "service/process_limits.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <new>
#include <string_view>
#include <system_error>

#include "service/exit_code.h"

namespace stele::service {
namespace {

constexpr std::size_t buffered_part = 8;  // Of the memory, for bodies.

std::size_t descriptors_open() {
  std::error_code error;
  const std::filesystem::directory_iterator each{"/proc/self/fd", error};
  return error ? 0 : static_cast<std::size_t>(std::distance(begin(each), end(each)));
}

/// The number in a file of the control group's; none if it says "max" or is not there.
std::size_t number_in(const char* path) {
  std::ifstream file{path};
  std::uint64_t value = 0;
  if (!(file >> value) || value == 0) return std::numeric_limits<std::size_t>::max();
  return static_cast<std::size_t>(value);
}

[[noreturn]] void end_of_memory() {
  constexpr std::string_view said =
      "stele: the system has no memory left for this process; it ends. What was answered is on the "
      "disk. Start it with more memory, or with fewer connections (serve.connections_max).\n";
  // Nothing that allocates.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, said.data(), said.size());
  std::_Exit(exit_failed);
}

}  // namespace

Descriptors raise_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return {};
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return {.limit = static_cast<std::size_t>(limit.rlim_cur), .open = descriptors_open()};
}

std::size_t connections_allowed(std::size_t wanted, const Descriptors& descriptors) {
  if (descriptors.limit == 0) return wanted;
  const std::size_t left = descriptors.limit - std::min(descriptors.limit, descriptors.open);
  const std::size_t kept = std::min(descriptors_kept_max, left / 4);
  return std::clamp<std::size_t>(left - kept, 1, wanted);
}

std::size_t memory_limit() {
  std::size_t least = std::numeric_limits<std::size_t>::max();
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    least = static_cast<std::size_t>(limit.rlim_cur);
  }
  for (const char* path : {"/sys/fs/cgroup/memory.max",                       // Version 2.
                           "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {  // Version 1.
    least = std::min(least, number_in(path));
  }
  // Without a limit, version 1 tells a number near the largest one.
  return least > std::numeric_limits<std::size_t>::max() / 4 ? 0 : least;
}

std::size_t buffered_size_allowed(std::size_t limit) {
  if (limit == 0) return buffered_size_max;
  return std::clamp(limit / buffered_part, buffered_size_min, buffered_size_max);
}

void end_when_out_of_memory() { std::set_new_handler(end_of_memory); }

}  // namespace stele::service
