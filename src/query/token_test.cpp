#include "query/token.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "query/base64url.h"
#include "query/cursor.h"
#include "query/waiting.h"

namespace stele::query {
namespace {

LogId log_of(std::uint8_t byte) {
  LogId log;
  log.bytes[0] = byte;
  return log;
}

const Token sample{.epoch = Epoch{1},
                   .position = Position{123'456},
                   .stream_hash = hash_of_stream("account-42"),
                   .version = Version{7}};

TEST(Token, ComesBackFromItsText) {
  const std::string text = encode_token(sample, log_of(1));
  EXPECT_LE(text.size(), token_size_max);
  EXPECT_EQ(
      text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
      std::string::npos);
  EXPECT_EQ(decode_token(text, log_of(1), Epoch{1}), sample);
}

TEST(Token, IsRefusedByAnotherLogAndAnotherEpoch) {
  const std::string text = encode_token(sample, log_of(1));
  EXPECT_EQ(decode_token(text, log_of(2), Epoch{1}).error().code, Errc::invalid);
  const auto later = decode_token(text, log_of(1), Epoch{2});
  ASSERT_FALSE(later);
  EXPECT_NE(later.error().message.find("epoch"), std::string::npos);
}

TEST(Token, IsRefusedWithAnyCharacterChangedAddedOrTaken) {
  const std::string text = encode_token(sample, log_of(1));
  const auto refused = [](const std::string& other) {
    return !decode_token(other, log_of(1), Epoch{1});
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char c : {'A', 'b', '9', '_', '=', ' ', '\0', '+'}) {
      std::string other = text;
      if (other[i] == c) continue;
      other[i] = c;
      EXPECT_TRUE(refused(other)) << other;
    }
    EXPECT_TRUE(refused(text.substr(0, i)));
  }
  EXPECT_TRUE(refused(text + "A"));
  EXPECT_TRUE(refused(text + "="));
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused(std::string(token_size_max + 1, 'A')));
}

TEST(Token, IsShownByItsOwnRowAtItsVersionOrLater) {
  EXPECT_FALSE(row_shows(sample, "account-42", Version{6}));
  EXPECT_TRUE(row_shows(sample, "account-42", Version{7}));
  EXPECT_TRUE(row_shows(sample, "account-42", Version{8}));
  EXPECT_FALSE(row_shows(sample, "account-43", Version{8}));
}

TEST(Base64Url, GivesBackAnyBytesAndHasOneTextForEach) {
  std::mt19937_64 random{3};
  for (std::size_t size = 0; size < 70; ++size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(random() & 0xff);
    const std::string text = to_base64url(bytes);
    EXPECT_EQ(from_base64url(text), bytes);
  }
  EXPECT_EQ(to_base64url("\xfb\xff"), "-_8");
  EXPECT_EQ(from_base64url("-_9"), std::nullopt);  // Bits that no byte has.
  EXPECT_EQ(from_base64url("A"), std::nullopt);
  EXPECT_EQ(from_base64url("AA=="), std::nullopt);
}

const Select newest{
    .where = {{"account", Compare::equal, "42"}}, .order_by = {"version"}, .descending = true};

TEST(Cursor, ComesBackFromItsText) {
  const std::vector<Value> place = {Value{}, std::int64_t{-5}, 0.5, "text", std::string(200, 'x')};
  const std::uint64_t query = hash_of_query("payments", newest);
  EXPECT_EQ(decode_cursor(encode_cursor(query, place), query), place);
}

TEST(Cursor, IsRefusedByAnotherQuery) {
  const std::string text = encode_cursor(hash_of_query("payments", newest), {"a"});
  const auto refused = [&](std::string_view name, const Select& select) {
    const auto decoded = decode_cursor(text, hash_of_query(name, select));
    return !decoded && decoded.error().code == Errc::invalid;
  };
  EXPECT_TRUE(refused("sums", newest));
  Select other = newest;
  other.where[0].value = "43";
  EXPECT_TRUE(refused("payments", other));
  other = newest;
  other.where[0].compare = Compare::not_equal;
  EXPECT_TRUE(refused("payments", other));
  other = newest;
  other.descending = false;
  EXPECT_TRUE(refused("payments", other));
  other = newest;
  other.order_by = {};
  EXPECT_TRUE(refused("payments", other));
  other = newest;
  other.limit = 7;  // A page of another size goes on with the same cursor.
  EXPECT_FALSE(refused("payments", other));
}

TEST(Cursor, IsRefusedWithAnyByteChanged) {
  const std::uint64_t query = hash_of_query("payments", newest);
  const std::string text = encode_cursor(query, {std::int64_t{7}, "key"});
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string other = text;
    other[i] = other[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(decode_cursor(other, query)) << other;
    EXPECT_FALSE(decode_cursor(text.substr(0, i), query));
  }
  std::mt19937_64 random{5};
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes;
    for (std::uint64_t size = random() % 60; size > 0; --size) {
      bytes += static_cast<char>(random() & 0xff);
    }
    EXPECT_FALSE(decode_cursor(to_base64url(bytes), query));
  }
}

}  // namespace
}  // namespace stele::query
