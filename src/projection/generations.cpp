#include "projection/generations.h"

#include <algorithm>

namespace stele::projection {

std::string_view to_string(Role role) noexcept {
  switch (role) {
    case Role::live:
      return "live";
    case Role::building:
      return "building";
    case Role::kept:
      break;
  }
  return "kept";
}

std::optional<Role> role_of(std::string_view text) noexcept {
  for (const Role role : {Role::live, Role::building, Role::kept}) {
    if (to_string(role) == text) return role;
  }
  return std::nullopt;
}

const Generation* Catalogue::find(int number) const noexcept {
  const auto found = std::ranges::find(generations, number, &Generation::number);
  return found == generations.end() ? nullptr : &*found;
}

const Generation* Catalogue::find(Role role) const noexcept {
  const auto found = std::ranges::find(generations, role, &Generation::role);
  return found == generations.end() ? nullptr : &*found;
}

}  // namespace stele::projection
