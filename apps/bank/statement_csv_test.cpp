#include "bank/statement_csv.h"

#include <gtest/gtest.h>

#include <string>

namespace bank {
namespace {

Money usd(std::int64_t minor) { return {minor, Currency::find("USD").value()}; }

std::string row_of(std::string description, std::optional<std::string> reference = std::nullopt) {
  Statement statement;
  statement.account_id = "ada";
  statement.currency = Currency::find("USD").value();
  StatementLine& line = statement.lines.emplace_back();
  line.timestamp = Timestamp{1};
  line.version = stele::Version{7};
  line.type = MovementType::transfer_out;
  line.amount = usd(123456789);
  line.fee = usd(5);
  line.balance = usd(-1);
  line.description = std::move(description);
  line.reference = std::move(reference);
  line.counterparty = "bob";
  const std::string csv = to_csv(statement);
  return csv.substr(csv.find("\r\n") + 2);
}

TEST(StatementCsv, HasAHeaderAndEndsEachRowWithCrLf) {
  EXPECT_EQ(to_csv({}),
            "timestamp,transactionId,eventId,version,type,description,reference,counterparty,"
            "amount,fee,balance,currency\r\n");
  EXPECT_EQ(row_of("Transfer to bob", "rent"),
            "1970-01-01T00:00:00.000001Z,00000000-0000-0000-0000-000000000000,"
            "00000000-0000-0000-0000-000000000000,7,TRANSFER_OUT,\"Transfer to bob\",\"rent\","
            "\"bob\",1234567.89,0.05,-0.01,USD\r\n");
}

TEST(StatementCsv, LeavesWhatIsMissingEmptyAndWhatIsEmptyQuoted) {
  EXPECT_TRUE(row_of("x").contains(",\"x\",,\"bob\","));
  EXPECT_TRUE(row_of("x", "").contains(",\"x\",\"\",\"bob\","));
}

TEST(StatementCsv, KeepsQuotesCommasAndLineEndsInsideOneCell) {
  EXPECT_TRUE(row_of("a \"b\", c\r\nd").contains(",\"a \"\"b\"\", c\r\nd\","));
  EXPECT_TRUE(row_of("Grüße, 日本").contains(",\"Grüße, 日本\","));
}

TEST(StatementCsv, TakesTheForceFromWhatASpreadsheetWouldRun) {
  for (const std::string text :
       {"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "   -1", "＝1", "＋1", "－1",
        "＠x", "\xC2\xA0=1", "\xEF\xBB\xBF=1", "\xE3\x80\x80=1"}) {
    EXPECT_TRUE(row_of("x", text).contains(",\"'" + text + "\",")) << text;
    EXPECT_TRUE(row_of(text).contains(",\"'" + text + "\",")) << text;
  }
}

TEST(StatementCsv, LeavesOtherTextsAsTheyAre) {
  for (const std::string text : {"rent", "1=1", "a-b", "'quoted", "", " ", "50% off"}) {
    EXPECT_TRUE(row_of("x", text).contains(",\"" + text + "\",")) << text;
  }
}

}  // namespace
}  // namespace bank
