#include "import/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace stele::program {
namespace {

constexpr std::size_t bar_width = 30;  // Columns.

void write_out(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

std::string with_commas(std::uint64_t number) {
  std::string out = std::to_string(number);
  for (std::size_t at = out.size(); at > 3; at -= 3) out.insert(at - 3, ",");
  return out;
}

std::string progress_line(std::uint64_t done, std::uint64_t total, std::uint64_t commands,
                          double seconds) {
  const double share =
      total == 0 ? 1.0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(bar_width));
  const double rate = seconds > 0 ? static_cast<double>(commands) / seconds : 0;
  std::string line = "[" + std::string(filled, '#') + std::string(bar_width - filled, '.') + "] ";
  line += std::to_string(static_cast<int>(share * 100)) + " %  ";
  line += with_commas(commands) + " commands  ";
  line += with_commas(static_cast<std::uint64_t>(rate)) + "/s";
  if (share > 0.01 && share < 1) {
    const double left = seconds * (1 - share) / share;
    line += "  " + std::to_string(static_cast<std::uint64_t>(left) + 1) + " s left";
  }
  return line;
}

Progress::Progress(std::uint64_t total) : total_{total}, terminal_{::isatty(2) == 1} {}

Progress::~Progress() {
  if (drawn_) write_out("\r\x1b[K");
}

void Progress::show(std::uint64_t done, std::uint64_t commands) {
  if (!terminal_) return;
  const auto now = Clock::now();
  if (drawn_ && now - last_ < progress_interval) return;
  last_ = now;
  drawn_ = true;
  write_out("\r" + progress_line(done, total_, commands, seconds()) + "\x1b[K");
}

double Progress::seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

}  // namespace stele::program
