#include "bench_parts.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "store/embedded/embedded_store.h"

namespace stele::bench {

Result<WorkFolder> WorkFolder::make(const std::string& wanted) {
  std::error_code error;
  if (!wanted.empty()) {
    std::filesystem::create_directories(wanted, error);
    if (error) {
      return fail(Errc::unavailable,
                  "The folder \"" + wanted + "\" cannot be made: " + error.message() + ".");
    }
    return WorkFolder{wanted, false};
  }
  // Not in the system's temporary folder: that may lie in memory, where a sync costs nothing.
  std::string name = "./stele-bench-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    return fail(Errc::unavailable,
                "A folder for the benchmark cannot be made here; name one with --data.");
  }
  return WorkFolder{std::move(name), true};
}

WorkFolder::WorkFolder(WorkFolder&& other) noexcept
    : path_{std::move(other.path_)}, owned_{std::exchange(other.owned_, false)} {}

WorkFolder::~WorkFolder() {
  std::error_code ignored;
  if (owned_) std::filesystem::remove_all(path_, ignored);
}

void Histogram::add(std::chrono::nanoseconds duration) {
  const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 1));
  const auto power = static_cast<std::size_t>(std::bit_width(value));
  std::size_t bucket = static_cast<std::size_t>(value);
  if (power > 7) {
    const std::size_t part = static_cast<std::size_t>(value >> (power - 7)) - parts;
    bucket = (power - 6) * parts + part;
  }
  ++counts_[std::min(bucket, counts_.size() - 1)];
  ++count_;
}

void Histogram::add(const Histogram& other) {
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
}

double Histogram::percentile_us(double percent) const {
  const auto wanted = static_cast<std::uint64_t>(static_cast<double>(count_) * percent / 100.0);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen <= wanted || counts_[i] == 0) continue;
    if (i < 2 * parts) return static_cast<double>(i) / 1'000.0;
    const std::size_t power = i / parts - 1;  // The bucket's width is 2 to this.
    return static_cast<double>((parts + i % parts) << power) / 1'000.0;
  }
  return 0;
}

std::string payload(std::size_t size, std::uint64_t seed) {
  std::string text = R"({"account":")";
  for (std::uint64_t state = seed; text.size() + 2 < size;) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    text += "0123456789abcdef"[state >> 60];
  }
  if (size >= 16) text += R"("})";
  text.resize(size, ' ');
  return text;
}

Result<OpenLog> open_log(const std::string& folder) {
  store::EmbeddedStore::Setup setup;
  setup.data = folder;
  auto store = store::EmbeddedStore::open(std::move(setup));
  if (!store) return std::unexpected{store.error()};
  const store::EmbeddedStore& embedded = **store;
  return OpenLog{.store = std::move(*store),
                 .syncs = [&embedded] { return embedded.stats().syncs; },
                 .unsealed = [&embedded] { return embedded.stats().unsealed_segments; }};
}

double seconds_since(Steady::time_point start) {
  return std::chrono::duration<double>(Steady::now() - start).count();
}

}  // namespace stele::bench
