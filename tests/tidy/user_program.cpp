// A user's program: what a newcomer writes against the library, at most 60 lines. The tidy test
// holds the time that it takes to compile.

#include <iostream>

#include "stele/event_store.h"

int main() {
  const auto store = stele::make_memory_store();
  const stele::NewEvent opened{.type = "AccountOpened", .data = R"({"owner": "Ada"})"};
  const stele::StreamAppend account{
      .stream = "account-42", .expected = stele::Expected::none(), .events = {&opened, 1}};

  const auto outcome = store->append({.streams = {&account, 1}});
  if (!outcome) {
    std::cerr << outcome.error().message << '\n';
    return 1;
  }
  const auto page = store->read_all(stele::Position{0}, {}, 100);
  if (!page) return 1;
  for (const stele::EventView& event : page->events) {
    std::cout << number(event.position) << ' ' << event.stream << ' ' << event.type << '\n';
  }
  return 0;
}
