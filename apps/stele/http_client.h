// A small HTTP/1.1 client: one connection, kept alive, with as many requests under way on it as the
// caller likes. Answers come in the order of the requests.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stele/error.h"

namespace stele::program {

inline constexpr std::size_t answer_head_size_max = 64 * 1'024;           ///< Bytes.
inline constexpr std::size_t answer_body_size_max = 256 * 1'024 * 1'024;  ///< Bytes.
inline constexpr std::chrono::milliseconds connect_timeout{5'000};

/// Where a server listens: "http://127.0.0.1:8420".
struct Url {
  std::string host;
  std::uint16_t port = 80;

  /// Errors: `invalid` (names the text and the form that is expected).
  [[nodiscard]] static Result<Url> parse(std::string_view text);
  [[nodiscard]] std::string text() const;
};

struct Call {
  std::string method = "GET";
  std::string target = "/";
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

struct Answer {
  int status = 0;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // Names in lower case.

  /// `name` in lower case; empty if there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

/// Not thread-safe. After an error the connection is closed: connect again.
class HttpConnection {
 public:
  explicit HttpConnection(Url url);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  /// Errors: `unavailable` (names the address and the reason).
  [[nodiscard]] Result<void> connect();
  [[nodiscard]] bool connected() const noexcept { return fd_ >= 0; }
  void close();

  /// Puts a request behind those under way; `pump` sends it.
  void queue(const Call& call);
  [[nodiscard]] std::size_t under_way() const noexcept { return under_way_; }

  /// Sends and receives what can be, waiting for at most `timeout` until something moves. Returns
  /// early on a signal. Errors: `unavailable` (the connection ended or spoke no HTTP).
  [[nodiscard]] Result<void> pump(std::chrono::milliseconds timeout);

  /// The next complete answer, if it is here. Errors: `unavailable`.
  [[nodiscard]] Result<std::optional<Answer>> take();

  /// One request whose answer's body goes to `take`, piece by piece, as it comes: memory does not
  /// grow with it. `take` is called with an empty piece too, whenever nothing came for a moment;
  /// it returns false to break off, which closes the connection. The body of an answer that is not
  /// 200 is kept in it instead. Errors: `unavailable`, `timed_out` (nothing came for so long).
  using TakePiece = std::function<bool(std::string_view)>;
  [[nodiscard]] Result<Answer> download(const Call& call, std::chrono::milliseconds idle_timeout,
                                        const TakePiece& take);

  /// One request and its answer; connects first if need be. Errors: `unavailable`, `timed_out`.
  [[nodiscard]] Result<Answer> call(const Call& call, std::chrono::milliseconds timeout);

 private:
  struct Head {
    Answer answer;
    std::size_t size = 0;  // Bytes of the head.
    std::size_t body_size = 0;
    bool chunked = false;
    bool close = false;
  };
  Result<std::optional<Head>> parse_head() const;
  /// Waits for the answer to what was queued last.
  Result<Answer> call_under_way(std::chrono::steady_clock::time_point give_up);
  /// Hands on what is here of a chunked body. True at its end; nothing if it was broken off.
  struct ChunkState {
    std::size_t left = 0;     // Of the chunk that is being read.
    bool ends_chunk = false;  // The line's end behind a chunk comes next.
    bool moved = false;       // Something was taken since this was cleared.
    bool broken_off = false;
  };
  Result<bool> hand_on_chunks(ChunkState& state, const TakePiece& take);
  Result<bool> take_chunks(Head& head, std::size_t& used) const;
  std::unexpected<Error> broken(std::string_view what);

  Url url_;
  int fd_ = -1;
  std::string out_;
  std::size_t sent_ = 0;  // Of out_.
  std::string in_;
  std::size_t taken_ = 0;  // Of in_.
  std::size_t under_way_ = 0;
  bool peer_closed_ = false;
};

/// Text for one segment of a path or one value of a query.
[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace stele::program
