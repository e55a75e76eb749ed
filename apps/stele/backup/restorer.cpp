#include "backup/restorer.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "backup/export_line.h"
#include "backup/line_reader.h"
#include "base/random.h"
#include "progress.h"
#include "signals.h"
#include "store/embedded/restore.h"

namespace stele::program {
namespace {

using Lines = std::vector<std::unique_ptr<ExportLine>>;

/// The lines of one append as what the log is asked to take.
class AppendFromLines {
 public:
  /// Errors: `invalid`.
  [[nodiscard]] static Result<AppendFromLines> make(const Lines& lines) {
    AppendFromLines out;
    if (auto done = out.add_events(lines); !done) return std::unexpected{done.error()};
    if (auto done = out.arrange(lines.front()->streams); !done) {
      return std::unexpected{done.error()};
    }
    return out;
  }
  [[nodiscard]] store::RestoredAppend view(const ExportLine& front) const {
    return {.id = front.append_id,
            .digest = front.digest,
            .first = front.position,
            .recorded_at = front.recorded_at,
            .streams = streams_,
            .after = after_};
  }

 private:
  /// A run of lines of one stream.
  struct Run {
    std::string_view stream;
    Version before{};
    StreamState after;
    std::vector<NewEvent> events = {};
  };

  Result<void> add_events(const Lines& lines) {
    const ExportLine& front = *lines.front();
    for (const auto& line : lines) {
      if (line->digest != front.digest || line->recorded_at != front.recorded_at) {
        return fail(Errc::invalid, "The events of append " + front.append_id.text() +
                                       " do not agree on its digest and its time.");
      }
      if (runs_.empty() || runs_.back().stream != line->stream) {
        runs_.push_back({.stream = line->stream,
                         .before = Version{number(line->version) - 1},
                         .after = {.version = Version{number(line->version) - 1}, .tip = {}}});
      }
      Run& run = runs_.back();
      if (number(line->version) != number(run.after.version) + 1) {
        return fail(Errc::invalid, "The version " + std::to_string(number(line->version)) +
                                       " of stream \"" + std::string{line->stream} +
                                       "\" does not follow the event before it.");
      }
      run.events.push_back(line->event);
      run.after = {.version = line->version, .tip = tip_of(line->event.id)};
    }
    return {};
  }

  void put(const Run& run) {
    const bool is_new = number(run.before) == 0;
    streams_.push_back({.stream = run.stream,
                        .expected = is_new ? Expected::none() : Expected::exactly(run.before),
                        .events = run.events});
    after_.push_back(run.after);
  }

  /// In the request's order, with what was only checked.
  Result<void> arrange(const std::vector<ExportedStream>& told) {
    if (told.empty()) {
      for (const Run& run : runs_) put(run);
      return {};
    }
    std::size_t placed = 0;
    for (const ExportedStream& one : told) {
      if (placed < runs_.size() && runs_[placed].stream == one.stream) {
        put(runs_[placed++]);
        continue;
      }
      streams_.push_back({.stream = one.stream, .expected = Expected::any(), .events = {}});
      after_.push_back(one.after);
    }
    if (placed == runs_.size()) return {};
    return fail(Errc::invalid,
                "The append's \"streams\" do not name those of its events, in their "
                "order.");
  }

  std::vector<Run> runs_;
  std::vector<StreamAppend> streams_;
  std::vector<StreamState> after_;
};

class Restorer {
 public:
  Restorer(const RestoreOptions& options, LineReader& lines)
      : options_{options},
        lines_{lines},
        progress_{"events", lines.size().value_or(0), {.quiet = options.quiet}} {}

  Result<RestoreSummary> run() {
    std::string text;
    for (;;) {
      const auto more = lines_.next(text);
      if (!more) return std::unexpected{more.error()};
      if (!*more) break;
      auto line = ExportLine::parse(std::move(text));
      if (!line) return at_line(line.error());
      auto done = take(std::move(*line));
      if (!done) return at_line(done.error());
      if (summary_.not_empty) return std::move(summary_);
      if (interrupted()) {
        summary_.interrupted = true;
        return std::move(summary_);
      }
      progress_.show(lines_.bytes(), summary_.events);
    }
    return finish();
  }

