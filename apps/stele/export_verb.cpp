// export: the log as lines of JSON from which it can be made again.

#include <charconv>

#include "backup/export_file.h"
#include "json_text.h"
#include "progress.h"
#include "signals.h"
#include "stele/json.h"
#include "target.h"
#include "verbs.h"

namespace stele::program {
namespace {

constexpr std::chrono::milliseconds export_idle_max{60'000};  // Without a byte: give up.

std::uint64_t whole_number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// Writes what comes, and counts it. The first line says which log it is and where it ends.
class Exporter {
 public:
  Exporter(ExportFile& file, std::uint64_t after, const Output& output)
      : file_{file}, after_{after}, progress_{"events", 0, {.quiet = output.json()}} {}

  /// False to break off: interrupted, or `error` is set.
  bool take(std::string_view piece) {
    if (interrupted()) return false;
    if (piece.empty()) return true;
    if (auto done = file_.write(piece); !done) {
      error_ = done.error();
      return false;
    }
    bytes_ += piece.size();
    for (std::size_t at = piece.find('\n'); at != std::string_view::npos;
         at = piece.find('\n', at + 1)) {
      if (events_++ == 0) read_first(piece.substr(0, at));
    }
    if (events_ == 0) first_line_ += piece;
    if (end_ > after_) progress_.show(events_, events_);
    return true;
  }

  /// Whether everything up to the end that the first line named has come.
  [[nodiscard]] bool whole() const { return events_ == (end_ > after_ ? end_ - after_ : 0); }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  [[nodiscard]] std::uint64_t events() const { return events_; }
  [[nodiscard]] std::uint64_t position() const { return after_ + events_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] const std::string& log_id() const { return log_id_; }
  [[nodiscard]] double seconds() const { return progress_.seconds(); }
  void clear() { progress_.clear(); }

 private:
  void read_first(std::string_view rest) {
    first_line_ += rest;
    const auto line = JsonDocument::parse(first_line_);
    first_line_ = {};
    if (!line) return;  // `whole` stays false.
    const JsonValue log = line->root().member("log");
    log_id_ = member_text(log, "id");
    end_ = whole_number(member_text(log, "end"));
    progress_.set_total(end_ > after_ ? end_ - after_ : 0);
  }

  ExportFile& file_;
  const std::uint64_t after_;
  Progress progress_;
  std::optional<Error> error_;
  std::string first_line_;
  std::string log_id_;
  std::uint64_t events_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t end_ = 0;
};

std::string summary_json(const Exporter& exporter, std::uint64_t after, const std::string& file) {
  std::string text;
  JsonWriter writer{text};
  writer.begin_object();
  writer.exact_key("file");
  writer.string(file);
  writer.exact_key("logId");
  exporter.log_id().empty() ? writer.null() : writer.string(exporter.log_id());
  writer.exact_key("after");
  writer.unsigned_integer(after);
  writer.exact_key("position");
  writer.unsigned_integer(exporter.position());
  writer.exact_key("events");
  writer.unsigned_integer(exporter.events());
  writer.exact_key("bytes");
  writer.unsigned_integer(exporter.bytes());
  writer.exact_key("seconds");
  writer.number(exporter.seconds());
  writer.end_object();
  return text;
}

void tell(const Exporter& exporter, const ExportOptions& options, std::uint64_t after,
          const Output& output) {
  if (options.out && output.json()) {
    output.line(summary_json(exporter, after, *options.out));
    return;
  }
  if (exporter.events() == 0) {
    output.note("There is no event after position " + with_commas(after) + ".");
    return;
  }
  output.note(with_commas(exporter.events()) + " events, up to position " +
              with_commas(exporter.position()) + ", " + with_commas(exporter.bytes()) +
              " bytes in " + duration_text(exporter.seconds()) +
              (options.out ? ": " + *options.out : ""));
}

int break_off(const Exporter& exporter, const ExportOptions& options, const Output& output) {
  if (exporter.error()) return output.failure(*exporter.error());
  if (options.out) {
    output.note("Interrupted. The same command with --resume goes on after position " +
                with_commas(exporter.position()) + ".");
  }
  return service::exit_interrupted;
}

}  // namespace

int run_verb(const ExportOptions& options, const Output& output) {
  if (options.resume && !options.out) {
    return output.failure({Errc::invalid, "--resume goes on with a file: name it with --out."});
  }
  catch_interrupts();
  const auto server = reach(options.target, Needs::events);
  if (!server) return output.failure(server.error());
  auto file = ExportFile::open(options.out, options.resume);
  if (!file) return output.failure(file.error());
  const std::uint64_t after = file->resumed_at().value_or(options.after);

  Exporter exporter{*file, after, output};
  HttpConnection connection{server->url()};
  const auto answer = connection.download(
      {.target = "/v1/export?after=" + std::to_string(after),
       .headers = {{"Accept", "application/x-ndjson"}}},
      export_idle_max, [&exporter](std::string_view piece) { return exporter.take(piece); });
  exporter.clear();
  if (exporter.error() || interrupted()) return break_off(exporter, options, output);
  if (!answer) return output.unreachable(answer.error());
  if (answer->status != 200) return output.failure(*answer);
  if (!exporter.whole()) {
    return output.failure({Errc::unavailable, "The export was cut off after position " +
                                                  std::to_string(exporter.position()) +
                                                  ". Look at the server's log, and export again."});
  }
  if (auto done = file->finish(); !done) return output.failure(done.error());
  tell(exporter, options, after, output);
  return service::exit_done;
}

}  // namespace stele::program
