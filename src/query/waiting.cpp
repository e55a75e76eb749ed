#include "query/waiting.h"

namespace stele::query {

bool row_shows(const Token& token, std::string_view stream, Version version) noexcept {
  return token.stream_hash == hash_of_stream(stream) && version >= token.version;
}

}  // namespace stele::query
