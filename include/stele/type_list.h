// Module: event
// Lists of types: which events and commands a decider or a projection handles.

#pragma once

namespace stele {

template <typename... E>
struct Events {};

template <typename... C>
struct Commands {};

}  // namespace stele
