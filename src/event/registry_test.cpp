#include "stele/registry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace stele {
namespace {

struct Renamed {
  static constexpr int schema_version = 3;
  std::string full_name;
};
STELE_DESCRIBE(Renamed, full_name);

struct Imposter {};
STELE_DESCRIBE_AS(Imposter, "Renamed");

EventView event(std::string_view type, std::uint16_t version, std::string_view data) {
  EventView view;
  view.position = Position{7};
  view.type = type;
  view.schema_version = version;
  view.data = data;
  return view;
}

TEST(TypeRegistry, KnowsTypesByTheNameTheyAreRecordedUnder) {
  TypeRegistry types;
  ASSERT_TRUE(types.add<Renamed>());
  ASSERT_TRUE(types.add<Renamed>());

  const EventType* found = types.find("Renamed");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->schema_version, 3);
  EXPECT_EQ(found->members, std::vector<std::string_view>{"full_name"});
  EXPECT_TRUE(found->check(R"({"full_name":"Ada","later":1})"));
  EXPECT_EQ(found->check("{}").error().pointer, "/full_name");
  EXPECT_EQ(types.find("Other"), nullptr);
}

TEST(TypeRegistry, RefusesTwoTypesOfOneName) {
  TypeRegistry types;
  ASSERT_TRUE(types.add<Renamed>());
  EXPECT_EQ(types.add<Imposter>().error().code, Errc::invalid);
}

TEST(Upcasters, BringAnEventToItsNewestFormStepByStep) {
  Upcasters upcasters;
  ASSERT_TRUE(upcasters.add(
      "Named", 1, [](std::string_view data) { return std::string{data} + "+2"; }, "Renamed"));
  ASSERT_TRUE(upcasters.add("Renamed", 2, [](std::string_view) -> Result<std::string> {
    return R"({"full_name":"Ada"})";
  }));
  std::string buffer;

  const auto newest = upcasters.apply(event("Named", 1, "old"), buffer);
  ASSERT_TRUE(newest) << newest.error().message;
  EXPECT_EQ(newest->type, "Renamed");
  EXPECT_EQ(newest->schema_version, 3);
  EXPECT_EQ(decode_event<Renamed>(*newest).value().full_name, "Ada");

  const auto current = upcasters.apply(event("Renamed", 3, "as it is"), buffer);
  EXPECT_EQ(current->data, "as it is");
  EXPECT_EQ(Upcasters{}.apply(event("Named", 1, "x"), buffer)->data, "x");
}

TEST(Upcasters, SayWhichEventCouldNotBeBrought) {
  Upcasters upcasters;
  const auto broken = [](std::string_view) -> Result<std::string> {
    return fail(Errc::invalid, "It has no name.");
  };
  ASSERT_TRUE(upcasters.add("Named", 1, broken));
  EXPECT_EQ(upcasters.add("Named", 1, broken).error().code, Errc::invalid);
  std::string buffer;

  const auto refused = upcasters.apply(event("Named", 1, "{}"), buffer);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::corrupt);
  EXPECT_NE(refused.error().message.find("position 7"), std::string::npos);
  EXPECT_NE(refused.error().message.find("It has no name."), std::string::npos);
}

struct NamedOnce {
  std::string name;
};
STELE_DESCRIBE_AS(NamedOnce, "Named", name);

struct NamedTwice {
  static constexpr int schema_version = 2;
  std::string first, last;
};
STELE_DESCRIBE_AS(NamedTwice, "FullyNamed", first, last);

TEST(Upcasters, LeadFromOneDescribedTypeToTheNext) {
  Upcasters upcasters;
  const auto step =
      +[](const NamedOnce& old) { return NamedTwice{.first = old.name, .last = "-"}; };
  ASSERT_TRUE(upcasters.add(step));
  EXPECT_EQ(upcasters.add(step).error().code, Errc::invalid);
  std::string buffer;
  const auto newest = upcasters.apply(event("Named", 1, R"({"name":"Ada","more":1})"), buffer);
  ASSERT_TRUE(newest) << newest.error().message;
  EXPECT_EQ(newest->type, "FullyNamed");
  EXPECT_EQ(newest->schema_version, 2);
  EXPECT_EQ(newest->data, R"({"first":"Ada","last":"-"})");

  const auto broken = upcasters.apply(event("Named", 1, R"({"name":5})"), buffer);
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, Errc::corrupt);
  EXPECT_NE(broken.error().message.find("/name"), std::string::npos);
}

TEST(Upcasters, KnowTheFormerNamesOfAType) {
  const auto same = [](std::string_view data) -> Result<std::string> { return std::string{data}; };
  Upcasters upcasters;
  ASSERT_TRUE(upcasters.add("A", 1, same, "B"));
  ASSERT_TRUE(upcasters.add("B", 2, same));
  ASSERT_TRUE(upcasters.add("B", 3, same, "C"));
  ASSERT_TRUE(upcasters.add("Other", 1, same, "C"));
  auto names = upcasters.former_names("C");
  std::ranges::sort(names);
  EXPECT_EQ(names, (std::vector<std::string>{"A", "B", "Other"}));
  EXPECT_EQ(upcasters.former_names("B"), (std::vector<std::string>{"A"}));
  EXPECT_TRUE(upcasters.former_names("A").empty());
}

TEST(Registry, SaysWhereAStoredEventDoesNotDecode) {
  const auto decoded = decode_event<Renamed>(event("Renamed", 3, R"({"full_name":5})"));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, Errc::corrupt);
  EXPECT_NE(decoded.error().message.find("/full_name"), std::string::npos);
}

}  // namespace
}  // namespace stele
