// Replays the corpus of every fuzz target, and, of each of its inputs, some that are cut short or
// have a bit flipped. What fuzzing ever found lies in the corpus, so it stays found.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "target.h"

namespace stele::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t variants = 16;  // Of each input: cut, and flipped, at so many places.

std::string read(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

class Corpus : public ::testing::TestWithParam<Target> {};

TEST_P(Corpus, IsTakenWithoutACrashOrABrokenPromise) {
  const auto [name, run] = GetParam();
  const fs::path folder = fs::path{STELE_FUZZ_CORPUS} / name;
  std::size_t inputs = 0;
  ASSERT_TRUE(fs::is_directory(folder)) << folder << " is missing: fuzz/make_corpus.py";
  run("");
  for (const auto& entry : fs::directory_iterator{folder}) {
    ++inputs;
    SCOPED_TRACE(entry.path().string());
    const std::string input = read(entry.path());
    run(input);
    for (std::size_t i = 0; i < variants && !input.empty(); ++i) {
      const std::size_t at = input.size() * i / variants;
      run(std::string_view{input}.substr(0, at));
      std::string flipped = input;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << i % 8));
      run(flipped);
    }
  }
  EXPECT_GE(inputs, 2U);
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Corpus, ::testing::ValuesIn(targets()),
                         [](const auto& each) { return std::string{each.param.name}; });

}  // namespace
}  // namespace stele::fuzz
