#include "projection/testing/sample.h"

namespace stele::projection::testing {

Expected fold_naively(const EventStore& store) {
  Expected all;
  Position after{};
  while (true) {
    const auto page = store.read_all(after, {}, 1'000).value();
    for (const EventView& event : page.events) {
      const At at = at_of(event);
      const std::string id{id_of(event.stream)};
      if (event.type == "Opened" && category_of(event.stream) == "account") {
        Sums::apply(all.sums[id], decode_event<Opened>(event).value(), at);
      }
      if (event.type != "Paid") continue;
      const Paid paid = decode_event<Paid>(event).value();
      if (category_of(event.stream) == "account") Sums::apply(all.sums[id], paid, at);
      if (paid.amount != 0) Days::apply(all.days[Days::key(paid, at)], paid, at);
      all.payments[event.id.text()] = {.account = id,
                                       .amount = paid.amount,
                                       .version = static_cast<std::int64_t>(number(event.version))};
    }
    if (page.looked_to >= page.log_end) return all;
    after = page.looked_to;
  }
}

}  // namespace stele::projection::testing
