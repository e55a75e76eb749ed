// Says in the log what a client is not told: faults of this machine that a read met. The same fault
// again and again is one line, so that a busy client cannot fill the disk with it.

#pragma once

#include <mutex>
#include <string>

#include "observe/logger.h"
#include "stele/error.h"

namespace stele::serve {

/// Thread-safe.
class FaultLog {
 public:
  /// `logger` must outlive it.
  explicit FaultLog(observe::Logger& logger) : logger_{logger} {}

  /// Logs `internal`, `corrupt`, `unavailable`; once, until another of them comes between.
  void note(const Error& error) {
    if (error.code != Errc::internal && error.code != Errc::corrupt &&
        error.code != Errc::unavailable) {
      return;
    }
    const std::lock_guard lock{mutex_};
    if (last_ == error.message) return;
    last_ = error.message;
    logger_.error("A read failed.",
                  {{"code", to_string(error.code)}, {"detail", std::string_view{error.message}}});
  }

 private:
  observe::Logger& logger_;
  std::mutex mutex_;
  std::string last_;  // Guarded by mutex_.
};

}  // namespace stele::serve
