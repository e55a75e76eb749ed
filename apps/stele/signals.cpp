#include "signals.h"

#include <csignal>

namespace stele::program {
namespace {

volatile std::sig_atomic_t flag = 0;

void on_signal(int /*signal*/) { flag = 1; }

}  // namespace

void catch_interrupts() {
  struct sigaction action{};
  action.sa_handler = &on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // The second one ends the process.
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() noexcept { return flag != 0; }

}  // namespace stele::program
