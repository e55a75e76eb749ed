#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "import/decimal.h"
#include "import/expression.h"
#include "import/key_set.h"
#include "import/mapping.h"
#include "import/record.h"
#include "import/template.h"

namespace stele::program {
namespace {

namespace fs = std::filesystem;

/// A folder of its own for each test.
class Import : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "stele-import-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string file(std::string_view name, std::string_view text) const {
    const fs::path path = folder_ / name;
    std::ofstream{path, std::ios::binary} << text;
    return path.string();
  }

  /// Every record of the text, as "line:a|b|c", or the error.
  std::vector<std::string> records(std::string_view text, InputShape shape) const {
    std::vector<std::string> out;
    auto reader = RecordReader::open(file("input", text), std::move(shape));
    if (!reader) return {reader.error().message};
    Record record;
    for (;;) {
      const auto got = reader->next(record);
      if (!got) out.push_back("error: " + got.error().message);
      if (!got || !*got) return out;
      std::string line = std::to_string(record.line) + ":";
      for (const std::string& value : record.values) line += value + "|";
      out.push_back(line);
    }
  }

  /// Every call that the input makes through the mapping, one a line, or the error.
  std::vector<std::string> calls(std::string_view mapping_text, std::string_view input_text) const {
    const std::string input = file("input", input_text);
    auto mapping = Mapping::load(file("map.toml", mapping_text), input);
    if (!mapping) return {mapping.error().message};
    auto reader = RecordReader::open(input, mapping->shape());
    if (!reader) return {reader.error().message};
    std::vector<std::string> out;
    std::vector<ImportCall> made;
    Record record;
    while (reader->next(record).value()) {
      const auto applied = mapping->apply(record, made);
      if (!applied) out.push_back(applied.error().message);
      if (!applied) return out;
      for (const ImportCall& call : made) {
        out.push_back(std::to_string(call.place) + " " + call.method + " " + call.path + " " +
                      call.body);
      }
    }
    return out;
  }

  fs::path folder_;
};

using Lines = std::vector<std::string>;

TEST(Decimal, ComparesExactlyWhateverTheDigits) {
  EXPECT_EQ(compare_decimals("0.00", "0"), std::strong_ordering::equal);
  EXPECT_EQ(compare_decimals("-0", "0.0"), std::strong_ordering::equal);
  EXPECT_EQ(compare_decimals("007.50", "7.5"), std::strong_ordering::equal);
  EXPECT_EQ(compare_decimals("9", "10"), std::strong_ordering::less);
  EXPECT_EQ(compare_decimals("-9", "-10"), std::strong_ordering::greater);
  EXPECT_EQ(compare_decimals("-1", "1"), std::strong_ordering::less);
  EXPECT_EQ(compare_decimals("0.1", "0.09"), std::strong_ordering::greater);
  EXPECT_EQ(compare_decimals("12345678901234567890.1", "12345678901234567890.09"),
            std::strong_ordering::greater);
}

TEST(Decimal, TellsNumbersFromOtherTexts) {
  for (const auto* good : {"0", "-1", "12.50", "007"}) EXPECT_TRUE(is_decimal(good)) << good;
  for (const auto* bad : {"", "-", ".5", "5.", "1e3", "1,000", "+1", "1.2.3", "--1"}) {
    EXPECT_FALSE(is_decimal(bad)) << bad;
  }
}

