#include "projection/sqlite/sqlite_sink.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "drivers/sqlite/sqlite.h"
#include "projection/sqlite/sqlite_generations.h"
#include "projection/testing/sample.h"
#include "projection/testing/scratch_folder.h"
#include "projection/testing/sink_suite.h"

namespace stele::projection::testing {
namespace {

class SqlitePlace final : public SinkPlace {
 public:
  [[nodiscard]] std::shared_ptr<GenerationStore> connect() override {
    return make_sqlite_generations(folder_.path() / "models");
  }
  void keep_copy() override { replace(folder_.path() / "copy", folder_.path() / "models"); }
  void restore_copy() override { replace(folder_.path() / "models", folder_.path() / "copy"); }

 private:
  static void replace(const std::filesystem::path& to, const std::filesystem::path& from) {
    std::filesystem::remove_all(to);
    std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
  }

  ScratchFolder folder_;
};

std::unique_ptr<SinkPlace> make_place() { return std::make_unique<SqlitePlace>(); }

INSTANTIATE_TEST_SUITE_P(Sqlite, SinkSuite, one_place(&make_place));

TEST(SqliteSink, NamesItsFileByProjectionAndGeneration) {
  const auto fold = make_fold<Sums>();
  EXPECT_EQ(sqlite_file("models", fold->spec()).string(), "models/sums-g1.sqlite");
}

TEST(SqliteSink, SaysSoWhenItHoldsRowsWithoutACheckpoint) {
  const ScratchFolder folder;
  const auto fold = make_fold<Sums>();
  ASSERT_TRUE(make_sqlite_sink(folder.path())->open(fold->spec()));
  const auto database = sqlite::Database::open(sqlite_file(folder.path(), fold->spec()));
  ASSERT_TRUE(database);
  ASSERT_TRUE((*database)->execute("INSERT INTO sums VALUES('a',1,1,'o',NULL,0,0,0,0)"));

  const auto opened = make_sqlite_sink(folder.path())->open(fold->spec());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::corrupt);
}

TEST(SqliteSink, SaysSoWhenTheFolderCannotBeMade) {
  const auto opened = make_sqlite_sink("/proc/none")->open(make_fold<Sums>()->spec());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::unavailable);
}

}  // namespace
}  // namespace stele::projection::testing
