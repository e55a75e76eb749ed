#include "log/log.h"

#include <mutex>
#include <span>
#include <thread>
#include <utility>

#include "log/append_scan.h"
#include "log/housekeeping.h"
#include "log/reader.h"
#include "log/recovery.h"
#include "log/submission.h"
#include "log/tail.h"

namespace stele::log {
namespace {

/// Makes ids for events. Thread-safe.
class IdMaker {
 public:
  IdMaker(const Clock& clock, RandomSource& random) : clock_{clock}, random_{random} {}

  void operator()(std::span<EventId> ids) const {
    const Timestamp now = clock_.now();
    const std::lock_guard lock{mutex_};
    for (EventId& id : ids) id = make_uuid_v7(now, random_);
  }

 private:
  const Clock& clock_;
  mutable std::mutex mutex_;
  RandomSource& random_;  // Guarded by mutex_.
};

/// Makes the folders, and syncs the names of those above: an earlier run may have been killed
/// between the two.
Result<void> make_folders(Disk& disk, const std::string& folder, const std::string& segments) {
  if (auto done = disk.make_folder(segments); !done) return done;
  if (auto done = disk.sync_folder(folder); !done) return done;
  const std::size_t slash = folder.find_last_of('/');
  if (slash == std::string::npos) return disk.sync_folder(".");
  return disk.sync_folder(slash == 0 ? "/" : folder.substr(0, slash));
}

}  // namespace

struct Log::Parts {
  Parts(Disk& disk, const std::string& segments, const Environment& environment, const Options& o,
        std::unique_ptr<DiskLock> held, std::shared_ptr<BlockCache> blocks, TailStart start)
      : lock{std::move(held)},
        log_id{start.log_id},
        epoch{start.epoch},
        salt{start.salt},
        make_ids{environment.clock, environment.random},
        spare{disk, segments, o.segment_size, [this] { return housekeeping.pace_fill(); }},
        tail{disk, environment, o, std::move(start), spare},
        housekeeping{disk, segments, o, std::move(blocks), tail, spare} {}

  const std::unique_ptr<DiskLock> lock;
  const LogId log_id;
  const Epoch epoch;
  const std::uint64_t salt;
  IdMaker make_ids;
  SpareSegment spare;
  Tail tail;
  Housekeeping housekeeping;
  std::thread sync_thread = {};
};

Result<std::unique_ptr<Log>> Log::open(Disk& disk, const std::string& folder,
                                       const Environment& environment, const Options& options) {
  std::string data = folder;
  while (data.size() > 1 && data.ends_with('/')) data.pop_back();
  const std::string segments = data + "/log";
  if (auto done = make_folders(disk, data, segments); !done) return std::unexpected{done.error()};
  auto lock = disk.lock(data + "/LOCK");
  if (!lock) return std::unexpected{lock.error()};
  auto cache = std::make_shared<BlockCache>(options.block_cache_size);
  auto start = recover(disk, segments, environment, options, cache);
  if (!start) return std::unexpected{start.error()};
  auto parts = std::make_unique<Parts>(disk, segments, environment, options, std::move(*lock),
                                       std::move(cache), std::move(*start));
  if (auto done = parts->spare.adopt(); !done) return std::unexpected{done.error()};
  return std::unique_ptr<Log>{new Log{std::move(parts)}};
}

Log::Log(std::unique_ptr<Parts> parts) : parts_{std::move(parts)} {
  if (!parts_->housekeeping.has_thread()) return;
  parts_->sync_thread = std::thread{[tail = &parts_->tail] { tail->run_sync_thread(); }};
  parts_->housekeeping.start();
}

Log::~Log() {
  parts_->housekeeping.stop();
  if (parts_->sync_thread.joinable()) {
    parts_->tail.stop();
    parts_->sync_thread.join();
    return;
  }
  parts_->tail.flush();
  // Without it the next opening writes the last group again.
  [[maybe_unused]] const auto marked = parts_->tail.mark();
}

Result<AppendOutcome> Log::append(const AppendRequest& request) {
  auto submission = make_submission(request, parts_->salt, parts_->make_ids);
  if (!submission) return std::unexpected{submission.error()};
  return parts_->tail.append(*submission);
}

Result<void> Log::append_async(const AppendRequest& request, CompletionQueue& queue,
                               std::uint64_t token) {
  auto submission = make_submission(request, parts_->salt, parts_->make_ids);
  if (!submission) return std::unexpected{submission.error()};
  return parts_->tail.append_async(*submission, queue, token);
}

Result<StreamPage> Log::read_stream(std::string_view stream, Version after, std::size_t limit,
                                    Direction direction) const {
  const Snapshot snapshot = parts_->tail.snapshot();
  return Reader{snapshot, parts_->salt}.read_stream(stream, after, limit, direction);
}

Result<ReadPage> Log::read_all(Position after, const Filter& filter, std::size_t limit) const {
  const Snapshot snapshot = parts_->tail.snapshot();
  return Reader{snapshot, parts_->salt}.read_all(after, filter, limit);
}

Position Log::wait(Position after, std::chrono::microseconds timeout) const {
  return parts_->tail.wait(after, timeout);
}

void Log::wake() { parts_->tail.wake(); }

Position Log::log_end() const { return parts_->tail.log_end(); }

Result<StreamState> Log::stream_tip(std::string_view stream) const {
  const Snapshot snapshot = parts_->tail.snapshot();
  return Reader{snapshot, parts_->salt}.stream_tip(stream);
}

Result<std::optional<Appended>> Log::find_append(const AppendId& id) const {
  const Snapshot snapshot = parts_->tail.snapshot();
  return Reader{snapshot, parts_->salt}.find_append(id);
}

Result<AppendPage> Log::read_appends(Position after, std::size_t limit) const {
  return scan_appends(parts_->tail.snapshot(), after, limit);
}

LogId Log::log_id() const { return parts_->log_id; }

Epoch Log::epoch() const { return parts_->epoch; }

Result<void> Log::tick() {
  if (!parts_->tail.flush()) {
    if (auto done = parts_->tail.mark(); !done) return done;
  }
  return parts_->housekeeping.tick();
}

LogStats Log::stats() const { return parts_->tail.stats(); }

}  // namespace stele::log
