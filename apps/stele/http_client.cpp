#include "http_client.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <system_error>

namespace stele::program {
namespace {

constexpr std::size_t read_size = 64 * 1'024;            // Bytes asked for at a time.
constexpr std::chrono::milliseconds download_step{200};  // Between two looks at who breaks off.
constexpr std::size_t compact_size = 1'024 * 1'024;      // Taken bytes that are worth a move.

std::string reason(int code) { return std::generic_category().message(code); }

std::string lower(std::string_view text) {
  std::string out{text};
  std::ranges::transform(out, out.begin(), [](char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  return out;
}

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

template <typename Number>
std::optional<Number> parse_number(std::string_view text, int base = 10) {
  Number value{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || failed != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

/// Connects a socket that does not block, for at most `connect_timeout`. Returns errno.
int connect_socket(int fd, const ::addrinfo& address) {
  if (::connect(fd, address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  ::pollfd poll{.fd = fd, .events = POLLOUT, .revents = 0};
  const int ready = ::poll(&poll, 1, static_cast<int>(connect_timeout.count()));
  if (ready < 0) return errno;
  if (ready == 0) return ETIMEDOUT;
  int code = 0;
  ::socklen_t size = sizeof code;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size);
  return code;
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  const auto wrong = [&] {
    return fail(Errc::invalid, "\"" + std::string{text} +
                                   "\" is not a server's URL; write it as http://HOST:PORT.");
  };
  std::string_view rest = text;
  if (!rest.starts_with("http://")) return wrong();
  rest.remove_prefix(7);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  Url out;
  const std::size_t colon = rest.rfind(':');
  const bool has_port = colon != std::string_view::npos && !rest.ends_with(']');
  if (has_port) {
    const auto port = parse_number<std::uint16_t>(rest.substr(colon + 1));
    if (!port || *port == 0) return wrong();
    out.port = *port;
    rest = rest.substr(0, colon);
  }
  if (rest.starts_with('[') && rest.ends_with(']')) rest = rest.substr(1, rest.size() - 2);
  if (rest.empty() || rest.find_first_of("/?#@ ") != std::string_view::npos) return wrong();
  out.host = rest;
  return out;
}

std::string Url::text() const {
  const bool v6 = host.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string_view Answer::header(std::string_view name) const {
  const auto found =
      std::ranges::find_if(headers, [&](const auto& one) { return one.first == name; });
  return found == headers.end() ? std::string_view{} : std::string_view{found->second};
}

HttpConnection::HttpConnection(Url url) : url_{std::move(url)} {}

HttpConnection::~HttpConnection() { close(); }

void HttpConnection::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  out_.clear();
  in_.clear();
  sent_ = taken_ = under_way_ = 0;
  peer_closed_ = false;
}

Result<void> HttpConnection::connect() {
  close();
  ::addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  ::addrinfo* list = nullptr;
  const int found =
      ::getaddrinfo(url_.host.c_str(), std::to_string(url_.port).c_str(), &hints, &list);
  if (found != 0) {
    return fail(Errc::unavailable, "The host of " + url_.text() + " can't be found: " +
                                       std::string{::gai_strerror(found)} + ".");
  }
  const std::unique_ptr<::addrinfo, void (*)(::addrinfo*)> owner{list, &::freeaddrinfo};
  int failed = 0;
  for (const ::addrinfo* one = list; one != nullptr; one = one->ai_next) {
    const int fd = ::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) continue;
    failed = connect_socket(fd, *one);
    if (failed == 0) {
      const int yes = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      fd_ = fd;
      return {};
    }
    ::close(fd);
  }
  return fail(Errc::unavailable, "No server answers at " + url_.text() + " (" + reason(failed) +
                                     "). Start one with `stele serve`, or name another with "
                                     "--url or STELE_URL.");
}

void HttpConnection::queue(const Call& call) {
  if (sent_ == out_.size()) {
    out_.clear();
    sent_ = 0;
  }
  out_ += call.method;
  out_ += ' ';
  out_ += call.target;
  out_ += " HTTP/1.1\r\nHost: " + url_.host + ":" + std::to_string(url_.port) + "\r\n";
  for (const auto& [name, value] : call.headers) {
    out_ += name;
    out_ += ": ";
    out_ += value;
    out_ += "\r\n";
  }
  if (!call.body.empty() || call.method == "POST" || call.method == "PUT") {
    out_ += "Content-Length: " + std::to_string(call.body.size()) + "\r\n";
  }
  out_ += "\r\n";
  out_ += call.body;
  ++under_way_;
}

Result<void> HttpConnection::pump(std::chrono::milliseconds timeout) {
  if (fd_ < 0) return broken("is not open");
  const bool sending = sent_ < out_.size();
  ::pollfd poll{.fd = fd_, .events = POLLIN, .revents = 0};
  if (sending) poll.events |= POLLOUT;
  const int ready = ::poll(&poll, 1, static_cast<int>(timeout.count()));
  if (ready < 0 && errno != EINTR) return broken("failed: " + reason(errno));
  if (ready <= 0) return {};

  if ((poll.revents & POLLOUT) != 0) {
    const ::ssize_t sent =
        ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) sent_ += static_cast<std::size_t>(sent);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return broken("failed: " + reason(errno));
  }
  if ((poll.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
    if (taken_ > compact_size || taken_ == in_.size()) {
      in_.erase(0, taken_);
      taken_ = 0;
    }
    const std::size_t before = in_.size();
    in_.resize(before + read_size);
    const ::ssize_t got = ::recv(fd_, in_.data() + before, read_size, MSG_DONTWAIT);
    in_.resize(before + static_cast<std::size_t>(std::max<::ssize_t>(got, 0)));
    if (got < 0 && errno != EAGAIN && errno != EINTR) return broken("failed: " + reason(errno));
    if (got == 0) {
      if (peer_closed_ || in_.size() == taken_) return broken("was closed by the server");
      peer_closed_ = true;
    }
  }
  return {};
}

Result<std::optional<HttpConnection::Head>> HttpConnection::parse_head() const {
  const std::string_view rest = std::string_view{in_}.substr(taken_);
  const std::size_t end = rest.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    if (rest.size() > answer_head_size_max) return fail(Errc::unavailable, "sent too long a head");
    return std::optional<Head>{};
  }
  Head head;
  head.size = end + 4;
  std::string_view lines = rest.substr(0, end + 2);
  const std::string_view status = lines.substr(0, lines.find("\r\n"));
  const auto code = status.size() >= 12 ? parse_number<int>(status.substr(9, 3)) : std::nullopt;
  if (!status.starts_with("HTTP/1.") || !code) return fail(Errc::unavailable, "spoke no HTTP");
  head.answer.status = *code;
  lines.remove_prefix(status.size() + 2);
  while (!lines.empty()) {
    const std::size_t stop = lines.find("\r\n");
    const std::string_view line = lines.substr(0, stop);
    lines.remove_prefix(stop + 2);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return fail(Errc::unavailable, "sent a broken header");
    head.answer.headers.emplace_back(lower(line.substr(0, colon)), trim(line.substr(colon + 1)));
  }
  head.chunked = lower(head.answer.header("transfer-encoding")) == "chunked";
  head.close = lower(head.answer.header("connection")) == "close";
  if (const std::string_view size = head.answer.header("content-length"); !size.empty()) {
    const auto bytes = parse_number<std::size_t>(size);
    if (!bytes || *bytes > answer_body_size_max) return fail(Errc::unavailable, "sent too much");
    head.body_size = *bytes;
  }
  return std::optional{std::move(head)};
}

/// Joins the chunks of a body. True when its last one is here; `used` is then past it.
Result<bool> HttpConnection::take_chunks(Head& head, std::size_t& used) const {
  for (;;) {
    const std::size_t end = in_.find("\r\n", used);
    if (end == std::string::npos) return false;
    std::string_view line = std::string_view{in_}.substr(used, end - used);
    line = line.substr(0, line.find(';'));
    const auto size = parse_number<std::size_t>(trim(line), 16);
    if (!size || head.answer.body.size() + *size > answer_body_size_max) {
      return fail(Errc::unavailable, "sent a broken chunk");
    }
    if (in_.size() < end + 2 + *size + 2) return false;
    head.answer.body.append(in_, end + 2, *size);
    used = end + 2 + *size + 2;
    if (*size == 0) return true;
  }
}

Result<std::optional<Answer>> HttpConnection::take() {
  auto head = parse_head();
  if (!head) return broken(head.error().message);
  if (!*head) return std::optional<Answer>{};
  Head& parsed = **head;
  std::size_t used = taken_ + parsed.size;
  if (parsed.chunked) {
    const auto complete = take_chunks(parsed, used);
    if (!complete) return broken(complete.error().message);
    if (!*complete) return std::optional<Answer>{};
  } else {
    if (in_.size() - used < parsed.body_size) return std::optional<Answer>{};
    parsed.answer.body.assign(in_, used, parsed.body_size);
    used += parsed.body_size;
  }
  taken_ = used;
  if (parsed.answer.status == 100) return take();
  if (under_way_ > 0) --under_way_;
  if (parsed.close) close();
  return std::optional{std::move(parsed.answer)};
}

Result<Answer> HttpConnection::call(const Call& call, std::chrono::milliseconds timeout) {
  if (!connected()) {
    if (auto done = connect(); !done) return std::unexpected{done.error()};
  }
  queue(call);
  auto answer = call_under_way(std::chrono::steady_clock::now() + timeout);
  if (answer || answer.error().code != Errc::timed_out) return answer;
  return fail(Errc::timed_out, url_.text() + " did not answer " + call.method + " " + call.target +
                                   " within " + std::to_string(timeout.count() / 1'000) + " s.");
}

Result<Answer> HttpConnection::call_under_way(std::chrono::steady_clock::time_point give_up) {
  for (;;) {
    auto answer = take();
    if (!answer) return std::unexpected{answer.error()};
    if (*answer) return std::move(**answer);
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        give_up - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      close();
      return fail(Errc::timed_out, url_.text() + " did not answer in time.");
    }
    if (auto moved = pump(left); !moved) return std::unexpected{moved.error()};
  }
}

Result<bool> HttpConnection::hand_on_chunks(ChunkState& state, const TakePiece& take) {
  for (;;) {
    const std::string_view rest = std::string_view{in_}.substr(taken_);
    if (state.left > 0) {
      const std::string_view piece = rest.substr(0, state.left);
      if (piece.empty()) return false;
      state.moved = true;
      state.broken_off = !take(piece);
      taken_ += piece.size();
      state.left -= piece.size();
      state.ends_chunk = state.left == 0;
      if (state.broken_off) return true;
      continue;
    }
    const std::size_t end = rest.find("\r\n");
    if (end == std::string_view::npos) return false;
    taken_ += end + 2;
    if (std::exchange(state.ends_chunk, false)) continue;
    const std::string_view line = rest.substr(0, end);
    const auto size = parse_number<std::size_t>(trim(line.substr(0, line.find(';'))), 16);
    if (!size) return fail(Errc::unavailable, "sent a broken chunk");
    if (*size == 0) return true;  // The empty line behind it comes with the same piece.
    state.left = *size;
  }
}

Result<Answer> HttpConnection::download(const Call& call, std::chrono::milliseconds idle_timeout,
                                        const TakePiece& take) {
  close();
  if (auto done = connect(); !done) return std::unexpected{done.error()};
  queue(call);
  std::optional<Head> head;
  ChunkState chunks;
  auto give_up = std::chrono::steady_clock::now() + idle_timeout;
  for (;;) {
    if (!head) {
      auto parsed = parse_head();
      if (!parsed) return broken(parsed.error().message);
      head = std::move(*parsed);
      // Only what may be long comes in pieces.
      if (head && (head->answer.status != 200 || !head->chunked)) break;
      if (head) taken_ += head->size;
    }
    if (head) {
      const auto ended = hand_on_chunks(chunks, take);
      if (!ended) return broken(ended.error().message);
      if (*ended) {
        close();
        return std::move(head->answer);
      }
    }
    const auto now = std::chrono::steady_clock::now();
    if (std::exchange(chunks.moved, false)) give_up = now + idle_timeout;
    if (now >= give_up) {
      close();
      return fail(Errc::timed_out, url_.text() + " sent nothing for " +
                                       std::to_string(idle_timeout.count() / 1'000) + " s.");
    }
    if (auto moved = pump(download_step); !moved) return std::unexpected{moved.error()};
    if (!take({})) {
      close();
      return Answer{.status = 200, .body = {}, .headers = {}};
    }
  }
  auto answer = this->call_under_way(give_up);
  if (answer && answer->status == 200) take(answer->body);
  return answer;
}

std::unexpected<Error> HttpConnection::broken(std::string_view what) {
  close();
  return fail(Errc::unavailable,
              "The connection to " + url_.text() + " " + std::string{what} + ".");
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += digits[byte >> 4U];
    out += digits[byte & 15U];
  }
  return out;
}

}  // namespace stele::program