TEST(KeySet, SaysOnceThatAKeyIsNewAlsoAfterItGrew) {
  KeySet keys;
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(keys.insert(std::to_string(i)).value());
  for (int i = 0; i < 10'000; ++i) EXPECT_FALSE(keys.insert(std::to_string(i)).value());
  EXPECT_EQ(keys.size(), 10'000U);
}

bool judge(std::string_view text, std::vector<std::string> values) {
  std::vector<std::string> columns{"a", "b"};
  auto expression = Expression::parse(text, columns, false);
  EXPECT_TRUE(expression) << (expression ? "" : expression.error().message);
  if (!expression) return false;
  const auto held = expression->holds({.line = 1, .values = std::move(values)});
  EXPECT_TRUE(held) << (held ? "" : held.error().message);
  return held && *held;
}

TEST(Expression, ComparesNumbersAsNumbersAndTextsAsBytes) {
  EXPECT_TRUE(judge("a > 0", {"0.01", ""}));
  EXPECT_FALSE(judge("a > 0", {"0.00", ""}));
  EXPECT_TRUE(judge("10 >= a", {"9", ""}));
  EXPECT_TRUE(judge("a < b", {"10", "9"}));
  EXPECT_TRUE(judge("a == 'x y'", {"x y", ""}));
  EXPECT_TRUE(judge("a != \"\"", {"x", ""}));
}

TEST(Expression, BindsNotBeforeAndBeforeOr) {
  EXPECT_TRUE(judge("a == 1 or b == 1 and b == 2", {"1", "1"}));
  EXPECT_FALSE(judge("(a == 1 or b == 1) and b == 2", {"1", "1"}));
  EXPECT_TRUE(judge("not a == 2 and b == 1", {"1", "1"}));
  EXPECT_FALSE(judge("not (a == 1 or b == 2)", {"1", "1"}));
  EXPECT_TRUE(judge("not not a==1", {"1", "1"}));
}

TEST(Expression, FindsTheFirstOfAColumnWhateverTheRestSays) {
  std::vector<std::string> columns{"a", "b"};
  auto expression = Expression::parse("b > 0 and first_of a", columns, false).value();
  EXPECT_FALSE(expression.holds({.line = 1, .values = {"x", "0"}}).value());
  EXPECT_FALSE(expression.holds({.line = 2, .values = {"x", "1"}}).value());
  EXPECT_TRUE(expression.holds({.line = 3, .values = {"y", "1"}}).value());
  EXPECT_FALSE(expression.holds({.line = 4, .values = {"y", "1"}}).value());
}

TEST(Expression, TellsTwoColumnsFromOneOfTheSameText) {
  std::vector<std::string> columns{"a", "b"};
  auto expression = Expression::parse("first_of a, b", columns, false).value();
  EXPECT_TRUE(expression.holds({.line = 1, .values = {"xy", "z"}}).value());
  EXPECT_TRUE(expression.holds({.line = 2, .values = {"x", "yz"}}).value());
  EXPECT_FALSE(expression.holds({.line = 3, .values = {"xy", "z"}}).value());
}

TEST(Expression, RefusesWhatItCannotReadAndSaysWhere) {
  std::vector<std::string> columns{"a"};
  for (const auto* text : {"", "a", "a >", "a > 0 and", "unknown > 0", "a => 0", "(a > 0", "a > 0)",
                           "first_of", "a > 'x", "a > 1.", "a > 0 a > 0"}) {
    EXPECT_FALSE(Expression::parse(text, columns, false)) << text;
  }
  const std::string deep = std::string(100, '(') + "a > 0" + std::string(100, ')');
  EXPECT_FALSE(Expression::parse(deep, columns, false));
  const auto wrong = Expression::parse("a > 0 und a < 9", columns, false);
  EXPECT_NE(wrong.error().message.find("at \"und a < 9\""), std::string::npos);
}

TEST(Expression, RefusesATextWhereANumberIsCompared) {
  std::vector<std::string> columns{"a"};
  auto expression = Expression::parse("a > 0", columns, false).value();
  const auto held = expression.holds({.line = 1, .values = {"ten"}});
  ASSERT_FALSE(held);
  EXPECT_NE(held.error().message.find("\"ten\""), std::string::npos);
}

TEST(Dates, AreReadByTheirPatternAndTheCalendar) {
  EXPECT_EQ(read_date("19970101", "YYYYMMDD"), "1997-01-01T00:00:00.000000Z");
  EXPECT_EQ(read_date("31.12.1999 23:59:58", "DD.MM.YYYY hh:mm:ss"), "1999-12-31T23:59:58.000000Z");
  EXPECT_EQ(read_date("2000-02-29", "YYYY-MM-DD"), "2000-02-29T00:00:00.000000Z");
  for (const auto* bad : {"19970229", "19971301", "1997010", "199701011", "1997O101", ""}) {
    EXPECT_FALSE(read_date(bad, "YYYYMMDD")) << bad;
  }
}

TEST(Template, RefusesUnknownColumnsFormsAndBrackets) {
  std::vector<std::string> columns{"a"};
  for (const auto* text : {"{b}", "{a", "a}", "{a:money}", "x{a:number}", "{}"}) {
    EXPECT_FALSE(Template::parse(text, columns, false)) << text;
  }
}

TEST_F(Import, ReadsBlankSeparatedColumnsWithEitherLineEnd) {
  const InputShape shape{.skip_lines = 1, .columns = {"a", "b"}};
  EXPECT_EQ(records("head\r\n 1  x\r\n\t2\ty\n\n3 z", shape),
            (Lines{"2:1|x|", "3:2|y|", "5:3|z|"}));
}

TEST_F(Import, NamesTheLineThatHasTooFewColumns) {
  const Lines got = records("1 x\n2\n", {.columns = {"a", "b"}});
  ASSERT_EQ(got.size(), 2U);
  EXPECT_NE(got[1].find("input:2: This line has 1 columns, but 2 are named"), std::string::npos);
}

TEST_F(Import, ReadsCsvWithQuotesCommasAndLineEndsInside) {
  const std::string_view text = "id,note\n1,\"a, \"\"b\"\"\nc\"\n2,\n";
  EXPECT_EQ(records(text, {.format = Format::csv}), (Lines{"2:1|a, \"b\"\nc|", "4:2||"}));
  const Lines open = records("id\n\"never closed\n", {.format = Format::csv});
  EXPECT_NE(open.back().find("opens a quote"), std::string::npos);
}

TEST_F(Import, ReadsJsonLinesByTheirMembers) {
  const InputShape shape{.format = Format::ndjson, .columns = {"a", "b"}};
  EXPECT_EQ(records("{\"a\":1.50,\"b\":\"x\"}\n\n{\"b\":null,\"a\":[1, 2]}\n", shape),
            (Lines{"1:1.50|x|", "3:[1,2]||"}));
  EXPECT_NE(records("[1]\n", shape).back().find("not a JSON object"), std::string::npos);
}

TEST_F(Import, ReadsLinesAcrossItsBufferAndRefusesAnEndlessOne) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += std::to_string(i) + " " + std::string(9, 'x') + "\n";
  EXPECT_EQ(records(text, {.columns = {"a", "b"}}).size(), 100'000U);
  const Lines endless = records(std::string(record_size_max * 2, 'x'), {.columns = {"a"}});
  ASSERT_EQ(endless.size(), 1U);
  EXPECT_NE(endless[0].find("is longer than"), std::string::npos);
}

TEST_F(Import, DigestsAFileByItsBytesWhateverItsSize) {
  const auto digest = [&](const std::string& text) {
    return digest_file(file("digest", text)).value().digest;
  };
  const std::string big(3'000'000, 'x');
  EXPECT_EQ(digest(big), digest(big));
  EXPECT_NE(digest(big), digest(big + "x"));
  EXPECT_NE(digest(""), digest("x"));
  EXPECT_EQ(digest_file((folder_ / "missing").string()).error().code, Errc::not_found);
}

constexpr std::string_view purchases = R"(
format = "columns"
skip_lines = 1
columns = ["customer", "date", "count", "amount"]

[[command]]
when = "first_of customer"
call = "POST /accounts"
[command.body]
id = "c-{customer}"
occurredAt = "{date:YYYYMMDD}"

[[command]]
when = "amount > 0"
call = "POST /accounts/c-{customer}/deposit"
body = { amount = "{amount}", count = "{count:number}", tags = ["x", 1, true] }
)";

TEST_F(Import, MakesCommandsInTheOrderOfTheMapping) {
  EXPECT_EQ(
      calls(purchases, "head\n 1 19970101 02 0.00\n 1 19970102 1 5.00\n 1 19970102 1 0.00\n"),
      (Lines{"0 POST /accounts {\"id\":\"c-1\",\"occurredAt\":\"1997-01-01T00:00:00.000000Z\"}",
             "1 POST /accounts/c-1/deposit "
             "{\"amount\":\"5.00\",\"count\":1,\"tags\":[\"x\",1,true]}"}));
}

TEST_F(Import, StopsAtAValueThatDoesNotFit) {
  const Lines got = calls(purchases, "head\n 1 19970199 1 5.00\n");
  ASSERT_EQ(got.size(), 1U);
  EXPECT_NE(got[0].find("\"19970199\" is not a date"), std::string::npos);
}

TEST_F(Import, EncodesValuesInPathsAndLeavesOutEmptyOptionals) {
  const std::string_view mapping = R"(
format = "csv"
[[command]]
call = "PUT /things/{id}"
body = { note = "{note:optional}", other = "{{{note}}}" }
)";
  EXPECT_EQ(calls(mapping, "id,note\na/b ü,\nc,hi\n"),
            (Lines{"0 PUT /things/a%2Fb%20%C3%BC {\"other\":\"{}\"}",
                   "0 PUT /things/c {\"note\":\"hi\",\"other\":\"{hi}\"}"}));
}

