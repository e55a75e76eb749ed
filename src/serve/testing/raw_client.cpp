#include "serve/testing/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

namespace stele::serve::testing {

RawClient::RawClient(std::uint16_t port) : socket_{::socket(AF_INET, SOCK_STREAM, 0)} {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    throw std::runtime_error{"The test's client cannot connect."};
  }
}

RawClient::~RawClient() { close(); }

void RawClient::close() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

void RawClient::end_sending() { ::shutdown(socket_, SHUT_WR); }

void RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // The server closed; the answer says why.
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

bool RawClient::fill(std::chrono::steady_clock::time_point until) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      until - std::chrono::steady_clock::now());
  pollfd poll{.fd = socket_, .events = POLLIN, .revents = 0};
  if (left.count() < 0 || ::poll(&poll, 1, static_cast<int>(left.count())) <= 0) return false;
  std::array<char, 65'536> bytes;
  const auto size = ::recv(socket_, bytes.data(), bytes.size(), 0);
  if (size <= 0) return false;
  read_.append(bytes.data(), static_cast<std::size_t>(size));
  return true;
}

bool RawClient::fill_to(std::size_t size, std::chrono::steady_clock::time_point until) {
  while (read_.size() < size) {
    if (!fill(until)) return false;
  }
  return true;
}

std::optional<std::string> RawClient::line(std::chrono::steady_clock::time_point until) {
  std::size_t end = 0;
  while ((end = read_.find("\r\n")) == std::string::npos) {
    if (!fill(until)) return std::nullopt;
  }
  std::string out = read_.substr(0, end);
  read_.erase(0, end + 2);
  return out;
}

std::optional<Answer> RawClient::answer(bool to_head, std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  const auto status = line(until);
  if (!status || status->size() < 12) return std::nullopt;
  Answer out;
  out.status = std::stoi(status->substr(9, 3));
  while (true) {
    const auto header = line(until);
    if (!header) return out;
    if (header->empty()) break;
    std::string name = header->substr(0, header->find(':'));
    std::ranges::transform(name, name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    out.headers[name] = header->substr(std::min(header->size(), name.size() + 2));
  }
  if (to_head || out.status == 204 || out.status == 100) {
    out.complete = true;
  } else if (out.headers.contains("content-length")) {
    const std::size_t size = std::stoull(out.headers["content-length"]);
    out.complete = fill_to(size, until);
    out.body = read_.substr(0, size);
    read_.erase(0, std::min(size, read_.size()));
  } else if (out.headers.contains("transfer-encoding")) {
    while (const auto head = line(until)) {
      const std::size_t size = std::stoull(*head, nullptr, 16);
      if (!fill_to(size + 2, until)) return out;
      out.body += read_.substr(0, size);
      read_.erase(0, size + 2);
      if (size == 0) {
        out.complete = true;
        break;
      }
    }
  } else {
    while (fill(until)) {
    }
    out.body = std::exchange(read_, {});
    out.complete = true;
  }
  return out;
}

Answer RawClient::ask(std::string_view method, std::string_view target, std::string_view body,
                      std::string_view headers) {
  std::string bytes =
      std::string{method} + ' ' + std::string{target} + " HTTP/1.1\r\nHost: test\r\n";
  bytes += headers;
  if (!body.empty()) bytes += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  bytes += "\r\n";
  bytes += body;
  send(bytes);
  return answer(method == "HEAD").value_or(Answer{});
}

std::string RawClient::read_until(std::string_view text, std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  std::size_t at = 0;
  while ((at = read_.find(text)) == std::string::npos) {
    if (!fill(until)) return std::exchange(read_, {});
  }
  std::string out = read_.substr(0, at + text.size());
  read_.erase(0, at + text.size());
  return out;
}

bool RawClient::is_closed_within(std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (fill(until)) {
  }
  return std::chrono::steady_clock::now() < until;
}

}  // namespace stele::serve::testing