 private:
  std::unexpected<Error> at_line(const Error& error) const {
    if (error.code != Errc::invalid) return std::unexpected{error};
    return fail(Errc::invalid, lines_.place() + ": " + error.message);
  }

  Result<void> take(std::unique_ptr<ExportLine> line) {
    if (auto done = follow(*line); !done) return done;
    if (!pending_.empty() && pending_.front()->append_id != line->append_id) {
      if (auto done = add_append(); !done) return done;
    }
    pending_size_ += line->size();
    if (pending_size_ > export_append_size_max) {
      return fail(Errc::invalid, "The append " + line->append_id.text() + " takes more than " +
                                     std::to_string(export_append_size_max) + " bytes.");
    }
    pending_.push_back(std::move(line));
    ++summary_.events;
    return {};
  }

  /// Parts of one log that were exported one after another may be joined to one file.
  Result<void> follow(const ExportLine& line) {
    if (number(line.position) != summary_.events + 1) {
      return fail(Errc::invalid,
                  "Position " + std::to_string(summary_.events + 1) + " should stand here, not " +
                      std::to_string(number(line.position)) +
                      ". A restore needs the whole log: the parts that `stele export --after` "
                      "wrote go one behind the other.");
    }
    if (!line.log && !restore_) {
      return fail(Errc::invalid, "The first line of an export names its log; this one does not.");
    }
    if (!line.log) return {};
    if (restore_ && line.log->id != summary_.log_id) {
      return fail(Errc::invalid, "Here begins an export of log " + line.log->id.text() +
                                     ", but the lines before are of " + summary_.log_id.text() +
                                     ".");
    }
    expected_end_ = std::max(expected_end_, line.log->end);
    if (restore_) return {};
    summary_.log_id = line.log->id;
    return begin();
  }

  Result<void> begin() {
    auto begun = store::Restore::begin({.disk = *disk_,
                                        .random = *random_,
                                        .clock = system_clock(),
                                        .data = options_.data,
                                        .log_id = summary_.log_id});
    if (begun) {
      restore_ = std::move(*begun);
      return {};
    }
    if (begun.error().code != Errc::invalid) return std::unexpected{begun.error()};
    summary_.not_empty = true;
    summary_.refusal = begun.error().message;
    return {};
  }

  Result<void> add_append() {
    const auto append = AppendFromLines::make(pending_);
    if (!append) return std::unexpected{append.error()};
    if (auto done = restore_->add(append->view(*pending_.front())); !done) return done;
    pending_.clear();
    pending_size_ = 0;
    ++summary_.appends;
    return {};
  }

  Result<RestoreSummary> finish() {
    if (!restore_) return fail(Errc::invalid, "The file holds no events; nothing was restored.");
    if (auto done = add_append(); !done) return at_line(done.error());
    if (restore_->added() < expected_end_) {
      return fail(Errc::invalid,
                  lines_.place() + " is the last one, at position " +
                      std::to_string(number(restore_->added())) + ", but the export goes to " +
                      std::to_string(number(expected_end_)) + ": the file was cut off.");
    }
    progress_.clear();
    Progress checking{"segments", 0, {.quiet = options_.quiet}};
    const auto report = restore_->finish([&checking](std::size_t done, std::size_t all) {
      checking.set_total(all);
      checking.show(done, done);
    });
    if (!report) return at_line(report.error());
    summary_.epoch = report->epoch;
    summary_.log_end = report->log_end;
    summary_.bytes = lines_.bytes();
    summary_.seconds = progress_.seconds();
    return std::move(summary_);
  }

  const RestoreOptions& options_;
  LineReader& lines_;
  Progress progress_;
  RestoreSummary summary_;
  const std::unique_ptr<log::Disk> disk_ = log::make_real_disk();
  const std::unique_ptr<RandomSource> random_ = make_system_random();
  std::unique_ptr<store::Restore> restore_;
  Position expected_end_{};
  Lines pending_;  // Of the append that is being read.
  std::size_t pending_size_ = 0;
};

}  // namespace

Result<RestoreSummary> run_restore(const RestoreOptions& options) {
  auto lines = LineReader::open(options.input, export_line_size_max);
  if (!lines) return std::unexpected{lines.error()};
  return Restorer{options, *lines}.run();
}

}  // namespace stele::program
