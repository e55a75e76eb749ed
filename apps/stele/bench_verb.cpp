// bench append and bench read: the figures of bench_append.h and bench_read.h.

#include <fmt/format.h>

#include "stele/json.h"
#include "verbs.h"

namespace stele::program {
namespace {

class Figures {
 public:
  Figures() { writer_.begin_object(); }
  void add(std::string_view name, double value) {
    writer_.exact_key(name);
    writer_.number(value);
    people_ += fmt::format("{:<28} {:>16.2f}\n", name, value);
  }
  void show(const Output& output) {
    writer_.end_object();
    people_.pop_back();
    output.line(output.json() ? json_ : people_);
  }

 private:
  std::string json_;
  std::string people_;
  JsonWriter writer_{json_};
};

}  // namespace

int run_verb(const bench::BenchAppendOptions& options, const Output& output) {
  const auto report = bench::bench_append(options);
  if (!report) return output.failure(report.error());
  Figures figures;
  figures.add("eventsPerSecond", report->events_per_second);
  figures.add("appendsPerSecond", report->appends_per_second);
  figures.add("p50Us", report->p50_us);
  figures.add("p99Us", report->p99_us);
  figures.add("fdatasyncPerSecond", report->fdatasync_per_second);
  figures.add("cpuUsPerAppend", report->cpu_us_per_append);
  figures.add("syncs", static_cast<double>(report->syncs));
  figures.add("peakResidentMib", report->peak_resident_mib);
  figures.add("settleSeconds", report->settle_seconds);
  figures.show(output);
  return service::exit_done;
}

int run_verb(const bench::BenchReadOptions& options, const Output& output) {
  const auto report = bench::bench_read(options);
  if (!report) return output.failure(report.error());
  Figures figures;
  figures.add("scanEventsPerSecond", report->scan_events_per_second);
  figures.add("streamEventsPerSecond", report->stream_events_per_second);
  figures.add("openAfterKillMs", report->open_after_kill_ms);
  figures.add("openMs", report->open_ms);
  figures.add("residentOpenMib", report->resident_open_mib);
  figures.add("residentReadMib", report->resident_read_mib);
  figures.add("storedRatio", report->stored_ratio);
  figures.add("unsealedEvents", report->unsealed_events);
  if (!options.sqlite) {
    figures.show(output);
    return service::exit_done;
  }
  figures.add("sqliteScanEventsPerSecond", report->sqlite_scan_events_per_second);
  figures.add("sqliteStreamEventsPerSecond", report->sqlite_stream_events_per_second);
  figures.show(output);
  return service::exit_done;
}

}  // namespace stele::program
