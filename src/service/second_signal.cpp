#include "service/second_signal.h"

#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "service/exit_code.h"

namespace stele::service {
namespace {

constexpr long look_interval_ns = 20'000'000;  // Between looks at whether the stop is done.

}  // namespace

SecondSignal::SecondSignal(const sigset_t& signals)
    : thread_{[signals](const std::stop_token& done) {
        const timespec interval{.tv_sec = 0, .tv_nsec = look_interval_ns};
        while (!done.stop_requested()) {
          if (::sigtimedwait(&signals, nullptr, &interval) < 0) continue;
          std::fputs("stele: told twice to stop; ending without waiting for clients.\n", stderr);
          std::_Exit(exit_interrupted);
        }
      }} {}

SecondSignal::~SecondSignal() = default;

}  // namespace stele::service
