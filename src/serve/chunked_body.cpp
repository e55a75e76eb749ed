#include "serve/chunked_body.h"

#include <algorithm>
#include <charconv>

#include "serve/http.h"

namespace stele::serve {
namespace {

constexpr std::size_t framing_slack = std::size_t{64} * 1'024;  // Bytes around a small body.
constexpr std::size_t size_digits_max = 16;

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7F;
}

bool is_name_character(char c) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         others.find(c) != std::string_view::npos;
}

}  // namespace

ChunkedBody::Outcome ChunkedBody::take(std::string_view bytes, std::size_t& used) {
  used = 0;
  while (used < bytes.size()) {
    if (state_ == State::data) {
      const std::size_t size = std::min(left_, bytes.size() - used);
      text_.append(bytes.substr(used, size));
      used += size;
      raw_size_ += size;
      left_ -= size;
      if (left_ == 0) state_ = State::data_cr;
      continue;
    }
    ++raw_size_;
    const Outcome outcome = take_byte(bytes[used++]);
    if (outcome != Outcome::need_more) return outcome;
    if (raw_size_ - text_.size() > size_max_ + framing_slack) return Outcome::malformed;
  }
  return Outcome::need_more;
}

ChunkedBody::Outcome ChunkedBody::take_byte(char c) {
  const auto expect = [&](char wanted, State next) {
    state_ = next;
    return c == wanted ? Outcome::need_more : Outcome::malformed;
  };
  switch (state_) {
    case State::line:
    case State::trailer:
      return take_line_byte(c);
    case State::line_end:
      return c == '\n' ? end_line() : Outcome::malformed;
    case State::data_cr:
      return expect('\r', State::data_lf);
    case State::data_lf:
      return expect('\n', State::line);
    case State::trailer_end:
      return c == '\n' ? end_trailer() : Outcome::malformed;
    case State::data:
      break;  // Taken in one piece.
  }
  return Outcome::malformed;
}

ChunkedBody::Outcome ChunkedBody::take_line_byte(char c) {
  if (c == '\r') {
    state_ = state_ == State::line ? State::line_end : State::trailer_end;
    return Outcome::need_more;
  }
  const bool trailer = state_ == State::trailer;
  if (trailer) ++trailers_size_;
  const bool fits =
      trailer ? trailers_size_ <= trailers_size_max_ : line_.size() < chunk_line_size_max;
  if (!fits || is_control(c)) return Outcome::malformed;
  line_ += c;
  return Outcome::need_more;
}

/// "1F" or "1F;name=value".
ChunkedBody::Outcome ChunkedBody::end_line() {
  const std::string_view line = line_;
  const std::string_view digits = line.substr(0, line.find(';'));
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size, 16);
  const bool good = !digits.empty() && digits.size() <= size_digits_max && error == std::errc{} &&
                    end == digits.data() + digits.size();
  if (!good) return Outcome::malformed;
  line_.clear();
  if (size > size_max_ - text_.size()) return Outcome::too_large;
  left_ = static_cast<std::size_t>(size);
  state_ = size == 0 ? State::trailer : State::data;
  return Outcome::need_more;
}

ChunkedBody::Outcome ChunkedBody::end_trailer() {
  if (line_.empty()) return Outcome::done;
  const std::string_view line = line_;
  const std::string_view name = line.substr(0, line.find(':'));
  const bool good = name.size() < line.size() && !name.empty() &&
                    std::ranges::all_of(name, is_name_character) &&
                    !same_token(name, "Content-Length") && !same_token(name, "Transfer-Encoding");
  if (!good) return Outcome::malformed;
  line_.clear();
  state_ = State::trailer;
  return Outcome::need_more;
}

}  // namespace stele::serve
