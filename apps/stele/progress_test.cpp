#include "progress.h"

#include <gtest/gtest.h>

namespace stele::program {
namespace {

TEST(ProgressLine, ShowsShareRateAndTimeLeft) {
  EXPECT_EQ(
      progress_line({.done = 50, .total = 100, .items = 1'234, .unit = "commands", .seconds = 2.0}),
      "[###############...............] 50 %  1,234 commands  617/s  3 s left");
  EXPECT_EQ(
      progress_line({.done = 100, .total = 100, .items = 10, .unit = "events", .seconds = 1.0}),
      "[##############################] 100 %  10 events  10/s");
}

TEST(ProgressLine, CountsTheTimeLeftFromWhereThisRunBegan) {
  EXPECT_EQ(
      progress_line(
          {.done = 75, .total = 100, .first = 50, .items = 25, .unit = "events", .seconds = 10.0}),
      "[######################........] 75 %  25 events  2/s  11 s left");
}

TEST(ProgressLine, ShowsOnlyTheRateWhenTheEndIsUnknown) {
  EXPECT_EQ(progress_line({.items = 10, .unit = "events", .seconds = 2.0}), "10 events  5/s");
}

TEST(ProgressLine, GivesUpTheBarRatherThanBreakingTheLine) {
  const ProgressPicture picture{
      .done = 50, .total = 100, .items = 1'234, .unit = "commands", .seconds = 2.0};
  EXPECT_EQ(progress_line(picture, 50), "[#####.....] 50 %  1,234 commands  617/s  3 s left");
  EXPECT_EQ(progress_line(picture, 38), "50 %  1,234 commands  617/s  3 s left");
  EXPECT_LE(progress_line(picture, 20).size(), 20U);
}

TEST(DurationText, SpeaksInTheTwoUnitsThatMatter) {
  EXPECT_EQ(duration_text(0.4), "0 s");
  EXPECT_EQ(duration_text(59.9), "59 s");
  EXPECT_EQ(duration_text(200), "3 min 20 s");
  EXPECT_EQ(duration_text(7'500), "2 h 5 min");
}

TEST(Progress, DrawsNothingWhereNobodyLooks) {
  ::testing::internal::CaptureStderr();
  {
    Progress progress{"events", 10, {.quiet = true}};
    progress.show(5, 5);
    EXPECT_FALSE(progress.drawn_on_terminal());
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(WithCommas, GroupsByThousands) {
  EXPECT_EQ(with_commas(7), "7");
  EXPECT_EQ(with_commas(1'234'567), "1,234,567");
}

}  // namespace
}  // namespace stele::program