TEST_F(Import, TakesAnyMemberOfJsonLines) {
  const std::string_view mapping = R"(
format = "ndjson"
[[command]]
when = "kind == 'deposit' and amount > 0"
call = "POST /accounts/{account}/deposit"
body = { amount = "{amount}" }
)";
  EXPECT_EQ(calls(mapping,
                  "{\"kind\":\"deposit\",\"amount\":1,\"account\":\"7\"}\n"
                  "{\"kind\":\"other\"}\n"),
            (Lines{"0 POST /accounts/7/deposit {\"amount\":\"1\"}"}));
}

TEST_F(Import, RefusesAMappingThatItDoesNotUnderstand) {
  const std::string input = file("input", "a,b\n");
  const auto complaint = [&](std::string_view text) {
    const auto loaded = Mapping::load(file("map.toml", text), input);
    return loaded ? std::string{} : loaded.error().message;
  };
  const std::string command = "\n[[command]]\ncall = \"POST /x\"\n";
  EXPECT_NE(complaint("format = \"xml\"" + command).find("format"), std::string::npos);
  EXPECT_NE(complaint("format = \"columns\"" + command).find("columns"), std::string::npos);
  EXPECT_NE(complaint("format = \"csv\"").find("no [[command]]"), std::string::npos);
  EXPECT_NE(complaint("formt = \"csv\"" + command).find("\"formt\""), std::string::npos);
  EXPECT_NE(complaint("format = \"csv\"\n[[command]]\ncall = \"/x\"").find("call"),
            std::string::npos);
  EXPECT_NE(complaint("format = \"csv\"\n[[command]]\ncall = \"POST /{c}\"").find("\"c\""),
            std::string::npos);
  EXPECT_NE(complaint("format =").find("map.toml:1"), std::string::npos);
  EXPECT_NE(Mapping::load("/nowhere.toml", input).error().message.find("/nowhere.toml"),
            std::string::npos);
}

