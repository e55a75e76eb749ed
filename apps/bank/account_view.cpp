#include "bank/account_view.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace bank {
namespace {

constexpr std::size_t page_events = 1'000;  // Events in one read of a stream.

// Folds the events of one account into its row, and keeps when its movements happened.
class Folding {
 public:
  explicit Folding(const stele::Upcasters& upcasters) : upcasters_{upcasters} {}

  stele::Result<void> take(const stele::EventView& event) {
    const auto newest = upcasters_.apply(event, buffer_);
    if (!newest) return std::unexpected{newest.error()};
    auto taken = take_any(*newest, Account::Events{});
    if (!taken) return taken;
    version_ = event.version;
    position_ = event.position;
    recorded_at_ = event.recorded_at;
    return {};
  }

  [[nodiscard]] stele::Version version() const { return version_; }

  [[nodiscard]] AccountView view(std::optional<Timestamp> at) const {
    const Timestamp since = at.value_or(recorded_at_) - count_window;
    const auto recent =
        std::ranges::count_if(movements_, [since](Timestamp time) { return time > since; });
    return view_of(row_, version_, position_, static_cast<std::uint64_t>(recent));
  }

 private:
  template <typename... E>
  stele::Result<void> take_any(const stele::EventView& event, stele::Events<E...>) {
    stele::Result<void> taken;
    (void)((event.type == stele::type_name<E>() && (taken = take_as<E>(event), true)) || ...);
    return taken;
  }

  template <typename E>
  stele::Result<void> take_as(const stele::EventView& event) {
    const auto decoded = stele::decode_event<E>(event);
    if (!decoded) return std::unexpected{decoded.error()};
    const stele::At at = stele::at_of(event);
    AccountSummary::apply(row_, *decoded, at);
    if constexpr (requires { TransactionHistory::map(*decoded, at); }) {
      if (!TransactionHistory::map(*decoded, at).items().empty()) {
        movements_.push_back(at.occurred_at);
      }
    }
    return {};
  }

  const stele::Upcasters& upcasters_;
  std::string buffer_;  // Of an event that was upcast.
  AccountRow row_;
  std::vector<Timestamp> movements_;
  stele::Version version_{};
  stele::Position position_{};
  Timestamp recorded_at_{};
};

bool is_past(const stele::EventView& event, const AsOf& as_of) {
  return (as_of.version && event.version > *as_of.version) ||
         (as_of.time && event.recorded_at > *as_of.time);
}

}  // namespace

AccountView view_of(const AccountRow& row, stele::Version version, stele::Position position,
                    std::uint64_t count_30days) {
  return {.id = row.account_id,
          .account_id = row.account_id,
          .user_id = row.user_id,
          .owner_name = row.owner_name,
          .account_type = row.account_type,
          .currency = row.currency,
          .balance = row.current_balance,
          .current_balance = row.current_balance,
          .available_balance = row.available_balance,
          .created_at = row.created_at,
          .updated_at = row.last_updated,
          .last_transaction_at = row.last_transaction_at,
          .transaction_count_30days = count_30days,
          .total_deposits = row.total_deposits,
          .total_withdrawals = row.total_withdrawals,
          .total_transfers_out = row.total_transfers_out,
          .total_transfers_in = row.total_transfers_in,
          .is_active = row.is_active,
          .last_updated = row.last_updated,
          .version = version,
          .position = position};
}

stele::Result<std::optional<AccountView>> account_as_of(const stele::EventStore& store,
                                                        const stele::Upcasters& upcasters,
                                                        std::string_view id, const AsOf& as_of,
                                                        const std::function<bool()>& may_go_on) {
  const std::string stream = std::string{Account::category} + "-" + std::string{id};
  Folding folding{upcasters};
  bool more = true;
  while (more) {
    if (!may_go_on()) {
      return stele::fail(stele::Errc::timed_out,
                         "The time for reading the account's events has passed.");
    }
    const auto page =
        store.read_stream(stream, folding.version(), page_events, stele::Direction::forward);
    if (!page) return std::unexpected{page.error()};
    more = page->events.size() == page_events;
    for (const stele::EventView& event : page->events) {
      if (is_past(event, as_of)) {
        more = false;
        break;
      }
      if (auto taken = folding.take(event); !taken) return std::unexpected{taken.error()};
    }
  }
  const auto reached = stele::number(folding.version());
  if (reached == 0 || (as_of.version && reached < stele::number(*as_of.version)))
    return std::nullopt;
  return folding.view(as_of.time);
}

}  // namespace bank
