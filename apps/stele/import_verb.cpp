// import: the records of a file as commands, or an export as a log.

#include "backup/restorer.h"
#include "import/importer.h"
#include "progress.h"
#include "signals.h"
#include "stele/json.h"
#include "target.h"
#include "verbs.h"

namespace stele::program {
namespace {

std::string summary_json(const ImportSummary& summary) {
  std::string text;
  JsonWriter writer{text};
  const auto count = [&](std::string_view name, std::uint64_t value) {
    writer.exact_key(name);
    writer.unsigned_integer(value);
  };
  writer.begin_object();
  count("records", summary.records);
  count("commands", summary.commands);
  count("accepted", summary.accepted);
  count("replayed", summary.replayed);
  count("skipped", summary.skipped);
  count("refused", summary.refused);
  writer.exact_key("seconds");
  writer.number(summary.seconds);
  writer.exact_key("interrupted");
  writer.boolean(summary.interrupted);
  writer.exact_key("refusals");
  writer.begin_array();
  for (const ImportRefusal& refusal : summary.refusals) {
    writer.begin_object();
    count("line", refusal.line);
    writer.exact_key("call");
    writer.string(refusal.call);
    count("status", static_cast<std::uint64_t>(refusal.status));
    writer.exact_key("code");
    writer.string(refusal.code);
    writer.exact_key("detail");
    writer.string(refusal.detail);
    writer.end_object();
  }
  writer.end_array();
  writer.end_object();
  return text;
}

void tell(const ImportSummary& summary, const Output& output) {
  for (const ImportRefusal& refusal : summary.refusals) {
    output.note("line " + std::to_string(refusal.line) + ": " + refusal.call +
                " was refused with " + std::to_string(refusal.status) + " " + refusal.code + ": " +
                refusal.detail);
  }
  if (summary.refused > summary.refusals.size()) {
    output.note("... and " + with_commas(summary.refused - summary.refusals.size()) + " more");
  }
  const double rate =
      summary.seconds > 0 ? static_cast<double>(summary.commands) / summary.seconds : 0;
  output.line(with_commas(summary.records) + " records, " + with_commas(summary.commands) +
              " commands: " + with_commas(summary.accepted) + " accepted, " +
              with_commas(summary.replayed) + " replayed, " + with_commas(summary.refused) +
              " refused; " + with_commas(summary.skipped) + " records skipped; " +
              std::to_string(static_cast<std::uint64_t>(summary.seconds * 1'000)) + " ms, " +
              with_commas(static_cast<std::uint64_t>(rate)) + " commands/s");
}

std::string restore_json(const RestoreSummary& summary) {
  std::string text;
  JsonWriter writer{text};
  const auto count = [&](std::string_view name, std::uint64_t value) {
    writer.exact_key(name);
    writer.unsigned_integer(value);
  };
  writer.begin_object();
  writer.exact_key("logId");
  writer.string(summary.log_id.text());
  count("epoch", number(summary.epoch));
  count("position", number(summary.log_end));
  count("events", summary.events);
  count("appends", summary.appends);
  count("bytes", summary.bytes);
  writer.exact_key("seconds");
  writer.number(summary.seconds);
  writer.end_object();
  return text;
}

int restore(const ImportVerbOptions& options, const Output& output) {
  const std::string& data = *options.target.data;
  const auto summary = run_restore({.input = options.input, .data = data, .quiet = output.json()});
  if (!summary) return output.failure(summary.error());
  if (summary->not_empty) return output.refused(summary->refusal);
  if (summary->interrupted) {
    output.note("Interrupted. \"" + data + "\" is no log yet; the same command begins anew.");
    return service::exit_interrupted;
  }
  if (output.json()) {
    output.line(restore_json(*summary));
    return service::exit_done;
  }
  output.line("Restored " + with_commas(summary->events) + " events in " +
              with_commas(summary->appends) + " appends, and verified every byte of " + data +
              " (" + duration_text(summary->seconds) + ").");
  output.line("Log " + summary->log_id.text() + ", now in epoch " +
              std::to_string(number(summary->epoch)) +
              ": read models and consumers of before begin anew.");
  return service::exit_done;
}

}  // namespace

int run_verb(const ImportVerbOptions& options, const Output& output) {
  catch_interrupts();
  if (options.restore) return restore(options, output);
  Target target = options.target;
  if (options.check) target.data.reset();  // Nothing is sent, so nothing is opened.
  const auto server = reach(target, Needs::domains);
  if (!server) return output.failure(server.error());
  const auto summary =
      run_import({.mapping = options.mapping, .input = options.input, .check_only = options.check},
                 server->url());
  if (!summary) return output.unreachable(summary.error());
  output.json() ? static_cast<void>(output.line(summary_json(*summary))) : tell(*summary, output);
  if (summary->interrupted) {
    output.note("Interrupted. Start the same import again: it goes on where it was.");
    return service::exit_interrupted;
  }
  return summary->refused > 0 ? service::exit_refused : service::exit_done;
}

}  // namespace stele::program