TEST_F(Import, KeepsTheOrderOfTheKeyThatTheMappingImplies) {
  const auto key = [&](std::string_view head, const std::vector<std::string>& values) {
    const std::string text = "format = \"columns\"\ncolumns = [\"a\", \"b\"]\n" + std::string{head};
    const auto mapping = Mapping::load(file("map.toml", text), "");
    EXPECT_TRUE(mapping) << (mapping ? "" : mapping.error().message);
    return mapping->order_key({.line = 1, .values = values});
  };
  const std::string by_path = "[[command]]\ncall = \"POST /x/{a}\"\n";
  EXPECT_EQ(key(by_path, {"1", "2"}), key(by_path, {"1", "3"}));
  EXPECT_NE(key(by_path, {"1", "2"}), key(by_path, {"2", "2"}));
  const std::string by_first = by_path + "when = \"first_of b\"\n";
  EXPECT_EQ(key(by_first, {"1", "2"}), key(by_first, {"2", "2"}));
  const std::string by_name = "key = [\"b\"]\n" + by_path;
  EXPECT_EQ(key(by_name, {"1", "2"}), key(by_name, {"2", "2"}));
  const std::string by_nothing = "[[command]]\ncall = \"POST /x\"\n";
  EXPECT_EQ(key(by_nothing, {"1", "2"}), key(by_nothing, {"3", "4"}));
}

}  // namespace
}  // namespace stele::program
