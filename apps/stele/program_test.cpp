#include <gtest/gtest.h>

#include <variant>

#include "command_line.h"
#include "http_client.h"
#include "json_text.h"
#include "output.h"

namespace stele::program {
namespace {

std::variant<CommandLine, int> parse(std::vector<std::string> words) {
  words.insert(words.begin(), "stele");
  std::vector<char*> argv;
  argv.reserve(words.size());
  for (std::string& word : words) argv.push_back(word.data());
  return parse_command_line(static_cast<int>(argv.size()), argv.data());
}

template <typename Options>
Options options_of(std::vector<std::string> words) {
  const auto parsed = parse(std::move(words));
  EXPECT_TRUE(std::holds_alternative<CommandLine>(parsed));
  return std::get<Options>(std::get<CommandLine>(parsed).verb);
}

TEST(CommandLine, GivesEachVerbItsOptions) {
  const auto append = options_of<AppendOptions>(
      {"append", "account-1", "Paid", "{\"a\":1}", "--expected", "3", "--tag", "x", "--tag", "y"});
  EXPECT_EQ(append.stream, "account-1");
  EXPECT_EQ(append.data, "{\"a\":1}");
  EXPECT_EQ(append.expected, "3");
  EXPECT_EQ(append.tags, (std::vector<std::string>{"x", "y"}));

  EXPECT_TRUE(options_of<ReadOptions>({"tail"}).follow);
  EXPECT_FALSE(options_of<ReadOptions>({"tail"}).start);
  EXPECT_FALSE(options_of<ReadOptions>({"read", "--after", "7"}).follow);
  EXPECT_EQ(options_of<ReadOptions>({"read", "--after", "7"}).after, 7U);
  EXPECT_EQ(options_of<StreamOptions>({"stream", "a-1", "--data", "d"}).target.data, "d");
  EXPECT_EQ(options_of<bench::BenchAppendOptions>({"bench", "append", "--writers", "9"}).writers,
            9U);
  const auto serve = options_of<ServeOptions>({"serve", "--listen", "127.0.0.1:1", "--read-only"});
  EXPECT_EQ(serve.flags, (std::vector<std::pair<std::string, std::string>>{
                             {"serve.listen", "127.0.0.1:1"}, {"serve.read_only", "true"}}));
}

TEST(CommandLine, GivesProjectionsAndConsumersWhatTheyAreTold) {
  const auto rebuild =
      options_of<ProjectionOptions>({"projection", "rebuild", "a", "b", "--side-by-side"});
  EXPECT_EQ(rebuild.action, "rebuild");
  EXPECT_EQ(rebuild.names, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(rebuild.side_by_side && rebuild.wait && !rebuild.all);
  EXPECT_TRUE(options_of<ProjectionOptions>({"projection", "rebuild", "--all"}).all);
  EXPECT_FALSE(options_of<ProjectionOptions>({"projection", "rebuild", "a", "--no-wait"}).wait);
  const auto retry = options_of<ProjectionOptions>({"projection", "retry", "a", "key-1"});
  EXPECT_EQ(retry.name + " " + retry.key, "a key-1");
  EXPECT_EQ(
      options_of<ProjectionOptions>({"projection", "drop", "a", "--generation", "2"}).generation,
      2U);

  const auto create = options_of<ConsumerOptions>(
      {"consumer", "create", "mail", "--type", "A", "--type", "B", "--start", "end"});
  EXPECT_EQ(create.types, (std::vector<std::string>{"A", "B"}));
  EXPECT_EQ(create.place, "end");
  EXPECT_FALSE(options_of<ConsumerOptions>({"consumer", "read", "mail"}).ack);
  EXPECT_TRUE(options_of<ConsumerOptions>({"consumer", "follow", "mail"}).ack);
  EXPECT_EQ(options_of<ConsumerOptions>({"consumer", "seek", "mail", "7"}).place, "7");
}

TEST(CommandLine, EndsWithTwoForAWrongUsageAndZeroForHelp) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{},
                                                {"unknown"},
                                                {"read", "--nope"},
                                                {"append", "only-stream"},
                                                {"read", "--url", "http://h:1", "--data", "d"},
                                                {"import", "file"},
                                                {"bench"},
                                                {"read", "--after", "minus"}}) {
    ::testing::internal::CaptureStderr();
    ::testing::internal::CaptureStdout();
    const auto parsed = parse(words);
    ::testing::internal::GetCapturedStdout();
    EXPECT_FALSE(::testing::internal::GetCapturedStderr().empty());
    ASSERT_TRUE(std::holds_alternative<int>(parsed)) << ::testing::PrintToString(words);
    EXPECT_EQ(std::get<int>(parsed), 2);
  }
  for (const auto* verb : {"serve", "append", "read", "tail", "stream", "import", "verify",
                           "repair", "doctor", "bench"}) {
    ::testing::internal::CaptureStdout();
    const auto parsed = parse({verb, "--help"});
    EXPECT_NE(::testing::internal::GetCapturedStdout().find("Usage"), std::string::npos);
    EXPECT_EQ(std::get<int>(parsed), 0);
  }
}

TEST(ExitCode, TellsAConflictFromWhatIsMissingOrBroken) {
  EXPECT_EQ(exit_code_of(200, ""), 0);
  EXPECT_EQ(exit_code_of(400, "malformed"), 2);
  EXPECT_EQ(exit_code_of(409, "version_conflict"), 3);
  EXPECT_EQ(exit_code_of(422, "insufficient_funds"), 3);
  EXPECT_EQ(exit_code_of(404, "account_unknown"), 4);
  EXPECT_EQ(exit_code_of(500, "corrupt"), 6);
  EXPECT_EQ(exit_code_of(409, "diverged"), 7);
  EXPECT_EQ(exit_code_of(503, "log_full"), 8);
  EXPECT_EQ(exit_code_of(503, "not_yet"), 1);
}

TEST(Url, TakesAHostAndAPortAndNothingElse) {
  EXPECT_EQ(Url::parse("http://127.0.0.1:8420")->port, 8420);
  EXPECT_EQ(Url::parse("http://localhost")->port, 80);
  EXPECT_EQ(Url::parse("http://[::1]:9/")->host, "::1");
  EXPECT_EQ(Url::parse("http://[::1]:9")->text(), "http://[::1]:9");
  for (const auto* bad : {"", "localhost:80", "https://h", "http://", "http://h:0",
                          "http://h:99999", "http://h:x", "http://h/path", "http://a@b"}) {
    EXPECT_FALSE(Url::parse(bad)) << bad;
  }
}

TEST(JsonText, KeepsNumbersAndOrder) {
  const std::string text = R"({"b":1.50,"a":[true,null,"x\ny"],"c":12345678901234567890})";
  EXPECT_EQ(json_of(JsonDocument::parse(text)->root()), text);
}

}  // namespace
}  // namespace stele::program
