#include "observe/metrics.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cmath>
#include <optional>

namespace stele::observe {
namespace {

constexpr std::array default_seconds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                        0.05,   0.1,     0.25,   0.5,   1.0,    2.5,   5.0,  10.0};

void put_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
    return;
  }
  std::array<char, 40> digits{};
  out.append(digits.data(), std::to_chars(digits.data(), digits.data() + 40, value).ptr);
}

void put_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\\' || (quotes && c == '"')) {
      out += '\\';
      out += c;
    } else {
      out += c;
    }
  }
}

/// "a=\"x\",b=\"y\"" without braces.
std::string label_text(const Labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (!out.empty()) out += ',';
    out += name;
    out += "=\"";
    put_escaped(out, value, true);
    out += '"';
  }
  return out;
}

void put_sample(std::string& out, std::string_view name, std::string_view suffix,
                std::string_view labels, double value) {
  out += name;
  out += suffix;
  if (!labels.empty()) {
    out += '{';
    out += labels;
    out += '}';
  }
  out += ' ';
  put_number(out, value);
  out += '\n';
}

[[maybe_unused]] bool is_good_name(std::string_view name, std::string_view kind) {
  const bool letters = std::ranges::all_of(
      name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
  return letters && name.starts_with("stele_") && (kind == "counter") == name.ends_with("_total");
}

}  // namespace

struct Metrics::Series {
  std::optional<Counter> counter;
  std::optional<Gauge> gauge;
  std::optional<Histogram> histogram;
  std::function<double()> read;
};

struct Metrics::Family {
  std::string help;
  std::string kind;
  std::map<std::string, std::unique_ptr<Series>, std::less<>> series;  // By label text.
  std::function<std::vector<Sample>()> read;  // Of a family whose members come and go.
};

Histogram::Histogram(std::span<const double> bounds)
    : bounds_{bounds.begin(), bounds.end()}, counts_(bounds.size() + 1) {
  assert(std::ranges::is_sorted(bounds));
}

void Histogram::observe(double value) noexcept {
  const auto at = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
  counts_[static_cast<std::size_t>(at)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::uint64_t Histogram::count() const noexcept {
  std::uint64_t total = 0;
  for (const auto& bucket : counts_) total += bucket.load(std::memory_order_relaxed);
  return total;
}

std::span<const double> seconds_buckets() noexcept { return default_seconds; }

Metrics::Metrics() = default;
Metrics::~Metrics() = default;

Metrics::Series& Metrics::series(std::string_view name, std::string_view help,
                                 std::string_view kind, const Labels& labels) {
  assert(is_good_name(name, kind));
  auto found = families_.find(name);
  if (found == families_.end()) {
    found = families_.try_emplace(std::string{name}).first;
    found->second.help = help;
    found->second.kind = kind;
  }
  assert(found->second.kind == kind);
  auto& entry = found->second.series[label_text(labels)];
  if (!entry) entry = std::make_unique<Series>();
  return *entry;
}

Counter& Metrics::counter(std::string_view name, std::string_view help, const Labels& labels) {
  const std::lock_guard lock{mutex_};
  Series& entry = series(name, help, "counter", labels);
  if (!entry.counter) entry.counter.emplace();
  return *entry.counter;
}

Gauge& Metrics::gauge(std::string_view name, std::string_view help, const Labels& labels) {
  const std::lock_guard lock{mutex_};
  Series& entry = series(name, help, "gauge", labels);
  if (!entry.gauge) entry.gauge.emplace();
  return *entry.gauge;
}

Histogram& Metrics::histogram(std::string_view name, std::string_view help, const Labels& labels,
                              std::span<const double> bounds) {
  const std::lock_guard lock{mutex_};
  Series& entry = series(name, help, "histogram", labels);
  if (!entry.histogram) entry.histogram.emplace(bounds);
  return *entry.histogram;
}

void Metrics::gauge_from(std::string_view name, std::string_view help, std::function<double()> read,
                         const Labels& labels) {
  const std::lock_guard lock{mutex_};
  series(name, help, "gauge", labels).read = std::move(read);
}

void Metrics::counter_from(std::string_view name, std::string_view help,
                           std::function<double()> read, const Labels& labels) {
  const std::lock_guard lock{mutex_};
  series(name, help, "counter", labels).read = std::move(read);
}

void Metrics::gauges_from(std::string_view name, std::string_view help,
                          std::function<std::vector<Sample>()> read) {
  assert(is_good_name(name, "gauge"));
  const std::lock_guard lock{mutex_};
  Family& family = families_[std::string{name}];
  family.help = help;
  family.kind = "gauge";
  family.read = std::move(read);
}

std::string Metrics::text() const {
  const auto put_histogram = [](std::string& out, std::string_view name, const std::string& labels,
                                const Histogram& histogram) {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < histogram.counts_.size(); ++i) {
      total += histogram.counts_[i].load(std::memory_order_relaxed);
      std::string with_bound = labels.empty() ? "le=\"" : labels + ",le=\"";
      if (i < histogram.bounds_.size()) {
        put_number(with_bound, histogram.bounds_[i]);
      } else {
        with_bound += "+Inf";
      }
      with_bound += '"';
      put_sample(out, name, "_bucket", with_bound, static_cast<double>(total));
    }
    put_sample(out, name, "_sum", labels, histogram.sum_.load(std::memory_order_relaxed));
    put_sample(out, name, "_count", labels, static_cast<double>(total));
  };

  std::string out;
  const std::lock_guard lock{mutex_};
  for (const auto& [name, family] : families_) {
    out += "# HELP " + name + ' ';
    put_escaped(out, family.help, false);
    out += "\n# TYPE " + name + ' ' + family.kind + '\n';
    if (family.read) {
      for (const Sample& each : family.read()) {
        put_sample(out, name, "", label_text(each.labels), each.value);
      }
    }
    for (const auto& [labels, entry] : family.series) {
      if (entry->read) {
        put_sample(out, name, "", labels, entry->read());
      } else if (entry->counter) {
        put_sample(out, name, "", labels, static_cast<double>(entry->counter->value()));
      } else if (entry->gauge) {
        put_sample(out, name, "", labels, static_cast<double>(entry->gauge->value()));
      } else if (entry->histogram) {
        put_histogram(out, name, labels, *entry->histogram);
      }
    }
  }
  return out;
}

}  // namespace stele::observe
