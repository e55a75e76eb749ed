#include "serve/json_cursor.h"

#include <gtest/gtest.h>

#include <array>
#include <random>

#include "stele/json.h"

namespace stele::serve {
namespace {

/// Reads `text` as one value; its bytes, or "failed: " and the message.
std::string whole(std::string_view text) {
  JsonCursor in{text};
  std::string_view value;
  in.value(value);
  in.end();
  return in.failed() ? "failed: " + in.message() : std::string{value};
}

bool is_good(std::string_view text) { return !whole(text).starts_with("failed: "); }

TEST(JsonCursor, GivesTheExactBytesOfAValue) {
  EXPECT_EQ(whole(" { \"a\" : [ 1 , -2.5e+3 ] }\n"), "{ \"a\" : [ 1 , -2.5e+3 ] }");
  EXPECT_EQ(whole("\"\\u00e4\\n\""), "\"\\u00e4\\n\"");
  EXPECT_EQ(whole("1e999"), "1e999");
  for (const char* const text :
       {"true", "false", "null", "0", "-0", "[]", "{}", "\"\"", "[[],{}]"}) {
    EXPECT_EQ(whole(text), text);
  }
}

TEST(JsonCursor, TakesExponentsThatOtherReadersTake) {
  EXPECT_EQ(whole("-1.5E+999999999"), "-1.5E+999999999");
  EXPECT_FALSE(is_good("1e1000000000"));
  EXPECT_FALSE(is_good("[-34567E8901234567890]"));
}

TEST(JsonCursor, TellsWhetherAValueHadWhiteSpaceInside) {
  const auto had_space = [](std::string_view text) {
    JsonCursor in{text};
    std::string_view value;
    in.value(value);
    return in.had_space();
  };
  EXPECT_FALSE(had_space("  {\"a b\":[1,2]}  "));
  EXPECT_TRUE(had_space("{\"a\" :1}"));
  EXPECT_TRUE(had_space("[\n]"));
}

TEST(JsonCursor, RefusesWhatIsNotJson) {
  for (const char* const text : {"",
                                 " ",
                                 "{",
                                 "}",
                                 "[",
                                 "]",
                                 "[1",
                                 "[1,",
                                 "[1,]",
                                 "[,1]",
                                 "{\"a\"}",
                                 "{\"a\":}",
                                 "{\"a\":1,}",
                                 "{,}",
                                 "{a:1}",
                                 "'a'",
                                 "\"",
                                 "\"\\x\"",
                                 "\"\\u12\"",
                                 "\"\\u12g4\"",
                                 "\"\\",
                                 "\"a\nb\"",
                                 "tru",
                                 "truex",
                                 "nul",
                                 "01",
                                 "-",
                                 "+1",
                                 ".5",
                                 "1.",
                                 "1e",
                                 "1e+",
                                 "--1",
                                 "0x1",
                                 "NaN",
                                 "Infinity",
                                 "1 2",
                                 "[1 2]",
                                 "{\"a\":1 \"b\":2}",
                                 "{\"a\":1,\"a\":2}",
                                 "{\"a\":1,\"\\u0061\":2}",
                                 "\"\\ud800\"",
                                 "\"\\ud800\\u0041\"",
                                 "\"\\udc00\"",
                                 "\"\xc0\xaf\"",
                                 "\"\xed\xa0\x80\"",
                                 "\"\xff\"",
                                 "[1]]",
                                 "// 1",
                                 "\xef\xbb\xbf 1"}) {
    EXPECT_FALSE(is_good(text)) << text;
  }
  EXPECT_FALSE(is_good(std::string_view{"\"a\0b\"", 5}));
}

TEST(JsonCursor, FindsANameThatStandsTwiceAmongMany) {
  std::string text = "{";
  for (int i = 0; i < 1'000; ++i) text += "\"m" + std::to_string(i) + "\":{\"a\":1},";
  EXPECT_TRUE(is_good(text + "\"last\":1}"));
  EXPECT_FALSE(is_good(text + "\"m500\":1}"));
}

TEST(JsonCursor, HoldsTheDepthLimit) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(is_good(nested(json_depth_max)));
  EXPECT_FALSE(is_good(nested(json_depth_max + 1)));
  EXPECT_FALSE(is_good(std::string(1'000'000, '[')));
}

TEST(JsonCursor, DecodesStrings) {
  const auto decoded = [](std::string_view text) {
    JsonCursor in{text};
    std::string_view out;
    in.string(out);
    return in.failed() ? "failed" : std::string{out};
  };
  EXPECT_EQ(decoded(R"("a\"\\\/\b\f\n\r\tz")"), "a\"\\/\b\f\n\r\tz");
  EXPECT_EQ(decoded(R"("\u0041\u00e4\u20ac\ud83d\ude00!")"),
            "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80!");
  EXPECT_EQ(decoded("1"), "failed");
}

TEST(JsonCursor, ReadsWholeNumbersUpToALimit) {
  const auto read = [](std::string_view text) -> std::int64_t {
    JsonCursor in{text};
    std::uint64_t out = 0;
    in.number(out, 100);
    return in.failed() ? -1 : static_cast<std::int64_t>(out);
  };
  EXPECT_EQ(read("0"), 0);
  EXPECT_EQ(read(" 100"), 100);
  for (const char* const text : {"101", "-1", "1.0", "1e1", "99999999999999999999", "\"1\"", "x"}) {
    EXPECT_EQ(read(text), -1) << text;
  }
}

TEST(JsonCursor, PointsAtTheFault) {
  const auto pointer = [](std::string_view text) {
    JsonCursor in{text};
    in.object([&](std::string_view member) {
      if (member != "list") return in.unknown(member);
      in.array([&] {
        std::string_view value;
        in.string(value);
      });
    });
    in.end();
    return in.failed() ? in.pointer() : "good";
  };
  EXPECT_EQ(pointer(R"({"list":["a","b"]})"), "good");
  EXPECT_EQ(pointer(R"({"list":["a",1]})"), "/list/1");
  EXPECT_EQ(pointer(R"({"x/y~z":1})"), "/x~1y~0z");
  EXPECT_EQ(pointer(R"({"list":[],"list":[]})"), "/list");
  EXPECT_EQ(pointer(R"({"list":[]}})"), "");
}

// Goal: the cursor accepts exactly what the library's own reader accepts.
// Method: random edits of good texts, judged by both; the seed is fixed, so a failure comes again.
TEST(JsonCursor, AgreesWithTheLibraryOnRandomTexts) {
  constexpr int rounds = 40'000;
  const std::array<std::string, 5> seeds = {
      R"({"a":[1,2.5e-3,{"b":"x\n\u00e4\ud83d\ude00"}],"c":null,"d":true})",
      R"([[],{},"",0,-1,false,{"k":{"k":[{"k":1}]}}])", R"( { "a" : 1 , "b" : [ 2 , 3 ] } )",
      "{\"\xc3\xa4\":\"\xe2\x82\xac\"}", R"({"a":1,"b":2,"ab":3,"a\u0062c":4})"};
  constexpr std::string_view letters = "{}[]\",:\\u0123456789abeE+-. \n\tntfx\xc3\xa4\xff";
  std::mt19937 random{20'261'121};
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  for (int i = 0; i < rounds; ++i) {
    std::string text = seeds[below(seeds.size())];
    for (std::size_t edits = 1 + below(3); edits > 0 && !text.empty(); --edits) {
      const std::size_t at = below(text.size());
      switch (below(4)) {
        case 0:
          text[at] = letters[below(letters.size())];
          break;
        case 1:
          text.insert(at, 1, letters[below(letters.size())]);
          break;
        case 2:
          text.erase(at, 1 + below(3));
          break;
        default:
          text.insert(at, text.substr(below(text.size()), below(8)));
      }
    }
    ASSERT_EQ(is_good(text), check_json(text).has_value()) << text << '\n' << whole(text);
  }
}

}  // namespace
}  // namespace stele::serve
