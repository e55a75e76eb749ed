// Hands libFuzzer's inputs to the one target of this program.

#include <cstddef>
#include <cstdint>

#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  stele::fuzz::targets().front().run({reinterpret_cast<const char*>(data), size});
  return 0;
}
