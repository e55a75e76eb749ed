#include "progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace stele::program {
namespace {

constexpr double share_min = 0.01;   // Below it the time left would be a guess.
constexpr double seconds_max = 1e9;  // Of a time left that is worth showing.

void write_out(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

std::size_t terminal_columns() {
  ::winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return progress_columns;
  return size.ws_col;
}

double ratio(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return 1.0;
  return std::min(1.0, static_cast<double>(part) / static_cast<double>(whole));
}

std::string bar(double share, std::size_t columns) {
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(columns));
  return "[" + std::string(filled, '#') + std::string(columns - filled, '.') + "] ";
}

/// " 2 s left", or nothing while it would be a guess.
std::string time_left(const ProgressPicture& picture) {
  if (picture.done <= picture.first || picture.done >= picture.total) return {};
  const double way = static_cast<double>(picture.done - picture.first);
  const double left = static_cast<double>(picture.total - picture.done);
  if (way / (way + left) <= share_min) return {};
  const double seconds = picture.seconds * left / way;
  return seconds < seconds_max ? "  " + duration_text(seconds + 1) + " left" : std::string{};
}

}  // namespace

std::string with_commas(std::uint64_t number) {
  std::string out = std::to_string(number);
  for (std::size_t at = out.size(); at > 3; at -= 3) out.insert(at - 3, ",");
  return out;
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::max(0.0, seconds));
  const auto text = [](std::uint64_t value, const char* unit) {
    return std::to_string(value) + " " + unit;
  };
  if (whole < 60) return text(whole, "s");
  if (whole < 3'600) return text(whole / 60, "min") + " " + text(whole % 60, "s");
  return text(whole / 3'600, "h") + " " + text(whole % 3'600 / 60, "min");
}

std::string progress_line(const ProgressPicture& picture, std::size_t columns) {
  const double share = ratio(picture.done, picture.total);
  const double rate =
      picture.seconds > 0 ? static_cast<double>(picture.items) / picture.seconds : 0;
  std::string text;
  if (picture.total > 0) text = std::to_string(static_cast<int>(share * 100)) + " %  ";
  text += with_commas(picture.items) + " " + std::string{picture.unit} + "  ";
  text += with_commas(static_cast<std::uint64_t>(rate)) + "/s" + time_left(picture);
  constexpr std::size_t frame = 3;  // The brackets and a blank.
  if (picture.total > 0 && columns >= text.size() + frame + 4) {
    text.insert(0, bar(share, std::min(progress_bar_columns, columns - text.size() - frame)));
  }
  if (text.size() > columns) text.resize(columns);
  return text;
}

Progress::Progress(std::string_view unit, std::uint64_t total) : Progress{unit, total, Options{}} {}

Progress::Progress(std::string_view unit, std::uint64_t total, Options options)
    : picture_{.total = total, .first = options.first, .unit = unit},
      terminal_{!options.quiet && ::isatty(STDERR_FILENO) == 1} {}

Progress::~Progress() { clear(); }

void Progress::clear() {
  if (std::exchange(drawn_, false)) write_out("\r\x1b[K");
}

void Progress::show(std::uint64_t done, std::uint64_t items) {
  if (!terminal_) return;
  const auto now = Clock::now();
  if (last_ && now - *last_ < progress_interval) return;
  last_ = now;
  const std::size_t columns = terminal_columns();
  if (columns < progress_columns_min) return;
  picture_.done = done;
  picture_.items = items;
  picture_.seconds = seconds();
  drawn_ = true;
  // The last column stays free: some terminals would begin a new line there.
  write_out("\r" + progress_line(picture_, columns - 1) + "\x1b[K");
}

double Progress::seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

}  // namespace stele::program
