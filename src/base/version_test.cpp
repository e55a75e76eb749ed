#include "stele/version.h"

#include <gtest/gtest.h>

#include <string>

namespace stele {
namespace {

static_assert(is_at_least(STELE_VERSION_MAJOR, STELE_VERSION_MINOR, STELE_VERSION_PATCH));
static_assert(!is_at_least(STELE_VERSION_MAJOR, STELE_VERSION_MINOR, STELE_VERSION_PATCH + 1));
static_assert(!is_at_least(STELE_VERSION_MAJOR, STELE_VERSION_MINOR + 1));
static_assert(!is_at_least(STELE_VERSION_MAJOR + 1, 0));
static_assert(is_at_least(STELE_VERSION_MAJOR - 1, STELE_VERSION_MINOR + 1));

TEST(Version, IsTheSameInTextAndNumbers) {
  const std::string numbers = std::to_string(STELE_VERSION_MAJOR) + "." +
                              std::to_string(STELE_VERSION_MINOR) + "." +
                              std::to_string(STELE_VERSION_PATCH);
  EXPECT_EQ(version_text, numbers);
}

TEST(Version, OfTheLibraryIsThatOfItsHeaders) { EXPECT_EQ(library_version(), version_text); }

}  // namespace
}  // namespace stele
