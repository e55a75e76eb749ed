#include "log/housekeeping.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <utility>

#include "log/seal_segment.h"

namespace stele::log {
namespace {

constexpr auto round_pause = std::chrono::milliseconds{20};   // Between looks for work.
constexpr auto error_pause = std::chrono::milliseconds{500};  // After a step that failed.
constexpr auto fill_pause = std::chrono::milliseconds{5};     // Between pieces of a spare.
constexpr auto seal_pause = std::chrono::microseconds{200};   // Between blocks.
constexpr std::size_t unsealed_relaxed_max = 2;               // With more, sealing does not pause.
constexpr std::size_t unsealed_hasty_min = 4;  // With so many, blocks are not compressed.
constexpr std::size_t used_rounds_max = 100;   // Rounds that a used file waits to be a spare.
constexpr int thread_niceness = 10;

}  // namespace

Housekeeping::Housekeeping(Disk& disk, std::string folder, const Options& options,
                           std::shared_ptr<BlockCache> cache, Tail& tail, SpareSegment& spare)
    : disk_{disk},
      folder_{std::move(folder)},
      options_{options},
      cache_{std::move(cache)},
      tail_{tail},
      spare_{spare} {}

Housekeeping::~Housekeeping() { stop(); }

void Housekeeping::start() {
  // Two: a spare that comes late is made by an appender, while all wait.
  filling_ = std::thread{[this] { run("stele-fill", [this] { return make_spare(); }); }};
  sealing_ = std::thread{[this] { run("stele-seal", [this] { return seal_all(); }); }};
}

void Housekeeping::stop() {
  {
    const std::lock_guard lock{mutex_};
    stopping_.store(true);
  }
  stop_.notify_all();
  if (filling_.joinable()) filling_.join();
  if (sealing_.joinable()) sealing_.join();
  spare_.drop_used();
}

void Housekeeping::run(const char* name, const std::function<Result<void>()>& round) {
  (void)::pthread_setname_np(::pthread_self(), name);
  // Not "idle" priority: a thread that never runs while it holds a lock would stop everyone.
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), thread_niceness);
  std::unique_lock lock{mutex_};
  while (!stopping_.load()) {
    lock.unlock();
    const bool good = round().has_value();
    lock.lock();
    stop_.wait_for(lock, good ? round_pause : error_pause, [&] { return stopping_.load(); });
  }
}

bool Housekeeping::pace_fill() const {
  if (options_.background && tail_.spare_need() != Tail::SpareNeed::at_once) {
    std::this_thread::sleep_for(fill_pause);
  }
  return !stopping_.load();
}

bool Housekeeping::pace_seal() const {
  if (options_.background && tail_.stats().unsealed_segments <= unsealed_relaxed_max) {
    std::this_thread::sleep_for(seal_pause);
  }
  return !stopping_.load();
}

Result<void> Housekeeping::make_spare() const {
  if (options_.read_only || tail_.spare_need() == Tail::SpareNeed::none) return {};
  auto made = spare_.make();
  if (made) {
    tail_.set_disk_full(std::nullopt);
  } else if (made.error().code == Errc::read_only) {
    tail_.set_disk_full(made.error());
  }
  return made;
}

Result<void> Housekeeping::tick() {
  if (auto made = make_spare(); !made) return made;
  return seal_one();
}

Result<void> Housekeeping::seal_all() {
  Result<void> done = seal_one();
  while (done && !stopping_.load() && tail_.next_to_seal()) done = seal_one();
  return done;
}

Result<void> Housekeeping::seal_one() {
  if (options_.read_only) return {};
  if (spare_.has_used() && ++rounds_with_used_ > used_rounds_max) spare_.drop_used();
  auto request = tail_.next_to_seal();
  if (!request) return {};
  if (!spare_.has_used()) request->keep_as = spare_.used_path();
  request->in_haste = tail_.stats().unsealed_segments >= unsealed_hasty_min;
  const auto report = seal_segment(disk_, *request, [this] { return pace_seal(); });
  if (!report) return std::unexpected{report.error()};
  if (report->outcome == SealOutcome::gave_up) return {};
  auto sealed = SealedSegment::open(disk_, folder_, request->first, cache_);
  if (!sealed) {
    if (report->kept) (void)disk_.remove(spare_.used_path());
    return std::unexpected{sealed.error()};
  }
  const std::weak_ptr<const OpenSegment> replaced = tail_.replace(std::move(*sealed));
  if (!report->kept) return {};
  spare_.offer([replaced] { return replaced.expired(); });
  rounds_with_used_ = 0;
  return {};
}

}  // namespace stele::log
