#include "query/waiting.h"

namespace stele::query {

bool row_shows(const Token& token, std::string_view stream, Version version) noexcept {
  return token.stream_hash == hash_of_stream(stream) && version >= token.version;
}

Error parked_error(std::string_view projection, std::string_view key) {
  return {.code = Errc::parked,
          .message = "The read model " + std::string{projection} +
                     " could not apply an event of \"" + std::string{key} +
                     "\", so it does not show the newest of it. Its error stands in "
                     "/v1/projections/" +
                     std::string{projection} + "/parked; retry it there once that is mended."};
}

}  // namespace stele::query
