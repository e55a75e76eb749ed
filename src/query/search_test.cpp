// Full text and `one_of`: what is found must be what a plain look at the rows finds, whatever was
// written, changed, erased and given up before.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "projection/sqlite/full_text.h"
#include "projection/sqlite/sqlite_sink.h"
#include "projection/testing/sample.h"
#include "projection/testing/scratch_folder.h"
#include "query/sqlite_reader.h"

namespace stele::query {
namespace {

using projection::testing::Paid;

struct NoteRow {
  std::string owner;
  std::string title;
  std::optional<std::string> body;
  std::int64_t rank = 0;
};
STELE_DESCRIBE(NoteRow, owner, title, body, rank);

struct Notes {
  static constexpr auto name = "notes";
  static constexpr int generation = 1;
  static constexpr Index indexes[] = {{{"owner", "rank"}}};
  static constexpr FullText full_text = {.columns = {"title", "body"}, .within = "owner"};
  using Events = stele::Events<Paid>;
  using Row = NoteRow;
  static Rows<Row> map(const Paid&, const At&) { return {}; }
};

class SearchTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(sink_->open(spec_)); }

  void put(const std::string& key, const NoteRow& row) {
    RowWriter writer;
    const auto cells = writer.write(row);
    ASSERT_TRUE(cells);
    ASSERT_TRUE(sink_->put(
        {.key = key, .version = Version{1}, .position = Position{++position_}, .cells = *cells}));
  }
  void erase(const std::string& key) {
    ASSERT_TRUE(sink_->put({.key = key,
                            .version = Version{1},
                            .position = Position{++position_},
                            .cells = {},
                            .erase = true}));
  }
  void commit() {
    Checkpoint checkpoint;
    checkpoint.position = Position{position_};
    ASSERT_TRUE(sink_->commit(checkpoint));
  }
  void store(const std::map<std::string, NoteRow>& rows) {
    ASSERT_TRUE(sink_->begin());
    for (const auto& [key, row] : rows) put(key, row);
    commit();
  }
  // The keys that `select` finds, page by page.
  std::vector<std::string> keys_of(Select select) {
    const ReadModel<Notes> notes{reader_};
    std::vector<std::string> keys;
    do {
      const auto page = notes.select(select);
      EXPECT_TRUE(page) << page.error().message;
      if (!page) break;
      for (const auto& found : page->rows) keys.push_back(found.key);
      select.cursor = page->next;
    } while (!select.cursor.empty());
    return keys;
  }
  std::vector<std::string> found(const std::string& search) { return keys_of({.search = search}); }
  std::vector<std::string> found_of(const std::string& owner, const std::string& search) {
    return keys_of({.where = {{"owner", Compare::equal, owner}}, .search = search});
  }
  Error refusal(const Select& select) {
    const auto page = ReadModel<Notes>{reader_}.select(select);
    return page ? Error{.message = "It was not refused."} : page.error();
  }

  projection::testing::ScratchFolder folder_;
  const ProjectionSpec spec_ = make_map<Notes>()->spec();
  std::unique_ptr<projection::Sink> sink_ = projection::make_sqlite_sink(folder_.path());
  std::shared_ptr<RowReader> reader_ = make_sqlite_reader(folder_.path(), spec_);
  std::uint64_t position_ = 0;
};

using Keys = std::vector<std::string>;

TEST_F(SearchTest, FindsRowsThatHoldAllWordsInAnyColumn) {
  store({{"a", {.owner = "1", .title = "Red wine", .body = "from the cellar"}},
         {"b", {.owner = "2", .title = "White wine", .body = {}}},
         {"c", {.owner = "1", .title = "Cellar", .body = "red brick, wine rack"}}});
  EXPECT_EQ(found("wine"), (Keys{"a", "b", "c"}));
  EXPECT_EQ(found("cellar RED"), (Keys{"a", "c"}));
  EXPECT_EQ(found("\"red wine\""), (Keys{"a"}));
  EXPECT_EQ(found("wh*"), (Keys{"b"}));
  EXPECT_EQ(found("wine beer"), (Keys{}));
  EXPECT_EQ(found_of("1", "wine"), (Keys{"a", "c"}));
  EXPECT_EQ(found_of("3", "wine"), (Keys{}));
}

