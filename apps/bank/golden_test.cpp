// Goal: what was recorded stays readable, and today's code records what it always did.
// Method: golden/ holds the stored bytes of events, one file or more for each event type:
//
//   <type>.v<schema version>[.<what is special>].json
//
// Each is read with today's code; those of the newest version must come out again byte for byte. A
// type without a file fails, and so does a file that no type reads.
//
// When an event changes, its schema version is raised, the old files stay as they are, and new ones
// are added: docs/guides/evolve-events.md. These tests print the bytes that a new file would hold.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "bank/account.h"
#include "bank/bank.h"
#include "stele/registry.h"

namespace bank {
namespace {

namespace fs = std::filesystem;

struct Golden {
  std::string file, type;
  std::uint16_t version = 0;
  std::string data;
};

std::vector<Golden> all_golden() {
  std::vector<Golden> all;
  for (const auto& entry : fs::directory_iterator{STELE_BANK_GOLDEN}) {
    Golden golden;
    golden.file = entry.path().filename().string();
    const std::size_t dot = golden.file.find(".v");
    EXPECT_NE(dot, std::string::npos) << golden.file << " must be named <type>.v<version>.json.";
    if (dot == std::string::npos) continue;
    golden.type = golden.file.substr(0, dot);
    golden.version = static_cast<std::uint16_t>(std::stoi(golden.file.substr(dot + 2)));
    std::ifstream in{entry.path(), std::ios::binary};
    golden.data.assign(std::istreambuf_iterator<char>{in}, {});
    if (golden.data.ends_with('\n')) golden.data.pop_back();  // Of the file, not of the event.
    all.push_back(std::move(golden));
  }
  std::ranges::sort(all, {}, &Golden::file);
  return all;
}

// The event as the store would give it back, in its newest form. The views are of `golden` and
// `buffer`.
stele::Result<stele::EventView> newest_of(const Golden& golden, const stele::Upcasters& upcasters,
                                          std::string& buffer) {
  stele::EventView event;
  event.position = stele::Position{1};
  event.type = golden.type;
  event.schema_version = golden.version;
  event.data = golden.data;
  return upcasters.apply(event, buffer);
}

template <typename E>
void check_as(const Golden& golden, const stele::EventView& newest) {
  const auto event = stele::decode_event<E>(newest);
  ASSERT_TRUE(event) << golden.file << ": " << event.error().message;
  const auto written = stele::to_json(*event);
  ASSERT_TRUE(written) << golden.file << ": " << written.error().message;
  if (golden.version != stele::schema_version_of<E>()) return;
  EXPECT_EQ(*written, golden.data)
      << "Today's code writes " << golden.file << " in another way (the first of the two). Stored "
      << "events do not change: raise schema_version of " << golden.type << ", add an upcaster "
      << "and a new file, and leave this one as it is.";
}

template <typename... E>
bool check_one(const Golden& golden, const stele::EventView& newest, stele::Events<E...>) {
  return ((newest.type == stele::type_name<E>() &&
           newest.schema_version == stele::schema_version_of<E>() &&
           (check_as<E>(golden, newest), true)) ||
          ...);
}

template <typename... E>
std::set<std::string> newest_types(stele::Events<E...>) {
  return {(std::string{stele::type_name<E>()} + ".v" +
           std::to_string(stele::schema_version_of<E>()))...};
}

TEST(Golden, EveryStoredEventIsReadAndWrittenAsItAlwaysWas) {
  stele::Service service{{.settings = {{"store.kind", "memory"}}, .use_variables = false}};
  register_bank(service);
  const std::vector<Golden> all = all_golden();
  ASSERT_FALSE(all.empty());
  for (const Golden& golden : all) {
    std::string buffer;
    const auto newest = newest_of(golden, service.upcasters(), buffer);
    ASSERT_TRUE(newest) << golden.file << ": " << newest.error().message;
    EXPECT_TRUE(check_one(golden, *newest, Account::Events{}))
        << golden.file << " becomes " << newest->type << " of version " << newest->schema_version
        << ", which no event of the bank is. Is an upcaster missing?";
  }
}

TEST(Golden, EveryEventTypeHasAFileOfItsNewestVersion) {
  std::set<std::string> missing = newest_types(Account::Events{});
  for (const Golden& golden : all_golden()) {
    missing.erase(golden.type + ".v" + std::to_string(golden.version));
  }
  for (const std::string& name : missing) {
    ADD_FAILURE() << "apps/bank/golden/" << name << ".json is missing: the bytes that are stored.";
  }
}

}  // namespace
}  // namespace bank
