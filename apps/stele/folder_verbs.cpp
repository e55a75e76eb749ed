// verify and repair: a data folder that no server holds.

#include "log/disk.h"
#include "log/repair.h"
#include "log/verify.h"
#include "progress.h"
#include "stele/json.h"
#include "stele/time.h"
#include "store/embedded/restore.h"
#include "verbs.h"

namespace stele::program {
namespace {

std::string damage_text(const log::Damage& damage) {
  return damage.path + " at byte " + with_commas(damage.offset) + ": " + damage.what;
}

/// What a restore left is no log to verify, and none to repair.
Result<void> refuse_unfinished(const log::Disk& disk, const std::string& data) {
  const auto unfinished = store::has_unfinished_restore(disk, data);
  if (!unfinished) return std::unexpected{unfinished.error()};
  if (!*unfinished) return {};
  return fail(Errc::unavailable, "A restore into \"" + data +
                                     "\" was not finished, so this is no log yet. Start the same "
                                     "`stele import --restore` again: it begins anew.");
}

/// Shows a bar on a terminal while the segments are read.
Result<log::VerifyReport> verify_folder(log::Disk& disk, const std::string& data,
                                        const Output& output) {
  Progress progress{"segments", 0, {.quiet = output.json()}};
  return log::verify(disk, data, [&progress](std::size_t done, std::size_t all) {
    progress.set_total(all);
    progress.show(done, done);
  });
}

std::string as_json(const log::VerifyReport& report) {
  std::string text;
  JsonWriter writer{text};
  const auto number_member = [&](std::string_view name, std::uint64_t value) {
    writer.exact_key(name);
    writer.unsigned_integer(value);
  };
  writer.begin_object();
  writer.exact_key("good");
  writer.boolean(report.good());
  writer.exact_key("logId");
  writer.string(report.log_id.text());
  number_member("epoch", number(report.epoch));
  number_member("logEnd", number(report.log_end));
  number_member("segments", report.segments);
  number_member("sealedSegments", report.sealed_segments);
  number_member("frames", report.frames);
  number_member("bytes", report.bytes);
  writer.exact_key("damage");
  writer.begin_array();
  for (const log::Damage& damage : report.damage) {
    writer.begin_object();
    writer.exact_key("path");
    writer.string(damage.path);
    number_member("offset", damage.offset);
    writer.exact_key("what");
    writer.string(damage.what);
    writer.end_object();
  }
  writer.end_array();
  writer.exact_key("notes");
  writer.begin_array();
  for (const std::string& note : report.notes) writer.string(note);
  writer.end_array();
  writer.end_object();
  return text;
}

int show(const log::VerifyReport& report, const Output& output) {
  if (output.json()) {
    output.line(as_json(report));
  } else {
    for (const std::string& note : report.notes) output.line("note: " + note);
    for (const log::Damage& damage : report.damage) output.line("damaged: " + damage_text(damage));
    output.line(std::string{report.good() ? "good" : "good only"} + " up to position " +
                with_commas(number(report.log_end)) + ": " + with_commas(report.frames) +
                " appends in " + with_commas(report.segments) + " segments (" +
                with_commas(report.sealed_segments) + " sealed), " + with_commas(report.bytes) +
                " bytes, epoch " + std::to_string(number(report.epoch)));
  }
  return report.good() ? service::exit_done : service::exit_corrupt;
}

std::string as_json(const log::RepairReport& report) {
  std::string text;
  JsonWriter writer{text};
  writer.begin_object();
  writer.exact_key("repaired");
  writer.boolean(report.repaired);
  writer.exact_key("damage");
  writer.string(report.damage);
  writer.exact_key("logEnd");
  writer.unsigned_integer(number(report.log_end));
  writer.exact_key("epoch");
  writer.unsigned_integer(number(report.epoch));
  writer.exact_key("cutTo");
  writer.unsigned_integer(number(report.cut_to));
  writer.exact_key("kept");
  writer.begin_array();
  for (const std::string& path : report.kept) writer.string(path);
  writer.end_array();
  writer.end_object();
  return text;
}

void tell(const log::RepairReport& report, const Output& output) {
  if (!report.repaired) {
    output.line("There was nothing to repair, and nothing was changed.");
    return;
  }
  output.line("Found: " + report.damage);
  std::string cut = "The log now ends at position " + with_commas(number(report.log_end)) +
                    ", in epoch " + std::to_string(number(report.epoch));
  if (number(report.cut_to) > 0) {
    cut += "; positions up to " + with_commas(number(report.cut_to)) + " were cut off";
  }
  output.line(cut + ".");
  for (const std::string& path : report.kept) output.line("The cut bytes are kept in " + path);
  output.line("Read models made from what was cut will say \"diverged\"; they must be rebuilt.");
}

}  // namespace

int run_verb(const VerifyOptions& options, const Output& output) {
  const auto disk = log::make_real_disk();
  if (auto good = refuse_unfinished(*disk, options.data); !good) {
    return output.failure(good.error());
  }
  const auto report = verify_folder(*disk, options.data, output);
  if (!report) return output.failure(report.error());
  return show(*report, output);
}

int run_verb(const RepairOptions& options, const Output& output) {
  const auto disk = log::make_real_disk();
  if (auto good = refuse_unfinished(*disk, options.data); !good) {
    return output.failure(good.error());
  }
  if (!options.yes) {
    const auto report = verify_folder(*disk, options.data, output);
    if (!report) return output.failure(report.error());
    const int code = show(*report, output);
    if (!report->good()) {
      output.note(
          "Nothing was changed. `stele repair --yes` cuts the log at the first damage, "
          "keeps the cut bytes beside it and starts a new epoch.");
    }
    return code;
  }
  const auto report = log::repair(*disk, options.data, system_clock());
  if (!report) return output.failure(report.error());
  output.json() ? static_cast<void>(output.line(as_json(*report))) : tell(*report, output);
  return service::exit_done;
}

}  // namespace stele::program
