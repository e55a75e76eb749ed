#include "service/exit_code.h"

namespace stele::service {

int exit_code_of(Errc code) noexcept {
  switch (code) {
    case Errc::invalid:
    case Errc::too_large:
      return exit_usage;
    case Errc::id_reused:
      return exit_refused;
    case Errc::not_found:
      return exit_not_found;
    case Errc::held:
      return exit_held;
    case Errc::corrupt:
      return exit_corrupt;
    case Errc::diverged:
      return exit_diverged;
    case Errc::read_only:
    case Errc::log_full:
      return exit_read_only;
    case Errc::overloaded:
    case Errc::timed_out:
    case Errc::outcome_unknown:
    case Errc::shutting_down:
    case Errc::unsupported:
    case Errc::parked:
    case Errc::unavailable:
    case Errc::internal:
      return exit_failed;
  }
  return exit_failed;
}

}  // namespace stele::service
