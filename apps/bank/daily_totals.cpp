// What moved on each day: the fold `DailyTotals`.

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "bank/read_models.h"

namespace bank {
namespace {

using stele::At;

std::string key_of(Currency currency, const At& at) {
  return day_of(at.occurred_at) + "-" + std::string{currency.code()};
}

// The sum of two decimals that are not negative and have as many decimals: digit by digit, so that
// it has no largest value.
std::string sum_of(std::string_view a, std::string_view b) {
  if (a.size() < b.size()) std::swap(a, b);
  std::string sum{a};
  int carry = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {  // From the right; the points stand at one place.
    char& digit = sum[a.size() - 1 - i];
    if (digit == '.') continue;
    const int value = (digit - '0') + (i < b.size() ? b[b.size() - 1 - i] - '0' : 0) + carry;
    digit = static_cast<char>('0' + value % 10);
    carry = value / 10;
  }
  return carry == 0 ? sum : "1" + sum;
}

void add(std::string& volume, Money amount) { volume = sum_of(volume, amount.text()); }

// A row of the day, if it is new, begins with nothing moved.
DailyRow& begun(DailyRow& row, Currency currency, const At& at) {
  if (!row.day.empty()) return row;
  row.day = day_of(at.occurred_at);
  row.currency = currency;
  const std::string zero = Money{0, currency}.text();
  row.credit_volume = row.debit_volume = row.transfer_out_volume = row.transfer_in_volume = zero;
  row.fees = zero;
  return row;
}

}  // namespace

std::string day_of(Timestamp time) {
  constexpr std::size_t day_size = std::string_view{"2026-01-31"}.size();
  return stele::to_rfc3339(time).substr(0, day_size);
}

std::string DailyTotals::key(const AccountCreated& e, const At& at) {
  return key_of(e.currency, at);
}
std::string DailyTotals::key(const MoneyDeposited& e, const At& at) {
  return key_of(e.amount.currency(), at);
}
std::string DailyTotals::key(const MoneyWithdrawn& e, const At& at) {
  return key_of(e.amount.currency(), at);
}
std::string DailyTotals::key(const MoneyTransferred& e, const At& at) {
  return key_of(e.amount.currency(), at);
}
std::string DailyTotals::key(const MoneyReceived& e, const At& at) {
  return key_of(e.amount.currency(), at);
}

void DailyTotals::apply(Row& row, const AccountCreated& e, const At& at) {
  begun(row, e.currency, at);
  ++row.accounts_opened;
  if (!e.initial_deposit.is_positive()) return;
  ++row.credit_count;
  add(row.credit_volume, e.initial_deposit);
}

void DailyTotals::apply(Row& row, const MoneyDeposited& e, const At& at) {
  begun(row, e.amount.currency(), at);
  ++row.credit_count;
  add(row.credit_volume, e.amount);
}

void DailyTotals::apply(Row& row, const MoneyWithdrawn& e, const At& at) {
  begun(row, e.amount.currency(), at);
  ++row.debit_count;
  add(row.debit_volume, e.amount);
  add(row.fees, e.fee);
}

void DailyTotals::apply(Row& row, const MoneyTransferred& e, const At& at) {
  begun(row, e.amount.currency(), at);
  ++row.transfer_out_count;
  add(row.transfer_out_volume, e.amount);
  add(row.fees, e.transfer_fee);
}

void DailyTotals::apply(Row& row, const MoneyReceived& e, const At& at) {
  begun(row, e.amount.currency(), at);
  ++row.transfer_in_count;
  add(row.transfer_in_volume, e.amount);
}

}  // namespace bank
