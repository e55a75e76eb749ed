#include "drivers/sqlite/sqlite.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace stele::sqlite {
namespace {

class SqliteTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::path{::testing::TempDir()} /
        ("sqlite_" + std::string{::testing::UnitTest::GetInstance()->current_test_info()->name()});
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name = "a.sqlite") const { return folder_ / name; }

  std::unique_ptr<Database> open(const Options& options = {}) const {
    auto database = Database::open(path(), options);
    EXPECT_TRUE(database) << database.error().message;
    return std::move(*database);
  }

  std::filesystem::path folder_;
};

TEST_F(SqliteTest, StoresEveryKindOfValueAndGivesItBack) {
  const auto db = open();
  ASSERT_TRUE(db->execute("CREATE TABLE t(i INTEGER, r REAL, s TEXT, b BLOB, n TEXT, e TEXT)"));
  const std::string bytes{"a\0b", 3};
  auto insert = db->prepare("INSERT INTO t VALUES(?,?,?,?,?,?)");
  ASSERT_TRUE(insert);
  insert->bind(0, std::int64_t{-9'007'199'254'740'993});
  insert->bind(1, 0.5);
  insert->bind(2, std::string_view{"\xC3\xA4"});
  insert->bind_blob(3, bytes);
  insert->bind_null(4);
  insert->bind(5, std::string_view{});
  ASSERT_TRUE(insert->run());
  EXPECT_EQ(db->changes(), 1);

  auto select = db->prepare("SELECT i, r, s, b, n, e FROM t");
  ASSERT_TRUE(select);
  ASSERT_EQ(select->step().value(), true);
  EXPECT_EQ(select->columns(), 6);
  EXPECT_EQ(select->column_name(2), "s");
  EXPECT_EQ(select->int64(0), -9'007'199'254'740'993);
  EXPECT_EQ(select->real(1), 0.5);
  EXPECT_EQ(select->text(2), "\xC3\xA4");
  EXPECT_EQ(select->blob(3), bytes);
  EXPECT_TRUE(select->is_null(4));
  EXPECT_FALSE(select->is_null(5));
  EXPECT_EQ(select->text(5), "");
  EXPECT_EQ(select->step().value(), false);
}

TEST_F(SqliteTest, RollsBackATransactionThatEndsWithoutACommit) {
  const auto db = open();
  ASSERT_TRUE(db->execute("CREATE TABLE t(i INTEGER)"));
  {
    const auto transaction = Transaction::begin(*db);
    ASSERT_TRUE(transaction);
    ASSERT_TRUE(db->execute("INSERT INTO t VALUES(1)"));
    EXPECT_TRUE(db->in_transaction());
  }
  EXPECT_FALSE(db->in_transaction());
  EXPECT_EQ(db->query_int64("SELECT count(*) FROM t").value(), 0);
  {
    auto transaction = Transaction::begin(*db);
    ASSERT_TRUE(transaction);
    ASSERT_TRUE(db->execute("INSERT INTO t VALUES(1)"));
    ASSERT_TRUE(transaction->commit());
  }
  EXPECT_EQ(db->query_int64("SELECT count(*) FROM t").value(), 1);
}

TEST_F(SqliteTest, KeepsABoundedNumberOfStatementsPrepared) {
  const auto db = open();
  for (std::size_t i = 0; i < 3 * cached_statements_max; ++i) {
    EXPECT_EQ(db->query_int64("SELECT " + std::to_string(i)).value(), static_cast<std::int64_t>(i));
  }
  // Two uses of one text at the same time are two statements.
  auto first = db->cached("SELECT ?");
  auto second = db->cached("SELECT ?");
  ASSERT_TRUE(first && second);
  first->bind(0, std::int64_t{1});
  second->bind(0, std::int64_t{2});
  ASSERT_TRUE(first->step().value() && second->step().value());
  EXPECT_EQ(first->int64(0), 1);
  EXPECT_EQ(second->int64(0), 2);
}

TEST_F(SqliteTest, ReadsOneStateWhileAnotherConnectionWrites) {
  const auto writer = open();
  ASSERT_TRUE(writer->execute("CREATE TABLE t(i INTEGER); INSERT INTO t VALUES(1)"));
  const auto reader = open({.access = Access::read_only});
  const auto state = Transaction::begin(*reader, Transaction::Kind::deferred);
  ASSERT_TRUE(state);
  EXPECT_EQ(reader->query_int64("SELECT count(*) FROM t").value(), 1);
  ASSERT_TRUE(writer->execute("INSERT INTO t VALUES(2)"));
  EXPECT_EQ(reader->query_int64("SELECT count(*) FROM t").value(), 1);
}

TEST_F(SqliteTest, SaysWhatWentWrongInOurWordsAndInSqlites) {
  const auto db = open();
  const auto missing = db->prepare("SELECT x FROM nowhere");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::invalid);
  EXPECT_NE(missing.error().message.find(path()), std::string::npos);
  EXPECT_EQ(missing.error().detail, "no such table: nowhere");

  ASSERT_TRUE(db->execute("CREATE TABLE t(i INTEGER UNIQUE); INSERT INTO t VALUES(1)"));
  EXPECT_EQ(db->execute("INSERT INTO t VALUES(1)").error().code, Errc::invalid);

  auto select = db->prepare("SELECT ?");
  select->bind(7, std::int64_t{1});
  EXPECT_EQ(select->step().error().code, Errc::invalid);

  EXPECT_EQ(Database::open(path("no/folder")).error().code, Errc::unavailable);
  EXPECT_EQ(Database::open(path("none"), {.access = Access::read_only}).error().code,
            Errc::unavailable);
  std::ofstream{path("text")} << std::string(4'096, 'x');
  EXPECT_EQ(Database::open(path("text")).error().code, Errc::corrupt);
}

TEST_F(SqliteTest, RefusesWritesThroughAReadOnlyConnection) {
  ASSERT_TRUE(open()->execute("CREATE TABLE t(i INTEGER)"));
  const auto reader = open({.access = Access::read_only});
  EXPECT_EQ(reader->execute("INSERT INTO t VALUES(1)").error().code, Errc::read_only);
}

}  // namespace
}  // namespace stele::sqlite
