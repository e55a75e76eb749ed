// Turns the bytes of one connection into requests. Without I/O, clocks or threads: the session
// feeds it bytes, takes requests, and keeps the time.
//
// Bytes are read into a chunk that requests share: a request's views point into it, so a pipelined
// batch costs one read and no copies. A chunk that requests still refer to is never moved or
// written below its filled part; a new one takes over the rest.
//
// Stricter than HTTP asks, wherever two readers of the same bytes could disagree: both
// Content-Length and Transfer-Encoding, either of them twice, any coding but "chunked", a line
// folded or ended by a bare CR or LF, white space before a colon, no Host or two, an absolute
// target that names another host: 400, and the connection is closed.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "serve/chunk.h"
#include "serve/chunked_body.h"
#include "serve/exchange.h"
#include "serve/problem.h"

namespace stele::serve {

struct ReaderLimits {
  std::size_t header_size_max;
  std::size_t body_size_max;
};

class RequestReader {
 public:
  /// Where the reader stands; each has its own time-out.
  enum class Phase : std::uint8_t { idle, header, body };

  enum class Outcome : std::uint8_t {
    need_more,      ///< Read more bytes, then ask again.
    send_continue,  ///< As need_more, and the client waits for "100 Continue".
    request,        ///< The exchange holds a request.
    refused,        ///< `problem()` is the answer; nothing after it can be read.
  };

  explicit RequestReader(ReaderLimits limits);
  ~RequestReader();

  /// Room for at least one more byte, where the next bytes are to be read.
  [[nodiscard]] std::span<char> room();
  void filled(std::size_t size);

  /// Takes the next request into `exchange`, which is fresh.
  [[nodiscard]] Outcome next(Exchange& exchange);

  [[nodiscard]] Phase phase() const noexcept { return phase_; }
  /// Of the request whose body is being read: bytes announced or so far gathered.
  [[nodiscard]] std::size_t body_size() const noexcept { return body_size_; }
  [[nodiscard]] const Problem& problem() const noexcept { return *problem_; }

 private:
  struct Parser;

  [[nodiscard]] std::string_view pending() const;
  Outcome find_head(std::size_t& size);
  Outcome read_head(Exchange& exchange);
  Outcome read_sized_body(Exchange& exchange);
  Outcome read_chunked_body(Exchange& exchange);
  /// Parses the head, again if the bytes may have moved since, into `exchange`.
  [[nodiscard]] bool parse_head(Exchange& exchange);
  Outcome finish(Exchange& exchange, std::size_t size);
  Outcome refuse(Problem problem);
  void move_to_chunk(std::size_t capacity);

  ReaderLimits limits_;
  ChunkRef chunk_;
  std::size_t begin_ = 0;    // Of what is not yet taken, in the chunk.
  std::size_t end_ = 0;      // Of what was read into the chunk.
  std::size_t scanned_ = 0;  // Bytes from begin_ that were searched for the end of the head.
  std::size_t read_size_;    // Of the room asked for; doubles while reads fill it.
  Phase phase_ = Phase::idle;
  bool skipped_line_ = false;  // The one empty line that may stand before a request.
  bool said_continue_ = false;
  std::unique_ptr<Parser> parser_;  // Of the request being read.
  std::size_t head_size_ = 0;
  std::size_t body_size_ = 0;
  std::optional<ChunkedBody> chunks_;  // Of a chunked body that is being read.
  std::optional<Problem> problem_;
};

}  // namespace stele::serve
