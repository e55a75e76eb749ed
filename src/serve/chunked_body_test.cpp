#include "serve/chunked_body.h"

#include <gtest/gtest.h>

#include <string>

namespace stele::serve {
namespace {

using Outcome = ChunkedBody::Outcome;

constexpr std::size_t size_max = 1'000;
constexpr std::size_t trailers_size_max = 200;

struct Read {
  Outcome outcome = Outcome::need_more;
  std::string text;
  std::string rest;
};

// `piece` bytes at once.
Read read(std::string_view bytes, std::size_t piece) {
  ChunkedBody body{size_max, trailers_size_max};
  while (!bytes.empty()) {
    std::size_t used = 0;
    const Outcome outcome = body.take(bytes.substr(0, piece), used);
    bytes.remove_prefix(used);
    if (outcome != Outcome::need_more) return {outcome, body.text(), std::string{bytes}};
  }
  return {Outcome::need_more, body.text(), ""};
}

void expect_read(std::string_view bytes, Outcome outcome, std::string_view text = {},
                 std::string_view rest = {}) {
  for (const std::size_t piece : {1U, 2U, 3U, 7U, 10'000U}) {
    const Read got = read(bytes, piece);
    EXPECT_EQ(got.outcome, outcome) << bytes.substr(0, 100) << " in pieces of " << piece;
    if (outcome != Outcome::done) continue;
    EXPECT_EQ(got.text, text) << bytes;
    EXPECT_EQ(got.rest, rest) << bytes;
  }
}

TEST(ChunkedBody, IsJoinedHoweverItIsCut) {
  expect_read("0\r\n\r\n", Outcome::done, "");
  expect_read("3\r\nabc\r\n0\r\n\r\nGET /", Outcome::done, "abc", "GET /");
  expect_read("3\r\nabc\r\n0002\r\n\r\n\r\n000\r\n\r\n", Outcome::done, "abc\r\n");
  expect_read("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", Outcome::done,
              "01234567890123456789");
}

TEST(ChunkedBody, PassesOverExtensionsAndTrailers) {
  expect_read("1;a;b=c;d=\"e;f\"\r\nx\r\n0;last\r\nA: b\r\nC:\r\n\r\nrest", Outcome::done, "x",
              "rest");
}

TEST(ChunkedBody, WantsMoreUntilItsEnd) {
  const std::string whole = "3\r\nabc\r\n0\r\nA: b\r\n\r\n";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    expect_read(std::string_view{whole}.substr(0, size), Outcome::need_more);
  }
}

TEST(ChunkedBody, RefusesWhatTwoReadersCouldReadDifferently) {
  for (const char* bytes : {"\r\n",
                            "g\r\n",
                            "-1\r\n",
                            "+1\r\n",
                            "0x1\r\n",
                            " 1\r\n",
                            "1 \r\n",
                            "1 1\r\n",
                            "1\n",
                            "1\rx",
                            "1\r\nab\r\n",
                            "1\r\na\n",
                            "1\r\na0\r\n",
                            "1;a\nb\r\n",
                            "1;a\x01\r\n",
                            "1;\x7F\r\n",
                            "00000000000000001\r\n",
                            "FFFFFFFFFFFFFFFFF\r\n",
                            "0\r\nA\r\n",
                            "0\r\n: b\r\n",
                            "0\r\nA b: c\r\n",
                            "0\r\n A: b\r\n",
                            "0\r\nA: b\n",
                            "0\r\nA: \x01\r\n",
                            "0\r\nContent-Length: 1\r\n",
                            "0\r\ntransfer-encoding: chunked\r\n"}) {
    expect_read(bytes, Outcome::malformed);
  }
}

TEST(ChunkedBody, HasLimits) {
  const std::string full(size_max, 'x');
  expect_read("3E8\r\n" + full + "\r\n0\r\n\r\n", Outcome::done, full);
  expect_read("3E9\r\n", Outcome::too_large);
  expect_read("3E8\r\n" + full + "\r\n1\r\n", Outcome::too_large);
  expect_read("FFFFFFFFFFFFFFFF\r\n", Outcome::too_large);
  expect_read("1;" + std::string(chunk_line_size_max, 'x'), Outcome::malformed);
  expect_read("0\r\nA: " + std::string(trailers_size_max, 'x'), Outcome::malformed);
  std::string framing;
  for (int i = 0; i < 100; ++i) framing += "1;" + std::string(1'000, 'x') + "\r\na\r\n";
  expect_read(framing, Outcome::malformed);
}

}  // namespace
}  // namespace stele::serve
