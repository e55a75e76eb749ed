// toml++, so that no file can end the program or make it do what no code says.
//
// Two things of version 3.3 are put right, both found by the fuzzer `import`. Its parser asserts
// what it also tells as an error, such as a table without a name. And its tables of blanks call
// letters beyond ASCII, where a blank may stand, unreachable: here they are simply no blanks.

#pragma once

#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1  // What is put right here must also be what runs.
#define TOML_EXCEPTIONS 0
#define TOML_ASSERT(expr) static_assert(true)
#include <toml++/impl/forward_declarations.h>

#pragma push_macro("TOML_UNREACHABLE")
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE \
  return {}
#include <toml++/impl/unicode.h>
#pragma pop_macro("TOML_UNREACHABLE")

#include <toml++/toml.h>
