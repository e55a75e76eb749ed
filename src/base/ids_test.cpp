#include "stele/ids.h"

#include <gtest/gtest.h>

#include "stele/time.h"

namespace stele {
namespace {

TEST(Uuid, ReadsWhatItWrites) {
  const std::string text = "0190c6a1-3f2e-7abc-8def-0123456789ab";
  const auto id = Uuid::parse(text);
  ASSERT_TRUE(id);
  EXPECT_EQ(id->text(), text);
  EXPECT_EQ(to_hex(tip_of(*id)), "8def0123456789ab");
  EXPECT_EQ(parse_tip("8def0123456789ab"), tip_of(*id));
}

TEST(Uuid, RefusesWhatIsNotOne) {
  for (const char* text :
       {"", "x", "0190c6a1-3f2e-7abc-8def-0123456789a", "0190c6a1x3f2e-7abc-8def-0123456789ab",
        "0190c6a1-3f2e-7abc-8def-0123456789ag"}) {
    EXPECT_EQ(Uuid::parse(text).error().code, Errc::invalid) << text;
  }
}

TEST(StreamName, IsACategoryAndAnIdAroundTheFirstHyphen) {
  EXPECT_TRUE(check_stream_name("account-42"));
  EXPECT_EQ(category_of("account-42-b"), "account");
  EXPECT_EQ(id_of("account-42-b"), "42-b");
  for (const std::string& name :
       {std::string{}, std::string{"account"}, std::string{"-42"}, std::string{"account-"},
        "a-" + std::string(254, 'x'), std::string{"a-\n"}, std::string{"a-\xC0\xAF"}}) {
    EXPECT_EQ(check_stream_name(name).error().code, Errc::invalid) << name;
  }
  EXPECT_TRUE(check_stream_name("a-" + std::string(253, 'x')));
}

TEST(Utf8, RefusesOverlongFormsAndSurrogates) {
  EXPECT_TRUE(is_utf8("gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80"));
  for (const char* text :
       {"\x80", "\xC1\x81", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82"}) {
    EXPECT_FALSE(is_utf8(text));
  }
}

TEST(Time, ReadsRfc3339WithOffsetsAndDates) {
  EXPECT_EQ(to_rfc3339(parse_time("2026-01-31T12:00:00Z").value()), "2026-01-31T12:00:00.000000Z");
  EXPECT_EQ(to_rfc3339(parse_time("2026-01-31T12:00:00.1234567+02:30").value()),
            "2026-01-31T09:30:00.123456Z");
  EXPECT_EQ(to_rfc3339(parse_time("1969-12-31").value()), "1969-12-31T00:00:00.000000Z");
  EXPECT_EQ(to_rfc3339(parse_time("0001-01-01").value()), "0001-01-01T00:00:00.000000Z");
  EXPECT_EQ(to_rfc3339(Timestamp{-1}), "1969-12-31T23:59:59.999999Z");
}

TEST(Time, RefusesWhatIsNoTime) {
  for (const char* text : {"", "2026", "2026-02-30", "2026-01-31T24:00:00Z", "2026-01-31T12:00:00",
                           "2026-01-31T12:00Z", "2026-01-31T12:00:00.Z", "2026-01-31T12:00:00Zx",
                           "0000-01-01", "2026-13-01"}) {
    EXPECT_EQ(parse_time(text).error().code, Errc::invalid) << text;
  }
}

}  // namespace
}  // namespace stele
