#include "stele/error.h"

namespace stele {

std::string_view to_string(Errc code) noexcept {
  switch (code) {
    case Errc::invalid:
      return "invalid";
    case Errc::too_large:
      return "too_large";
    case Errc::not_found:
      return "not_found";
    case Errc::id_reused:
      return "id_reused";
    case Errc::overloaded:
      return "overloaded";
    case Errc::read_only:
      return "read_only";
    case Errc::log_full:
      return "log_full";
    case Errc::timed_out:
      return "timed_out";
    case Errc::outcome_unknown:
      return "outcome_unknown";
    case Errc::shutting_down:
      return "shutting_down";
    case Errc::held:
      return "held";
    case Errc::corrupt:
      return "corrupt";
    case Errc::parked:
      return "parked";
    case Errc::diverged:
      return "diverged";
    case Errc::unsupported:
      return "unsupported";
    case Errc::unavailable:
      return "unavailable";
    case Errc::internal:
      return "internal";
  }
  return "internal";
}

bool Error::retryable() const noexcept {
  return code == Errc::overloaded || code == Errc::read_only || code == Errc::log_full ||
         code == Errc::timed_out || code == Errc::outcome_unknown || code == Errc::unavailable;
}

}  // namespace stele
