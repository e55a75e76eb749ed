#include "log/group.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <limits>

namespace stele::log {
namespace {

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t) &&
              std::atomic<std::uint32_t>::is_always_lock_free);

// Not std::atomic's own wait: it yields the processor several times before it sleeps, which costs
// more than sleeping when a hundred threads do it.
void sleep_while_0(std::atomic<std::uint32_t>& word) {
  // Woken, interrupted, or the word has changed: the caller looks again.
  (void)::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAIT_PRIVATE, 0U,
                  nullptr, nullptr, 0U);
}

void wake(std::atomic<std::uint32_t>& word, int count) {
  (void)::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAKE_PRIVATE, count,
                  nullptr, nullptr, 0U);
}

}  // namespace

void GroupEnd::finish(std::optional<Error> why) {
  error_ = std::move(why);
  done_.store(1, std::memory_order_release);
  wake(done_, 1);
}

void GroupEnd::wait() {
  if (done()) return;
  while (!done()) sleep_while_0(done_);
  if (!rest_woken_.exchange(true)) wake(done_, std::numeric_limits<int>::max());
}

}  // namespace stele::log
