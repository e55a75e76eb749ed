#include "service/config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace stele::service {
namespace {

class ConfigFile : public ::testing::Test {
 protected:
  ConfigFile() {
    path_ = (std::filesystem::temp_directory_path() /
             ("stele_config_" + std::to_string(::getpid()) + ".toml"))
                .string();
  }
  ~ConfigFile() override { std::filesystem::remove(path_); }

  void write(std::string_view text) { std::ofstream{path_} << text; }
  Result<Config> load(ConfigSources sources = {}) {
    sources.file = path_;
    return Config::load(sources);
  }

  std::string path_;
};

TEST_F(ConfigFile, AFlagWinsOverAVariableOverTheFileOverTheDefault) {
  write("[serve]\nlisten = \"127.0.0.1:1\"\ndata = \"from-file\"\nread_only = true\n");

  const auto config = load({.flags = {{"serve.listen", "127.0.0.1:3"}},
                            .variables = {{"STELE_SERVE_LISTEN", "127.0.0.1:2"},
                                          {"STELE_SERVE_DATA", "from-variable"}}});

  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->get("serve.listen"), "127.0.0.1:3");
  EXPECT_EQ(config->get("serve.data"), "from-variable");
  EXPECT_TRUE(config->flag("serve.read_only"));
  EXPECT_EQ(config->get("store.kind"), "embedded");
}

TEST_F(ConfigFile, AnUnknownNameIsAnErrorThatNamesTheNearest) {
  write("[serve]\nlisen = \"127.0.0.1:1\"\n");
  EXPECT_TRUE(load().error().message.contains("the nearest is serve.listen"));

  write("");
  const auto variable = load({.variables = {{"STELE_SERVE_LISTN", "x"}}});
  EXPECT_TRUE(variable.error().message.contains("the nearest is STELE_SERVE_LISTEN"));
}

TEST_F(ConfigFile, AValueOutOfItsRangeIsAnErrorThatSaysTheRange) {
  for (const char* text : {"[serve]\nlisten = \"8420\"", "[serve]\nread_only = \"maybe\"",
                           "[serve]\nroles = [\"api\", \"king\"]", "[log]\nsegment_mib = 0",
                           "[store]\nkind = \"oracle\"", "[projection.p]\nbatch = 0"}) {
    write(text);
    EXPECT_EQ(load().error().code, Errc::invalid) << text;
  }
}

TEST_F(ConfigFile, NamesOfTheUsersOwnStandInTheMiddle) {
  write("[projection.account_summaries]\nbatch = 7\n");

  const auto config = load({.variables = {{"STELE_PROJECTION_HISTORY_BATCH", "9"}}});

  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->number("projection.account_summaries.batch"), 7U);
  EXPECT_EQ(config->number("projection.history.batch"), 9U);
}

TEST_F(ConfigFile, WhatIsNotTomlIsRefusedWithItsLine) {
  write("[serve]\nlisten = \n");
  EXPECT_TRUE(load().error().message.contains("line 2"));

  write("größe = 1\n");
  EXPECT_TRUE(load().error().message.contains("line 1"));

  write("[= \"a table without a name\"\n");
  EXPECT_TRUE(load().error().message.contains("line 1"));
}

TEST_F(ConfigFile, AFileThatWasNamedMustBeThere) {
  EXPECT_EQ(load().error().code, Errc::not_found);
}

TEST_F(ConfigFile, WhatThisBuildHasNotIsRefusedByItsName) {
  for (const char* text :
       {"[broker]\nkafka = \"localhost:9092\"", "[store]\nkind = \"postgres\"",
        "[serve]\nroles = [\"api\", \"relay\"]", "[sink.s]\nkind = \"redis\"",
        "[projection.p]\nsource = \"broker\"", "[telemetry]\notlp = \"http://127.0.0.1\""}) {
    write(text);
    const auto config = load();
    ASSERT_FALSE(config) << text;
    EXPECT_TRUE(config.error().message.contains("not in this build")) << config.error().message;
  }
  write("");
  const auto variable = load({.variables = {{"STELE_BROKER_KAFKA", "x"}}});
  EXPECT_TRUE(variable.error().message.contains("not in this build"));
}

TEST_F(ConfigFile, AProjectionsSinkMustHaveATableOfItsOwn) {
  write("[projection.history]\nsink = \"fast\"\n");
  EXPECT_TRUE(load().error().message.contains("there is no [sink.fast]"));

  write(
      "[projection.history]\nsink = \"fast\"\non_error = \"pause\"\n"
      "[sink.fast]\nkind = \"sqlite\"\n");
  const auto config = load();
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->names_in("projection"), (std::vector<std::string>{"history"}));
}

TEST(Variables, AreCheckedForProgramsThatReadNoSettingsToo) {
  EXPECT_TRUE(check_variables({{"STELE_URL", "x"}, {"HOME", "/"}, {"STELE_TEST_BIN", "y"}}));
  EXPECT_TRUE(check_variables({{"STELE_ULR", "x"}}).error().message.contains("STELE_ULR"));
}

TEST_F(ConfigFile, VariablesOfTheTestsAndTheClientAreNoSettings) {
  write("");
  EXPECT_TRUE(load({.variables = {{"STELE_TEST_SCALE", "1"},
                                  {"STELE_REQUIRE_SERVERS", "all"},
                                  {"STELE_URL", "http://127.0.0.1:1"},
                                  {"PATH", "/bin"}}}));
}

}  // namespace
}  // namespace stele::service
