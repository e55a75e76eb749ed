// Module: service
// While a service stops in order, a second SIGTERM or SIGINT ends it at once.

#pragma once

#include <signal.h>

#include <thread>

namespace stele::service {

/// Watches for one of `signals`, which are blocked in every thread, from its making to its end.
/// When one comes the process ends with `exit_interrupted`, without waiting for clients: what was
/// answered is on the disk, and the next start opens the log as after a kill.
class SecondSignal {
 public:
  explicit SecondSignal(const sigset_t& signals);
  ~SecondSignal();
  SecondSignal(const SecondSignal&) = delete;
  SecondSignal& operator=(const SecondSignal&) = delete;

 private:
  std::jthread thread_;
};

}  // namespace stele::service
