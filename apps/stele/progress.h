// A bar on a terminal for what takes long: how far, how fast, how long still.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace stele::program {

inline constexpr std::chrono::milliseconds progress_interval{100};  ///< Between two pictures.
inline constexpr std::size_t progress_columns = 100;     ///< If the terminal does not say.
inline constexpr std::size_t progress_columns_min = 20;  ///< Narrower ones are not drawn on.
inline constexpr std::size_t progress_bar_columns = 30;  ///< Of the bar; fewer on a narrow one.

/// What one picture shows.
struct ProgressPicture {
  std::uint64_t done = 0;   ///< Of `total`, in whatever measures the way: bytes, positions.
  std::uint64_t total = 0;  ///< 0 = unknown: no bar, no share, no time left.
  std::uint64_t first = 0;  ///< `done` when this run began: it took no time of this run.
  std::uint64_t items = 0;  ///< What a person counts, done by this run.
  std::string_view unit;    ///< Their name: "commands", "events".
  double seconds = 0;       ///< Since this run began.
};

/// The line itself, at most `columns` wide:
/// "[#####.....]  50 %  1,000 commands  500/s  2 s left".
[[nodiscard]] std::string progress_line(const ProgressPicture& picture,
                                        std::size_t columns = progress_columns);

/// "45 s", "3 min 20 s", "2 h 5 min".
[[nodiscard]] std::string duration_text(double seconds);

/// Draws on standard error if that is a terminal, and draws nothing otherwise: a pipe, a file and
/// a run with --json see no byte of it. Not thread-safe.
///
///     Progress progress{"events", log_end, {.quiet = output.json()}};
///     while (...) progress.show(position, events_done);
class Progress {
 public:
  using Clock = std::chrono::steady_clock;
  struct Options {
    bool quiet = false;       ///< Draw nothing, whatever standard error is.
    std::uint64_t first = 0;  ///< Where this run begins on the way to `total`.
  };

  /// `unit` must outlive it: a literal.
  Progress(std::string_view unit, std::uint64_t total);
  Progress(std::string_view unit, std::uint64_t total, Options options);
  ~Progress();  ///< Removes the bar.
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Cheap to call often: draws at most once every `progress_interval`.
  void show(std::uint64_t done, std::uint64_t items);
  /// When the end moves, as that of a log that is being written to.
  void set_total(std::uint64_t total) { picture_.total = total; }
  /// Removes the bar, so that a line can be written; the next `show` draws it again.
  void clear();

  [[nodiscard]] bool drawn_on_terminal() const noexcept { return terminal_; }
  [[nodiscard]] double seconds() const;  ///< Since it was made.

 private:
  ProgressPicture picture_;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point start_ = Clock::now();
  std::optional<Clock::time_point> last_;
};

/// 1234567 -> "1,234,567".
[[nodiscard]] std::string with_commas(std::uint64_t number);

}  // namespace stele::program
