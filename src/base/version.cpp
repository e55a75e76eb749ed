#include "stele/version.h"

namespace stele {

std::string_view library_version() noexcept { return version_text; }

}  // namespace stele
