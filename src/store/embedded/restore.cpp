#include "store/embedded/restore.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

#include "store/validate.h"

namespace stele::store {
namespace {

constexpr std::size_t settle_size = 4 * 1'024 * 1'024;  // Bytes of appends that share a sync.
constexpr std::size_t settle_appends = 8'192;           // At most so many, whatever their size.

Epoch epoch_of(Timestamp now) {
  return Epoch{static_cast<std::uint64_t>(std::max<std::int64_t>(micros(now) / 1'000, 2))};
}

std::string position_text(Position position) {
  return "position " + std::to_string(number(position));
}

bool is_segment(const std::string& name) { return name.ends_with(".seg"); }

bool is_ours(const std::string& name) {
  return is_segment(name) || name.ends_with(".idx") || name.ends_with(".tmp") ||
         name.ends_with(".cut") || name == "spare.ready" || name == log::restore_marker;
}

}  // namespace

/// Shows the time at which the append that is being added was recorded.
class Restore::RecordedClock final : public Clock {
 public:
  explicit RecordedClock(Timestamp now) : now_{micros(now)} {}
  [[nodiscard]] Timestamp now() const noexcept override { return Timestamp{now_.load()}; }
  void set(Timestamp time) { now_ = micros(time); }

 private:
  std::atomic<std::int64_t> now_;
};

/// What the log must answer.
struct Restore::Awaited {
  AppendId id;
  Position first{};
  Timestamp recorded_at{};
  std::vector<StreamState> after;
};

Restore::Restore(const Setup& setup)
    : setup_{setup},
      segments_{setup.data + "/log"},
      epoch_{epoch_of(setup.clock.now())},
      clock_{std::make_unique<RecordedClock>(setup.clock.now())} {}

Restore::~Restore() = default;

Result<std::unique_ptr<Restore>> Restore::begin(const Setup& setup) {
  std::unique_ptr<Restore> restore{new Restore{setup}};
  if (auto done = restore->prepare(); !done) return std::unexpected{done.error()};
  return restore;
}

Result<void> Restore::prepare() {
  if (auto done = setup_.disk.make_folder(segments_); !done) return done;
  const auto unfinished = has_unfinished_restore(setup_.disk, setup_.data);
  if (!unfinished) return std::unexpected{unfinished.error()};
  if (!*unfinished) {
    if (auto done = check_empty(); !done) return done;
  }
  if (auto done = set_marker(); !done) return done;
  if (auto done = clear_folder(); !done) return done;

  log::Options options = setup_.options;
  options.background = false;  // `settle` is its only hand, so that the clock is ours alone.
  options.read_only = false;
  options.restore = log::RestoredLog{.id = setup_.log_id, .epoch = epoch_};
  auto opened = log::Log::open(setup_.disk, setup_.data,
                               {.clock = *clock_, .random = setup_.random}, options);
  if (!opened) return std::unexpected{opened.error()};
  log_ = std::move(*opened);
  return {};
}

/// The lock's text is who holds it; a file that is there is not emptied.
Result<void> Restore::set_marker() {
  const std::string path = segments_ + "/" + std::string{log::restore_marker};
  auto marker = setup_.disk.lock(path);
  if (!marker) return std::unexpected{marker.error()};
  marker_ = std::move(*marker);
  auto file = setup_.disk.open(path, log::OpenMode::write);
  if (!file && file.error().code == Errc::not_found) {
    file = setup_.disk.open(path, log::OpenMode::create);
  }
  if (!file) return std::unexpected{file.error()};
  if (auto done = (*file)->sync(); !done) return done;
  return setup_.disk.sync_folder(segments_);
}

/// A log without events may be replaced. Opening it says who holds it, and what is wrong with it.
Result<void> Restore::check_empty() {
  const auto names = setup_.disk.list(segments_);
  if (!names) return std::unexpected{names.error()};
  if (std::ranges::none_of(*names, is_segment)) return {};
  log::Options options = setup_.options;
  options.background = false;
  options.read_only = true;
  const auto there = log::Log::open(setup_.disk, setup_.data,
                                    {.clock = setup_.clock, .random = setup_.random}, options);
  if (!there) return std::unexpected{there.error()};
  const Position end = (*there)->log_end();
  if (number(end) == 0) return {};
  return fail(Errc::invalid, "\"" + setup_.data + "\" holds a log that ends at " +
                                 position_text(end) +
                                 "; a restore needs an empty one. Name a new folder with --data.");
}

/// Removes what an earlier restore, or an empty log, left.
Result<void> Restore::clear_folder() {
  const auto names = setup_.disk.list(segments_);
  if (!names) return std::unexpected{names.error()};
  const auto foreign = std::ranges::find_if_not(*names, is_ours);
  if (foreign != names->end()) {
    return fail(Errc::invalid, "\"" + segments_ + "\" is not a log's folder: it holds \"" +
                                   *foreign + "\"; name another data folder.");
  }
  for (const std::string& name : *names) {
    if (name == log::restore_marker) continue;
    if (auto done = setup_.disk.remove(segments_ + "/" + name); !done) return done;
  }
  return setup_.disk.sync_folder(segments_);
}

Result<void> Restore::add(const RestoredAppend& append) {
  if (number(append.first) != number(end_) + 1) {
    return fail(Errc::invalid, "The append " + append.id.text() + " begins at " +
                                   position_text(append.first) + ", but " + position_text(end_) +
                                   " was the last one.");
  }
  const AppendRequest request{.id = append.id, .streams = append.streams, .digest = append.digest};
  if (auto good = check_request(request); !good) return good;
  clock_->set(append.recorded_at);
  auto taken = log_->append_async(request, answers_, number(append.first));
  if (!taken) return taken;
  std::uint64_t events = 0;
  for (const StreamAppend& stream : append.streams) events += stream.events.size();
  awaited_.push_back({.id = append.id,
                      .first = append.first,
                      .recorded_at = append.recorded_at,
                      .after = {append.after.begin(), append.after.end()}});
  end_ = Position{number(end_) + events};
  staged_size_ += append_size(request);
  const bool enough = staged_size_ >= settle_size || awaited_.size() >= settle_appends;
  return enough ? settle() : Result<void>{};
}

/// Has what is staged written and synced, full segments sealed, and the answers checked.
Result<void> Restore::settle() {
  std::size_t unsealed = 0;
  do {  // One segment is sealed at a time.
    unsealed = log_->stats().unsealed_segments;
    if (auto done = log_->tick(); !done) return done;
  } while (log_->stats().unsealed_segments > 1 && log_->stats().unsealed_segments != unsealed);
  staged_size_ = 0;
  return check_answers();
}

Result<void> Restore::check_answers() {
  std::vector<Completion> some;
  std::size_t next = 0;
  while (next < awaited_.size()) {
    if (answers_.take(some, std::chrono::microseconds{0}) == 0) {
      return fail(Errc::internal, "The log gave no answer to a restored append.");
    }
    for (Completion& completion : some) {
      const Awaited& awaited = awaited_[next++];
      const std::string name =
          "The append " + awaited.id.text() + " at " + position_text(awaited.first) + " ";
      if (!completion.outcome) return std::unexpected{completion.outcome.error()};
      const auto* answer = std::get_if<Appended>(&*completion.outcome);
      if (answer == nullptr) {
        return fail(Errc::invalid, name + "does not follow what its streams hold before it.");
      }
      if (answer->replayed) {
        return fail(Errc::invalid, name + "has the id of an earlier append.");
      }
      if (answer->recorded_at != awaited.recorded_at) {
        return fail(Errc::invalid, name + "was recorded before the append that precedes it.");
      }
      if (answer->first != awaited.first || answer->streams != awaited.after) {
        return fail(Errc::invalid, name + "leaves its streams at other versions than it says.");
      }
    }
  }
  awaited_.clear();
  return {};
}

Result<log::VerifyReport> Restore::finish(const log::VerifyProgress& progress) {
  if (auto done = settle(); !done) return std::unexpected{done.error()};
  log_.reset();
  auto report = log::verify(setup_.disk, setup_.data, progress);
  if (!report) return report;
  if (!report->good() || report->log_end != end_) {
    const std::string what = report->good()
                                 ? "it ends at " + position_text(report->log_end)
                                 : report->damage.front().path + ": " + report->damage.front().what;
    return fail(Errc::corrupt, "What was written to \"" + setup_.data +
                                   "\" is not what was restored (" + what +
                                   "). Check the disk, and start the restore again.");
  }
  auto done = setup_.disk.remove(segments_ + "/" + std::string{log::restore_marker});
  if (done) done = setup_.disk.sync_folder(segments_);
  if (!done) return std::unexpected{done.error()};
  marker_.reset();
  return report;
}

Result<bool> has_unfinished_restore(const log::Disk& disk, const std::string& data) {
  const auto names = disk.list(data + "/log");
  if (!names && names.error().code == Errc::not_found) return false;
  if (!names) return std::unexpected{names.error()};
  return std::ranges::find(*names, log::restore_marker) != names->end();
}

}  // namespace stele::store
