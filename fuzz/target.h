// What every fuzz target has in common. A target is a function that takes any bytes and must come
// back: no crash, no hang, no promise broken. Each stands in a file of its own, `NAME_fuzz.cpp`:
//
//     const Registered registered{"token", [](std::string_view input) {
//       const auto token = query::decode_token(input, log, epoch);
//       if (token) require(query::encode_token(*token, log) == input, "a token has one text");
//     }};
//
// `./dev fuzz` builds a program for each with libFuzzer and lets it search; every test run replays
// what lies in corpus/NAME (corpus_test.cpp), with any compiler.

#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stele::fuzz {

using Run = void (*)(std::string_view input);

struct Target {
  std::string_view name;
  Run run;
};

/// Every target that is linked into this program, in the order of their names.
[[nodiscard]] const std::vector<Target>& targets();

struct Registered {
  Registered(std::string_view name, Run run);
};

/// Ends the program, naming the promise, if it was not kept.
void require(bool kept, std::string_view promise,
             std::source_location where = std::source_location::current());

/// Takes numbers and texts off the front of an input; zeros once it is used up.
class Input {
 public:
  explicit Input(std::string_view bytes) : rest_{bytes} {}

  [[nodiscard]] std::uint8_t u8();
  [[nodiscard]] std::uint16_t u16();
  [[nodiscard]] std::uint32_t u32();
  [[nodiscard]] std::string_view text(std::size_t size_max);
  [[nodiscard]] std::string_view rest() const noexcept { return rest_; }
  [[nodiscard]] bool empty() const noexcept { return rest_.empty(); }

 private:
  std::string_view rest_;
};

/// A copy that ends where the text ends, so that the address sanitizer sees a read behind it.
[[nodiscard]] std::vector<std::byte> exact_copy(std::string_view text);

}  // namespace stele::fuzz
