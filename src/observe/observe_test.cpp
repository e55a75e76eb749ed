#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "observe/logger.h"
#include "observe/metrics.h"

namespace stele::observe {
namespace {

class FixedClock final : public Clock {
 public:
  Timestamp now() const noexcept override { return Timestamp{0}; }
};

class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe(ends_.data()), 0); }
  ~Pipe() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  int writing_end() const { return ends_[1]; }
  std::string read() const {
    std::array<char, 4096> bytes{};
    const auto size = ::read(ends_[0], bytes.data(), bytes.size());
    return {bytes.data(), static_cast<std::size_t>(size)};
  }

 private:
  std::array<int, 2> ends_{};
};

TEST(JsonLinesLogger, WritesOneObjectALineWithItsFieldsInOrder) {
  const Pipe pipe;
  const FixedClock clock;
  const auto logger = make_json_lines_logger(pipe.writing_end(), Level::info, clock);

  logger->warning("It is \"odd\".", {{"text", "a\nb"},
                                     {"count", 3U},
                                     {"delta", -4},
                                     {"ratio", 0.5},
                                     {"bad", std::string_view{"\xff"}},
                                     {"yes", true}});

  EXPECT_EQ(pipe.read(),
            "{\"ts\":\"1970-01-01T00:00:00.000000Z\",\"level\":\"warning\","
            "\"message\":\"It is \\\"odd\\\".\",\"text\":\"a\\u000ab\",\"count\":3,\"delta\":-4,"
            "\"ratio\":0.5,\"bad\":\"?\",\"yes\":true}\n");
}

TEST(JsonLinesLogger, DropsRecordsBelowItsLevel) {
  const Pipe pipe;
  const auto logger = make_json_lines_logger(pipe.writing_end(), Level::warning);

  logger->info("Not this one.");
  logger->error("This one.");

  EXPECT_NE(pipe.read().find("This one."), std::string::npos);
  EXPECT_FALSE(logger->enabled(Level::info));
}

TEST(NullLogger, IsNeverEnabled) { EXPECT_FALSE(null_logger().enabled(Level::error)); }

TEST(Metrics, AsksAFamilyForTheMembersOfTheMoment) {
  Metrics metrics;
  std::vector<Sample> now = {{.labels = {{"consumer", "a"}}, .value = 1}};
  metrics.gauges_from("stele_lag_events", "Lag.", [&now] { return now; });
  EXPECT_TRUE(metrics.text().contains("gauge\nstele_lag_events{consumer=\"a\"} 1\n"));

  now = {{.labels = {{"consumer", "b"}}, .value = 2}, {.labels = {{"consumer", "c"}}, .value = 3}};

  EXPECT_TRUE(
      metrics.text().ends_with("gauge\nstele_lag_events{consumer=\"b\"} 2\n"
                               "stele_lag_events{consumer=\"c\"} 3\n"));
}

TEST(Metrics, ShowsEveryKindAsPrometheusReadsIt) {
  Metrics metrics;
  metrics.counter("stele_appends_total", "Appends.", {{"outcome", "a\"b"}}).add(3);
  metrics.gauge("stele_log_end", "The log's end.").set(-7);
  metrics.gauge_from("stele_free_bytes", "Free\nspace.", [] { return 1.5; });
  const std::array bounds = {0.5, 1.0};
  Histogram& times = metrics.histogram("stele_wait_seconds", "Waits.", {{"k", "v"}}, bounds);
  times.observe(0.25);
  times.observe(1.0);
  times.observe(4.0);

  EXPECT_EQ(metrics.text(),
            "# HELP stele_appends_total Appends.\n# TYPE stele_appends_total counter\n"
            "stele_appends_total{outcome=\"a\\\"b\"} 3\n"
            "# HELP stele_free_bytes Free\\nspace.\n# TYPE stele_free_bytes gauge\n"
            "stele_free_bytes 1.5\n"
            "# HELP stele_log_end The log's end.\n# TYPE stele_log_end gauge\n"
            "stele_log_end -7\n"
            "# HELP stele_wait_seconds Waits.\n# TYPE stele_wait_seconds histogram\n"
            "stele_wait_seconds_bucket{k=\"v\",le=\"0.5\"} 1\n"
            "stele_wait_seconds_bucket{k=\"v\",le=\"1\"} 2\n"
            "stele_wait_seconds_bucket{k=\"v\",le=\"+Inf\"} 3\n"
            "stele_wait_seconds_sum{k=\"v\"} 5.25\nstele_wait_seconds_count{k=\"v\"} 3\n");
}

TEST(Metrics, GivesTheSameObjectForTheSameNameAndLabels) {
  Metrics metrics;
  Counter& first = metrics.counter("stele_x_total", "X.", {{"a", "1"}});
  EXPECT_EQ(&first, &metrics.counter("stele_x_total", "X.", {{"a", "1"}}));
  EXPECT_NE(&first, &metrics.counter("stele_x_total", "X.", {{"a", "2"}}));
}

TEST(Metrics, CountsFromSeveralThreadsWhileItsTextIsRead) {
  constexpr std::uint64_t adds_each = 10'000;
  Metrics metrics;
  Counter& counter = metrics.counter("stele_x_total", "X.");
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (std::uint64_t n = 0; n < adds_each; ++n) counter.add();
      });
    }
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(metrics.text().empty());
  }
  EXPECT_EQ(counter.value(), 4 * adds_each);
}

}  // namespace
}  // namespace stele::observe
