// Decodes a body that comes in chunks (RFC 9112, section 7.1), from pieces cut anywhere. Without
// I/O. Strict: sizes are plain hexadecimal digits, every line ends with CR LF, extensions hold no
// control characters, trailers are header lines that say nothing about the body's length.
//
// Not Beast's parser: its assertions end the program when the last chunk comes byte by byte
// (fuzz/corpus/request keeps the input).

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace stele::serve {

inline constexpr std::size_t chunk_line_size_max = 4'096;  ///< Bytes of a size and its extensions.

class ChunkedBody {
 public:
  enum class Outcome : std::uint8_t {
    need_more,
    done,       ///< `text()` is the body; what follows in the bytes belongs to the next request.
    malformed,  ///< Not as HTTP/1.1 writes it, or over the limits of lines and framing.
    too_large,  ///< The body is larger than its limit.
  };

  /// `size_max`: bytes of the body. `trailers_size_max`: bytes of all trailers. What stands around
  /// the body - sizes, extensions, line ends - may take as many bytes as the body may, and 64 KiB.
  ChunkedBody(std::size_t size_max, std::size_t trailers_size_max)
      : size_max_{size_max}, trailers_size_max_{trailers_size_max} {}

  /// Reads on; `used` tells how many of `bytes` were taken: all of them, unless it is `done`.
  [[nodiscard]] Outcome take(std::string_view bytes, std::size_t& used);

  [[nodiscard]] std::string& text() noexcept { return text_; }
  /// Bytes taken so far, with everything around the body.
  [[nodiscard]] std::size_t raw_size() const noexcept { return raw_size_; }

 private:
  enum class State : std::uint8_t { line, line_end, data, data_cr, data_lf, trailer, trailer_end };

  [[nodiscard]] Outcome take_byte(char c);
  [[nodiscard]] Outcome take_line_byte(char c);
  [[nodiscard]] Outcome end_line();
  [[nodiscard]] Outcome end_trailer();

  std::size_t size_max_;
  std::size_t trailers_size_max_;
  State state_ = State::line;
  std::string line_;      // A size with its extensions, or a trailer; without its end.
  std::size_t left_ = 0;  // Bytes of the chunk that are still to come.
  std::size_t raw_size_ = 0;
  std::size_t trailers_size_ = 0;
  std::string text_;
};

}  // namespace stele::serve
