#include "bench_append.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "bench_parts.h"
#include "log/disk.h"
#include "stele/limits.h"

namespace stele::bench {
namespace {

constexpr double disk_seconds_share = 0.25;  // Of the log's time, for the bare disk.
constexpr double settle_seconds_max = 10;    // For the log to seal what is full.
constexpr auto settle_look_interval = std::chrono::milliseconds{5};
constexpr double warm_up_seconds = 0.3;                  // Not counted.
constexpr std::uint64_t bare_file_size = 32 << 20;       // Bytes, written in a circle.
constexpr std::size_t bare_write_size = 4'096;           // Bytes.
constexpr auto take_timeout = std::chrono::seconds{30};  // A sync takes less, or something hangs.

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double peak_resident_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1'024;
}

// The disk by itself: one 4 KiB write and one fdatasync after the other.
class BareDisk {
 public:
  static Result<std::unique_ptr<BareDisk>> make(const std::string& folder) {
    auto bare = std::make_unique<BareDisk>();
    bare->disk_ = log::make_real_disk();
    bare->path_ = folder + "/bare-disk";
    auto file = bare->disk_->open(bare->path_, log::OpenMode::create);
    if (!file) return std::unexpected{file.error()};
    bare->file_ = std::move(*file);
    if (auto done = bare->file_->zero_fill(0, bare_file_size); !done) {
      return std::unexpected{done.error()};
    }
    if (auto done = bare->file_->sync(); !done) return std::unexpected{done.error()};
    return bare;
  }
  BareDisk() = default;
  BareDisk(const BareDisk&) = delete;
  BareDisk& operator=(const BareDisk&) = delete;
  ~BareDisk() {
    if (!disk_) return;
    [[maybe_unused]] const auto removed = disk_->remove(path_);  // At worst it stays: a probe file.
  }

  Result<void> run(double seconds) {
    const std::vector<std::byte> block(bare_write_size, std::byte{0x5A});
    const auto start = Steady::now();
    while (seconds_since(start) < seconds) {
      if (auto done = file_->write_at(at_, block); !done) return done;
      if (auto done = file_->sync(); !done) return done;
      at_ = (at_ + bare_write_size) % bare_file_size;
      ++count_;
    }
    seconds_ += seconds_since(start);
    return {};
  }
  [[nodiscard]] double per_second() const { return static_cast<double>(count_) / seconds_; }

 private:
  std::unique_ptr<log::Disk> disk_;
  std::unique_ptr<log::File> file_;
  std::string path_;
  std::uint64_t at_ = 0;
  std::uint64_t count_ = 0;
  double seconds_ = 0;
};

// One stream and the append that goes to it again and again.
struct Slot {
  std::string stream;
  StreamState state;
  Steady::time_point asked;
};

// What is the same in every append: the events of a batch.
class Batch {
 public:
  explicit Batch(const BenchAppendOptions& options) {
    for (std::size_t i = 0; i < options.batch; ++i) data_.push_back(payload(options.size, i + 1));
    for (const std::string& data : data_) {
      events_.push_back({.type = "Measured", .data = data, .tags = tags_});
    }
  }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;
  [[nodiscard]] std::span<const NewEvent> events() const { return events_; }

 private:
  std::array<std::string_view, 1> tags_{"bench:append"};
  std::vector<std::string> data_;
  std::vector<NewEvent> events_;
};

class Load {
 public:
  Load(EventStore& store, const BenchAppendOptions& options)
      : store_{store}, options_{options}, batch_{options} {
    const std::size_t slots = std::max<std::size_t>(options.inflight, 1);
    for (std::size_t w = 0; w < options.writers; ++w) {
      std::vector<Slot> own;
      own.reserve(slots);
      for (std::size_t s = 0; s < slots; ++s) {
        own.push_back({.stream = "bench-" + std::to_string(w) + "-" + std::to_string(s),
                       .state = {},
                       .asked = {}});
      }
      slots_.push_back(std::move(own));
    }
  }

  /// Runs every writer for `seconds`, and adds to the sums when `counted`.
  Result<void> run(double seconds, bool counted) {
    const double cpu_before = cpu_seconds();
    const auto start = Steady::now();
    const auto until = start + std::chrono::duration_cast<Steady::duration>(
                                   std::chrono::duration<double>(seconds));
    {
      std::vector<std::jthread> threads;
      threads.reserve(options_.writers);
      for (std::size_t w = 0; w < options_.writers; ++w) {
        threads.emplace_back([this, w, until, counted] {
          Histogram latencies;
          const Result<void> done =
              options_.inflight == 0 ? block(w, until, latencies) : pipeline(w, until, latencies);
          const std::lock_guard lock{mutex_};
          if (!done && result_) result_ = done;
          if (counted) latencies_.add(latencies);
        });
      }
    }
    if (counted) {
      seconds_ += seconds_since(start);
      cpu_seconds_ += cpu_seconds() - cpu_before;
    }
    return result_;
  }

  void report(BenchAppendReport& report) const {
    const auto appends = static_cast<double>(latencies_.count());
    report.appends_per_second = appends / seconds_;
    report.events_per_second = report.appends_per_second * static_cast<double>(options_.batch);
    report.p50_us = latencies_.percentile_us(50);
    report.p99_us = latencies_.percentile_us(99);
    report.cpu_us_per_append = cpu_seconds_ * 1e6 / appends;
  }

