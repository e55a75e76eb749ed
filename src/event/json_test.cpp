#include "stele/json.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <limits>

namespace stele {
namespace {

std::string nested(std::size_t levels) {
  return std::string(levels, '[') + "1" + std::string(levels, ']');
}

std::string minified(std::string_view json) {
  std::string out = "before:";
  append_minified(out, json);
  return out.substr(7);
}

TEST(Json, ParsesEveryKindOfValue) {
  const auto document =
      JsonDocument::parse(R"( {"a": [1, -2.50, true, null], "b": {"c": "x\u00e9\n"}} )");
  ASSERT_TRUE(document) << document.error().message;
  const JsonValue root = document->root();

  ASSERT_EQ(root.kind(), JsonKind::object);
  ASSERT_EQ(root.size(), 2U);
  const JsonValue a = root.member("a");
  ASSERT_EQ(a.kind(), JsonKind::array);
  ASSERT_EQ(a.size(), 4U);
  EXPECT_EQ(a.first().text(), "1");
  EXPECT_EQ(a.first().next().text(), "-2.50");
  EXPECT_TRUE(a.first().next().next().boolean());
  EXPECT_EQ(a.first().next().next().next().kind(), JsonKind::null);
  EXPECT_EQ(root.member("b").member("c").text(), "x\u00e9\n");
  EXPECT_EQ(root.member("b").member("c").pointer(), "/b/c");
  EXPECT_EQ(a.first().next().pointer(), "/a/1");
  EXPECT_EQ(root.pointer(), "");
  EXPECT_FALSE(root.member("d").found());
  EXPECT_FALSE(a.member("d").found());
}

TEST(Json, KeepsEveryDigitOfANumber) {
  const std::string text = "[9007199254740993,0.10000000000000000000001,1e400,-0,1E+2]";
  const auto document = JsonDocument::parse(text);
  ASSERT_TRUE(document) << document.error().message;
  std::string back = "[";
  JsonValue each = document->root().first();
  for (std::size_t i = 0; i < document->root().size(); ++i, each = each.next()) {
    if (i > 0) back += ',';
    back += each.text();
  }
  EXPECT_EQ(back + "]", text);
}

TEST(Json, EscapesPointersAsTheStandardSays) {
  const auto document = JsonDocument::parse(R"({"a/b~c": [[], {"": 1}]})");
  const JsonValue list = document->root().first();
  EXPECT_EQ(list.first().next().member("").pointer(), "/a~1b~0c/1/");
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* text :
       {"",       " ",         "{",     "[1,]", "{\"a\":1,}",    "{a:1}",       "'a'",
        "01",     "1.",        ".5",    "+1",   "NaN",           "tru",         "\"a",
        "\"\t\"", "\"\\x\"",   "[1] 2", "{}{}", "// c\n1",       "\"\\ud800\"", "-",
        "[1 2]",  "{\"a\" 1}", "{1:2}", "nul",  "\xef\xbb\xbf{}"}) {
    const auto checked = check_json(text);
    ASSERT_FALSE(checked) << text;
    EXPECT_EQ(checked.error().code, MappingCode::malformed);
    EXPECT_FALSE(checked.error().message.empty());
    EXPECT_FALSE(JsonDocument::parse(text)) << text;
  }
}

TEST(Json, RefusesBytesThatAreNotUtf8) {
  for (const char* text : {"\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "{\"\x80\":1}"}) {
    EXPECT_FALSE(check_json(text));
  }
  EXPECT_TRUE(check_json("\"\xf0\x9f\xaa\xa8\""));
}

TEST(Json, RefusesAMemberThatStandsTwice) {
  const auto twice = check_json(R"({"x": [0, {"a": 1, "b": 2, "a": 3}]})");
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().pointer, "/x/1/a");
  EXPECT_NE(twice.error().message.find("\"a\" stands twice"), std::string::npos);

  EXPECT_FALSE(check_json("{\"a\":1,\"\\u0061\":2}"));  // The same name, spelled otherwise.
  EXPECT_TRUE(check_json(R"({"a":{"a":1},"b":{"a":1}})"));

  std::string many = "{";
  for (int i = 0; i < 40; ++i) many += "\"m" + std::to_string(i) + "\":0,";
  EXPECT_TRUE(check_json(many + "\"z\":0}"));
  EXPECT_EQ(check_json(many + "\"m7\":0}").error().pointer, "/m7");
}

TEST(Json, SaysThatATextIsNestedTooDeeply) {
  EXPECT_TRUE(check_json(nested(json_depth_max)));
  const auto deep = check_json(nested(json_depth_max + 1));
  ASSERT_FALSE(deep);
  EXPECT_NE(deep.error().message.find("deeper than 64 levels"), std::string::npos);
  EXPECT_FALSE(check_json(std::string(100'000, '[')));
  EXPECT_TRUE(check_json("1"));  // What went before leaves nothing behind.
}

TEST(Json, TellsTheKindOfACheckedText) {
  EXPECT_EQ(check_json(" {} ").value(), JsonKind::object);
  EXPECT_EQ(check_json("[]").value(), JsonKind::array);
  EXPECT_EQ(check_json("\"{}\"").value(), JsonKind::string);
  EXPECT_EQ(check_json("null").value(), JsonKind::null);
}

TEST(Json, LosesOnlyInsignificantSpaceWhenMinified) {
  EXPECT_EQ(minified("{ \"b\" : 1.50 ,\n\t\"a\": [ 1e2, \" x \\\" y \" ] }\r\n"),
            "{\"b\":1.50,\"a\":[1e2,\" x \\\" y \"]}");
  EXPECT_EQ(minified("12345678901234567890.000"), "12345678901234567890.000");
  EXPECT_EQ(minified(" \"\" "), "\"\"");
  const std::string big = "\"" + std::string(10'000, ' ') + "\"";
  EXPECT_EQ(minified(" " + big + " "), big);
}

TEST(Json, ReadsBackEveryTextThatWasWritten) {
  EXPECT_TRUE(rc::check("strings", [] {
    const auto bytes = *rc::gen::container<std::string>(rc::gen::inRange<char>(0, 127));
    std::string json;
    append_json_string(json, bytes);
    const auto document = JsonDocument::parse(json);
    RC_ASSERT(document.has_value());
    RC_ASSERT(document->root().text() == bytes);
    RC_ASSERT(minified(json) == json);
  }));
}

TEST(JsonWriter, PutsCommasAndEscapesWhereTheyBelong) {
  std::string out;
  JsonWriter writer{out};
  writer.begin_object();
  writer.key("a_b");
  writer.begin_array();
  writer.integer(-1);
  writer.boolean(true);
  writer.null();
  writer.begin_object();
  writer.end_object();
  writer.end_array();
  writer.key("c");
  writer.string("\x01\"\\\n\r\t/\u00e9");
  writer.exact_key("d_e\"");
  writer.number(0.1);
  writer.key("f");
  writer.raw("[1]");
  writer.end_object();
  EXPECT_FALSE(writer.failed());
  EXPECT_EQ(out,
            "{\"a_b\":[-1,true,null,{}],\"c\":\"\\u0001\\\"\\\\\\n\\r\\t/\u00e9\","
            "\"d_e\\\"\":0.1,\"f\":[1]}");
}

TEST(JsonWriter, RaisesTheLetterAfterEachUnderscore) {
  EXPECT_EQ(to_camel_case("transaction_count_30days"), "transactionCount30days");
  EXPECT_EQ(to_camel_case("balance_after"), "balanceAfter");
  EXPECT_EQ(to_camel_case("id"), "id");
  std::string out;
  JsonWriter writer{out, Naming::camel_case};
  writer.begin_object();
  writer.key("owner_name");
  writer.string("a_b");
  writer.exact_key("as_is");
  writer.null();
  writer.end_object();
  EXPECT_EQ(out, R"({"ownerName":"a_b","as_is":null})");
}

TEST(JsonWriter, FailsOnWhatJsonCannotCarry) {
  const auto failure = [](auto write) {
    std::string out;
    JsonWriter writer{out};
    writer.begin_object();
    writer.key("the_key");
    write(writer);
    EXPECT_TRUE(writer.failed());
    EXPECT_EQ(writer.error().pointer, "/the_key");
    return writer.error().message;
  };
  EXPECT_NE(failure([](JsonWriter& w) { w.string("\xff"); }).find("not UTF-8"), std::string::npos);
  failure([](JsonWriter& w) { w.number(std::numeric_limits<double>::quiet_NaN()); });
  failure([](JsonWriter& w) { w.number(std::numeric_limits<double>::infinity()); });
  failure([](JsonWriter& w) { w.integer(std::int64_t{1} << 53); });
  failure([](JsonWriter& w) { w.integer(std::numeric_limits<std::int64_t>::min()); });
  failure([](JsonWriter& w) { w.unsigned_integer(std::numeric_limits<std::uint64_t>::max()); });
}

}  // namespace
}  // namespace stele
