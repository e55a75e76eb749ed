// A client for tests: sends bytes as they are and reads answers, over a plain blocking socket.

#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace stele::serve::testing {

/// An answer as it came; chunked bodies joined. Header names in lower case.
struct Answer {
  int status = 0;
  std::map<std::string, std::string> headers;
  std::string body;
  bool complete = false;  ///< False if the connection ended inside it.
};

class RawClient {
 public:
  explicit RawClient(std::uint16_t port);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void send(std::string_view bytes);
  void end_sending();  ///< Half-closes.
  void close();

  /// The next answer; none if the connection ended, or nothing came within `timeout`. To a HEAD
  /// request there comes no body.
  std::optional<Answer> answer(bool to_head = false,
                               std::chrono::milliseconds timeout = default_timeout);
  /// Sends a request with `Host` and, if there is a body, its length; and reads the answer.
  Answer ask(std::string_view method, std::string_view target, std::string_view body = {},
             std::string_view headers = {});

  /// Reads until `text` has come; returns all that was read and not yet taken, up to its end.
  std::string read_until(std::string_view text,
                         std::chrono::milliseconds timeout = default_timeout);
  /// True if the server closes the connection within `timeout`.
  bool is_closed_within(std::chrono::milliseconds timeout = default_timeout);

  static constexpr std::chrono::milliseconds default_timeout{30'000};

 private:
  bool fill(std::chrono::steady_clock::time_point until);
  bool fill_to(std::size_t size, std::chrono::steady_clock::time_point until);
  std::optional<std::string> line(std::chrono::steady_clock::time_point until);

  int socket_ = -1;
  std::string read_;  // Read and not yet taken.
};

}  // namespace stele::serve::testing
