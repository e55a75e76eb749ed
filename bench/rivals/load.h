// What the rivals' programs share: their arguments, the closed loop of blocking writers, the
// figures. The load is that of `stele bench append`: events of `size` bytes, `batch` to an append,
// each append durable before the next one of its writer.

#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace rivals {

struct Options {
  std::size_t writers = 1;
  std::size_t batch = 1;
  std::size_t size = 256;
  double seconds = 3;
  std::string data;  // A folder, or how to reach a server.
};

[[noreturn]] inline void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

inline Options options_of(int count, char** arguments) {
  Options out;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view name = arguments[i];
    const std::string value = arguments[i + 1];
    if (name == "--writers") out.writers = std::stoul(value);
    if (name == "--batch") out.batch = std::stoul(value);
    if (name == "--size") out.size = std::stoul(value);
    if (name == "--seconds") out.seconds = std::stod(value);
    if (name == "--data") out.data = value;
  }
  if (out.data.empty()) give_up("--data is missing.");
  return out;
}

/// The events of one append; each with other bytes.
inline std::vector<std::string> payloads(const Options& options) {
  std::vector<std::string> out(options.batch);
  std::uint64_t state = 1;
  for (std::string& text : out) {
    while (text.size() < options.size) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      text += "0123456789abcdef"[state >> 60];
    }
  }
  return out;
}

/// Runs `append(writer, n)`, n = 0, 1, 2..., in a thread for each writer, and prints the figures.
template <typename Append>
void run(const Options& options, const Append& append) {
  using Clock = std::chrono::steady_clock;
  std::vector<std::vector<float>> latencies(options.writers);
  const auto start = Clock::now();
  const auto until = start + std::chrono::duration<double>(options.seconds);
  {
    std::vector<std::jthread> threads;
    for (std::size_t w = 0; w < options.writers; ++w) {
      threads.emplace_back([&, w] {
        for (std::uint64_t n = 0; Clock::now() < until; ++n) {
          const auto asked = Clock::now();
          append(w, n);
          latencies[w].push_back(
              std::chrono::duration<float, std::micro>(Clock::now() - asked).count());
        }
      });
    }
  }
  const double took = std::chrono::duration<double>(Clock::now() - start).count();
  std::vector<float> all;
  for (const auto& each : latencies) all.insert(all.end(), each.begin(), each.end());
  std::sort(all.begin(), all.end());
  const auto percentile = [&](double part) {
    return all.empty() ? 0.0F : all[static_cast<std::size_t>(part * double(all.size() - 1))];
  };
  const double appends = double(all.size()) / took;
  std::printf(
      "{\"eventsPerSecond\":%.1f,\"appendsPerSecond\":%.1f,\"p50Us\":%.1f,\"p99Us\":%.1f}\n",
      appends * double(options.batch), appends, percentile(0.5), percentile(0.99));
}

}  // namespace rivals
