// Edits to files, as a fuzz input tells them: bits flipped, bytes written, ranges zeroed, copied,
// cut off. So an input of a few bytes turns a good file into one that is almost good, which is what
// disks and mistakes make of files.

#pragma once

#include <cstddef>
#include <vector>

#include "target.h"

namespace stele::fuzz {

inline constexpr std::size_t edits_max = 32;  ///< Of one input.

/// Takes one edit off `input` and applies it to `bytes`, which may become shorter but not longer.
void edit(Input& input, std::vector<std::byte>& bytes);

}  // namespace stele::fuzz