TEST_F(SearchTest, ForgetsTheWordsOfARowThatWasChangedOrErased) {
  store({{"a", {.owner = "1", .title = "old words", .body = {}}},
         {"b", {.owner = "1", .title = "old words", .body = {}}},
         {"c", {.owner = "1", .title = "old words", .body = {}}}});
  ASSERT_TRUE(sink_->begin());
  put("a", {.owner = "2", .title = "new words", .body = "now"});
  erase("b");
  put("c", {.owner = "1", .title = "old words", .body = {}, .rank = 7});  // Its words stay.
  commit();
  EXPECT_EQ(found("old"), (Keys{"c"}));
  EXPECT_EQ(found("new now"), (Keys{"a"}));
  EXPECT_EQ(found_of("1", "words"), (Keys{"c"}));
  EXPECT_EQ(found_of("2", "words"), (Keys{"a"}));

  ASSERT_TRUE(sink_->begin());
  erase("c");
  put("d", {.owner = "1", .title = "fresh", .body = {}});  // May get the number of an erased row.
  commit();
  EXPECT_EQ(found("old"), (Keys{}));
  EXPECT_EQ(found("fresh"), (Keys{"d"}));
}

TEST_F(SearchTest, KnowsNothingOfABatchThatWasAbandoned) {
  store({{"a", {.owner = "1", .title = "kept", .body = {}}}});
  ASSERT_TRUE(sink_->begin());
  put("a", {.owner = "1", .title = "given up", .body = {}});
  put("b", {.owner = "1", .title = "given up", .body = {}});
  sink_->abandon();
  EXPECT_EQ(found("given"), (Keys{}));
  EXPECT_EQ(found("kept"), (Keys{"a"}));
}

TEST_F(SearchTest, PassesOverAWriteThatIsOlderThanTheRow) {
  store({{"a", {.owner = "1", .title = "newer", .body = {}}}});
  position_ = 0;  // Told again, from an older place.
  ASSERT_TRUE(sink_->begin());
  put("b", {.owner = "1", .title = "first", .body = {}});
  position_ = 0;
  RowWriter writer;
  const auto cells = writer.write(NoteRow{.owner = "1", .title = "older", .body = {}});
  ASSERT_TRUE(sink_->put({.key = "a", .version = Version{1}, .position = {}, .cells = *cells}));
  position_ = 1;
  commit();
  EXPECT_EQ(found("older"), (Keys{}));
  EXPECT_EQ(found("newer"), (Keys{"a"}));
}

TEST_F(SearchTest, TakesEveryValueOfTheNarrowingColumnAsItIs) {
  const std::vector<std::string> owners{"a", "a-b", "a b", "\"", "'", "", "é", "AND", "a*", "ab"};
  std::map<std::string, NoteRow> rows;
  for (const std::string& owner : owners) {
    rows["of " + owner] = {.owner = owner, .title = "note", .body = {}};
  }
  store(rows);
  for (const std::string& owner : owners) {
    EXPECT_EQ(found_of(owner, "note"), (Keys{"of " + owner})) << owner;
  }
}

TEST_F(SearchTest, TakesEveryCharacterAsText) {
  store({{"a", {.owner = "1", .title = "a OR b, NOT c", .body = "NEAR(d e) f:g ^h {i}"}}});
  for (const char* search : {"OR", "NOT", "near", "f:g", "^h", "{i}", "NEAR(d", "a\"\"b", "\"a",
                             "-a", "+b", "h*", "(a)", "a,b", "; b", "'a'", "\\a", "title a c"}) {
    const auto expected = std::string_view{search} == "title a c" ? Keys{} : Keys{"a"};
    const bool apart = std::string_view{search} == "a,b";  // Side by side they are not.
    EXPECT_EQ(found(search), apart ? Keys{} : expected) << search;
  }
  // Beyond ASCII the tokenizer judges: what it takes for no word is passed over or finds nothing.
  EXPECT_EQ(refusal({.search = "— …"}).message, "It was not refused.");
}

TEST_F(SearchTest, RefusesWhatHoldsNoWordOrTooMuch) {
  for (const std::string& search :
       {std::string{" "}, std::string{"*"}, std::string{"\"\""}, std::string{"!? \"--\" ..."},
        std::string{'\0'}, std::string(search_size_max + 1, 'a')}) {
    EXPECT_EQ(refusal({.search = search}).code, Errc::invalid) << search;
  }
  std::string words;
  for (std::size_t i = 0; i < search_words_max; ++i) words += "w ";
  EXPECT_EQ(refusal({.search = words}).message, "It was not refused.");
  EXPECT_EQ(refusal({.search = words + "w"}).code, Errc::invalid);
  ProjectionSpec plain = spec_;
  plain.full_text.clear();
  EXPECT_EQ(projection::match_text(plain, "w", std::nullopt).error().code, Errc::invalid);
}

