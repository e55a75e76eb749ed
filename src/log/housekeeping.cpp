#include "log/housekeeping.h"

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
  thread_ = std::thread{[this] { run(); }};
}

void Housekeeping::stop() {
  {
    const std::lock_guard lock{mutex_};
    stopping_.store(true);
  }
  stop_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Housekeeping::run() {
  // Not "idle" priority: a thread that never runs while it holds a lock would stop everyone.
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), thread_niceness);
  std::unique_lock lock{mutex_};
  while (!stopping_.load()) {
    lock.unlock();
    const bool good = tick().has_value();
    lock.lock();
    stop_.wait_for(lock, good ? round_pause : error_pause, [&] { return stopping_.load(); });
  }
}

bool Housekeeping::pace_fill() const {
  if (options_.background) std::this_thread::sleep_for(fill_pause);
  return !stopping_.load();
}

bool Housekeeping::pace_seal() const {
  if (options_.background && tail_.stats().unsealed_segments <= unsealed_relaxed_max) {
    std::this_thread::sleep_for(seal_pause);
  }
  return !stopping_.load();
}

Result<void> Housekeeping::tick() {
  if (options_.read_only) return {};
  if (tail_.wants_spare()) {
    auto made = spare_.make();
    if (made) {
      tail_.set_disk_full(std::nullopt);
    } else {
      if (made.error().code == Errc::read_only) tail_.set_disk_full(made.error());
      return made;
    }
  }
  return seal_one();
}

Result<void> Housekeeping::seal_one() {
  const auto request = tail_.next_to_seal();
  if (!request) return {};
  const auto report = seal_segment(disk_, *request, [this] { return pace_seal(); });
  if (!report) return std::unexpected{report.error()};
  if (report->outcome == SealOutcome::gave_up) return {};
  auto sealed = SealedSegment::open(disk_, folder_, request->first, cache_);
  if (!sealed) return std::unexpected{sealed.error()};
  tail_.replace(std::move(*sealed));
  return {};
}

}  // namespace stele::log
