// The bank as a service of its own for tests: on a free port, with a clock that the test moves.

#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "bank/bank.h"
#include "observe/logger.h"
#include "serve/testing/raw_client.h"
#include "stele/service.h"

namespace bank::testing {

/// Stands still until it is moved.
class MovedClock final : public stele::Clock {
 public:
  [[nodiscard]] stele::Timestamp now() const noexcept override {
    return stele::Timestamp{now_.load()};
  }
  void set(stele::Timestamp time) { now_ = stele::micros(time); }
  void move(std::chrono::microseconds by) { now_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_{stele::micros(stele::parse_time("2026-03-15T12:00:00Z").value())};
};

/// In memory unless a data folder is asked for.
class BankService : public ::testing::Test {
 protected:
  using Answer = stele::serve::testing::Answer;

  ~BankService() override {
    service_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(data_, ignored);
  }

  /// Ends the service that runs, if one does, and starts one that `add` has put together.
  void start(const std::string& store = "memory",
             const std::function<void(stele::Service&)>& add = register_bank) {
    service_.reset();
    service_ = std::make_unique<stele::Service>(
        stele::ServiceOptions{.settings = {{"serve.data", data_.string()},
                                           {"serve.listen", "127.0.0.1:0"},
                                           {"store.kind", store}},
                              .use_variables = false,
                              .clock = &clock_,
                              .logger = &stele::observe::null_logger()});
    add(*service_);
    const auto started = service_->start();
    ASSERT_TRUE(started) << started.error().message;
    const std::string url = service_->url();
    port_ = static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
  }

  Answer post(std::string_view target, std::string_view body, std::string_view headers = {}) {
    return stele::serve::testing::RawClient{port_}.ask(
        "POST", target, body, "Content-Type: application/json\r\n" + std::string{headers});
  }
  Answer get(std::string_view target, std::string_view headers = {}) {
    return stele::serve::testing::RawClient{port_}.ask("GET", target, {}, headers);
  }
  /// Of a command that must be accepted.
  std::string token_of(const Answer& answer) {
    EXPECT_LT(answer.status, 300) << answer.body;
    const auto token = answer.headers.find("stele-token");
    return token == answer.headers.end() ? std::string{} : token->second;
  }

  MovedClock clock_;
  std::filesystem::path data_ =
      std::filesystem::temp_directory_path() / ("bank_service_" + std::to_string(::getpid()));
  std::unique_ptr<stele::Service> service_;
  std::uint16_t port_ = 0;
};

}  // namespace bank::testing
