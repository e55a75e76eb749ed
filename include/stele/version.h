// Module: base
// Which Stele a program is compiled against. Versions follow semver.org for the source: a program
// that compiles with 0.1 compiles with every later 0.x (docs/start/install.md says what belongs to
// that). There is no promise for binaries: build library and program with one compiler.
//
//   static_assert(stele::is_at_least(0, 1), "This service needs Stele 0.1.");

#pragma once

#include <string_view>
#include <version>

#if !defined(__cpp_lib_expected)
#error "Stele needs C++23 with std::expected: compile with -std=c++23 and GCC 12 or later."
#endif

// The one place where the version stands: CMake, the package files and `stele --version` read it.
#define STELE_VERSION_MAJOR 0
#define STELE_VERSION_MINOR 1
#define STELE_VERSION_PATCH 0

namespace stele {

/// Of these headers, as text.
inline constexpr std::string_view version_text = "0.1.0";

/// Of the library that the program was linked with. If it differs from `version_text`, the
/// compiler and the linker found two installations. Thread-safe.
[[nodiscard]] std::string_view library_version() noexcept;

/// Whether the headers are of this version or a later one.
[[nodiscard]] consteval bool is_at_least(int major, int minor, int patch = 0) {
  if (major != STELE_VERSION_MAJOR) return major < STELE_VERSION_MAJOR;
  if (minor != STELE_VERSION_MINOR) return minor < STELE_VERSION_MINOR;
  return patch <= STELE_VERSION_PATCH;
}

}  // namespace stele