 private:
  static Result<void> take(const Result<AppendOutcome>& outcome, Slot& slot) {
    if (!outcome) return std::unexpected{outcome.error()};
    const auto* done = std::get_if<Appended>(&*outcome);
    if (done == nullptr) {
      return fail(Errc::internal, "An append of the benchmark's own stream \"" + slot.stream +
                                      "\" was refused; does another writer use this folder?");
    }
    slot.state = done->streams[0];
    return {};
  }

  [[nodiscard]] StreamAppend next(Slot& slot) const {
    slot.asked = Steady::now();
    return {.stream = slot.stream,
            .expected = Expected::exactly(slot.state.version, slot.state.tip),
            .events = batch_.events()};
  }

  Result<void> block(std::size_t writer, Steady::time_point until, Histogram& latencies) {
    Slot& slot = slots_[writer][0];
    while (Steady::now() < until) {
      const StreamAppend stream = next(slot);
      const AppendRequest request{.streams = {&stream, 1}};
      const auto done = take(store_.append(request), slot);
      if (!done) return done;
      latencies.add(Steady::now() - slot.asked);
    }
    return {};
  }

  Result<void> submit(Slot& slot, CompletionQueue& queue, std::size_t token) {
    const StreamAppend stream = next(slot);
    const AppendRequest request{.streams = {&stream, 1}};
    return store_.append_async(request, queue, token);
  }

  Result<void> pipeline(std::size_t writer, Steady::time_point until, Histogram& latencies) {
    std::vector<Slot>& slots = slots_[writer];
    CompletionQueue queue;
    std::vector<Completion> completions;
    std::size_t on_their_way = 0;
    Result<void> result;
    for (std::size_t s = 0; s < slots.size() && result; ++s) {
      result = submit(slots[s], queue, s);
      on_their_way += result ? 1U : 0U;
    }
    while (on_their_way > 0) {  // The queue must outlive every append that was given to it.
      if (queue.take(completions, take_timeout) == 0) {
        return fail(Errc::timed_out, "An append of the benchmark was not answered in 30 s.");
      }
      const auto now = Steady::now();
      for (const Completion& completion : completions) {
        --on_their_way;
        Slot& slot = slots[completion.token];
        const auto done = take(completion.outcome, slot);
        if (!done && result) result = done;
        latencies.add(now - slot.asked);
        if (!result || now >= until) continue;
        result = submit(slot, queue, completion.token);
        on_their_way += result ? 1U : 0U;
      }
    }
    return result;
  }

  EventStore& store_;
  const BenchAppendOptions& options_;
  const Batch batch_;
  std::vector<std::vector<Slot>> slots_;  // By writer.
  double seconds_ = 0;
  double cpu_seconds_ = 0;

  std::mutex mutex_;
  // Guarded by mutex_ while writers run:
  Histogram latencies_;
  Result<void> result_;
};

Result<void> check(const BenchAppendOptions& options) {
  const auto in = [](std::size_t value, std::size_t low, std::size_t high) {
    return low <= value && value <= high;
  };
  if (!in(options.writers, 1, writers_max)) {
    return fail(Errc::invalid, "--writers must be 1 to " + std::to_string(writers_max) + ".");
  }
  if (!in(options.batch, 1, limits::append_events_max)) {
    return fail(Errc::invalid,
                "--batch must be 1 to " + std::to_string(limits::append_events_max) + ".");
  }
  if (options.inflight > inflight_max) {
    return fail(Errc::invalid, "--inflight must be 0 to " + std::to_string(inflight_max) + ".");
  }
  if (!(options.seconds > 0)) return fail(Errc::invalid, "--seconds must be above 0.");
  if (options.size * options.batch > limits::append_size_max) {
    return fail(Errc::invalid, "--size times --batch must stay below " +
                                   std::to_string(limits::append_size_max) + " bytes.");
  }
  return {};
}

}  // namespace

Result<BenchAppendReport> bench_append(const BenchAppendOptions& options) {
  if (auto valid = check(options); !valid) return std::unexpected{valid.error()};
  auto folder = WorkFolder::make(options.data);
  if (!folder) return std::unexpected{folder.error()};
  auto bare = BareDisk::make(folder->path());
  if (!bare) return std::unexpected{bare.error()};
  auto opened = open_log(folder->path() + "/log");
  if (!opened) return std::unexpected{opened.error()};

  BenchAppendReport report;
  const double disk_seconds = options.seconds * disk_seconds_share / 2;
  if (auto done = (*bare)->run(disk_seconds); !done) return std::unexpected{done.error()};
  Load load{*opened->store, options};
  if (auto done = load.run(warm_up_seconds, false); !done) return std::unexpected{done.error()};
  const std::uint64_t syncs_before = opened->syncs();
  if (auto done = load.run(options.seconds, true); !done) return std::unexpected{done.error()};
  report.syncs = opened->syncs() - syncs_before;
  load.report(report);
  report.peak_resident_mib = peak_resident_mib();
  // What the log does behind the appends is no part of the bare disk's figure.
  const auto start = Steady::now();
  while (opened->unsealed() > 1 && seconds_since(start) < settle_seconds_max) {
    std::this_thread::sleep_for(settle_look_interval);
  }
  report.settle_seconds = seconds_since(start);
  if (auto done = (*bare)->run(disk_seconds); !done) return std::unexpected{done.error()};
  report.fdatasync_per_second = (*bare)->per_second();
  return report;
}

}  // namespace stele::bench