TEST_F(SearchTest, FindsWhatAPlainLookFindsWhateverHappenedBefore) {
  const std::vector<std::string> words{"rent", "gift", "Café", "January", "sales", "re"};
  std::mt19937_64 random{17};
  std::map<std::string, NoteRow> rows;
  const auto some_words = [&] {
    std::string text;
    for (std::uint64_t i = random() % 4; i > 0; --i) text += words[random() % words.size()] + " ";
    return text;
  };
  for (int batch = 0; batch < 40; ++batch) {
    ASSERT_TRUE(sink_->begin());
    auto changed = rows;
    for (int i = 0; i < 25; ++i) {
      const std::string key = "k" + std::to_string(random() % 60);
      if (random() % 4 == 0) {
        erase(key);
        changed.erase(key);
        continue;
      }
      NoteRow row{.owner = std::to_string(random() % 3), .title = some_words(), .body = {}};
      if (random() % 2 == 0) row.body = some_words();
      row.rank = static_cast<std::int64_t>(random() % 5);
      put(key, row);
      changed[key] = row;
    }
    if (random() % 4 == 0) {
      sink_->abandon();
      continue;
    }
    commit();
    rows = changed;

    const std::string& word = words[random() % words.size()];
    const std::string owner = std::to_string(random() % 3);
    Keys expected;
    for (const auto& [key, row] : rows) {
      const std::string text = " " + row.title + " " + row.body.value_or("") + " ";
      if (row.owner == owner && text.contains(" " + word + " ")) expected.push_back(key);
    }
    std::ranges::sort(expected, {},
                      [&](const auto& key) { return std::pair{rows[key].rank, key}; });
    Select select{.where = {{"owner", Compare::equal, owner}},
                  .order_by = {"rank"},
                  .limit = 1 + random() % 4,
                  .search = word};
    ASSERT_EQ(keys_of(select), expected) << word << " of " << owner << " in batch " << batch;
  }
}

TEST_F(SearchTest, ACursorBelongsToItsSearch) {
  store({{"a", {.owner = "1", .title = "x y", .body = {}}},
         {"b", {.owner = "1", .title = "x y", .body = {}}}});
  const auto page = ReadModel<Notes>{reader_}.select({.limit = 1, .search = "x"});
  ASSERT_TRUE(page);
  ASSERT_FALSE(page->next.empty());
  EXPECT_EQ(refusal({.limit = 1, .cursor = page->next, .search = "y"}).code, Errc::invalid);
  EXPECT_EQ(refusal({.limit = 1, .cursor = page->next}).code, Errc::invalid);
}

TEST_F(SearchTest, OneOfHoldsForEachOfItsValuesAndForNoneOfNone) {
  store({{"a", {.owner = "1\"", .title = "x", .body = {}, .rank = 1}},
         {"b", {.owner = "2", .title = "x", .body = {}, .rank = -2}},
         {"c", {.owner = "3", .title = "x", .body = {}, .rank = 3}}});
  const auto one_of = [](std::string column, std::vector<Value> values) {
    return Select{.where = {{.column = std::move(column),
                             .compare = Compare::one_of,
                             .values = std::move(values)}}};
  };
  EXPECT_EQ(keys_of(one_of("owner", {"1\"", "3", "4"})), (Keys{"a", "c"}));
  EXPECT_EQ(keys_of(one_of("rank", {-2, 3})), (Keys{"b", "c"}));
  EXPECT_EQ(keys_of(one_of("owner", {})), (Keys{}));
  EXPECT_EQ(refusal(one_of("owner", {1})).code, Errc::invalid);
  EXPECT_EQ(refusal(one_of("rank", {"1"})).code, Errc::invalid);
  EXPECT_EQ(refusal(one_of("owner", std::vector<Value>(where_values_max + 1, "1"))).code,
            Errc::invalid);
}

TEST(FullTextSpec, IsOverTextColumnsThatAreThereOnce) {
  const ProjectionSpec good = make_map<Notes>()->spec();
  EXPECT_TRUE(check_spec(good));
  for (const auto& [columns, within] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{{{"rank"}, ""},
                                                                     {{"none"}, ""},
                                                                     {{"title", "title"}, ""},
                                                                     {{"title"}, "rank"},
                                                                     {{"title"}, "title"},
                                                                     {{}, "owner"}}) {
    ProjectionSpec bad = good;
    bad.full_text = columns;
    bad.full_text_within = within;
    const auto checked = check_spec(bad);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code, Errc::invalid);
  }
}

}  // namespace
}  // namespace stele::query
