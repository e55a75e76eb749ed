#include "serve/request_reader.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <cstring>

namespace stele::serve {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr std::size_t read_size_min = std::size_t{16} * 1'024;   // Bytes of room for a read.
constexpr std::size_t read_size_max = std::size_t{256} * 1'024;  // The same while reads fill it.
constexpr std::size_t headers_count_reserved = 16;
constexpr std::size_t headers_count_max = 256;

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

Problem bad_message(std::string detail) { return malformed(std::move(detail)); }

}  // namespace

/// Beast reads the syntax; this notes what the stricter rules need.
struct RequestReader::Parser final : http::basic_parser<true> {
  explicit Parser(std::size_t header_size_max) {
    header_limit(static_cast<std::uint32_t>(header_size_max + 1));
    body_limit(boost::none);  // Checked here, where the answer can name the limit.
    eager(false);
  }

  Exchange* into = nullptr;
  std::size_t host_count = 0;
  std::size_t length_count = 0;
  std::size_t coding_count = 0;
  std::string_view host;
  std::string fault;  // A sentence; empty if all is well.
  bool expects_continue = false;
  bool in_head = true;
  int version = 11;  // Ten times HTTP's.

  void on_request_impl(http::verb, beast::string_view method, beast::string_view target, int number,
                       boost::beast::error_code& error) override {
    into->request.method = view(method);
    into->request.target = view(target);
    version = number;
    error = {};
  }
  void on_response_impl(int, beast::string_view, int, boost::beast::error_code&) override {}

  void on_field_impl(http::field field, beast::string_view name, beast::string_view value,
                     boost::beast::error_code& error) override {
    error = {};
    if (!in_head) return;  // Trailers mean nothing here and are never merged with headers.
    const std::string_view text = view(value);
    switch (field) {
      case http::field::host:
        ++host_count;
        host = text;
        break;
      case http::field::content_length:
        ++length_count;
        if (text.empty() || text.size() > 18 ||
            !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) {
          fault = "Content-Length must be one decimal number.";
        }
        break;
      case http::field::transfer_encoding:
        ++coding_count;
        if (!same_token(text, "chunked")) {
          fault = "The only transfer coding taken is \"chunked\".";
        }
        break;
      case http::field::expect:
        expects_continue = same_token(text, "100-continue");
        if (!expects_continue) fault = "The only expectation taken is \"100-continue\".";
        break;
      default:
        break;
    }
    if (into->request.headers.size() == headers_count_max) {
      fault = "The request has more than " + std::to_string(headers_count_max) + " headers.";
      return;
    }
    into->request.headers.push_back({.name = view(name), .value = text});
  }

  void on_header_impl(boost::beast::error_code& error) override {
    in_head = false;
    error = {};
  }
  void on_body_init_impl(boost::optional<std::uint64_t> const&,
                         boost::beast::error_code& error) override {
    error = {};
  }
  std::size_t on_body_impl(beast::string_view body, boost::beast::error_code& error) override {
    error = {};
    return body.size();
  }
  // Chunks are read by ChunkedBody.
  void on_chunk_header_impl(std::uint64_t, beast::string_view,
                            boost::beast::error_code& error) override {
    error = {};
  }
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body,
                                 boost::beast::error_code& error) override {
    error = {};
    return body.size();
  }
  void on_finish_impl(boost::beast::error_code& error) override { error = {}; }

  /// What is wrong with the head as a whole; empty if nothing.
  [[nodiscard]] std::string head_fault() const {
    if (!fault.empty()) return fault;
    if (length_count + coding_count > 1) {
      return "Content-Length and Transfer-Encoding stand together, or one of them twice.";
    }
    if (coding_count > 0 && version < 11) return "HTTP/1.0 knows no Transfer-Encoding.";
    if (host_count > 1 || (host_count == 0 && version >= 11)) {
      return "An HTTP/1.1 request must have one Host header.";
    }
    if (host.find_first_of(" \t/@,?#\\") != std::string_view::npos) {
      return "The Host header is not a host and a port.";
    }
    return {};
  }
};

namespace {

/// Brings the target to origin-form. False if it names another host, or is none.
bool normalize_target(Request& request, std::string_view host) {
  std::string_view& target = request.target;
  if (target.starts_with('/')) return target.find('#') == std::string_view::npos;
  if (target == "*") return request.method == "OPTIONS";
  const std::string_view scheme = "http://";
  if (target.size() <= scheme.size() || !same_token(target.substr(0, scheme.size()), scheme)) {
    return false;
  }
  target.remove_prefix(scheme.size());
  const std::size_t end = target.find('/');
  if (end == std::string_view::npos || !same_token(target.substr(0, end), host)) return false;
  target.remove_prefix(end);
  return target.find('#') == std::string_view::npos;
}

/// A line that starts with white space would join the one before (folding); NUL hides what follows.
bool has_folded_line_or_nul(std::string_view head) {
  if (head.find('\0') != std::string_view::npos) return true;
  for (std::size_t at = head.find('\n'); at + 1 < head.size(); at = head.find('\n', at + 1)) {
    if (head[at + 1] == ' ' || head[at + 1] == '\t') return true;
  }
  return false;
}

bool has_bare_cr(std::string_view head) {
  for (std::size_t at = head.find('\r'); at < head.size(); at = head.find('\r', at + 1)) {
    if (at + 1 == head.size() || head[at + 1] != '\n') return true;
  }
  return false;
}

}  // namespace

RequestReader::RequestReader(ReaderLimits limits) : limits_{limits}, read_size_{read_size_min} {}
RequestReader::~RequestReader() = default;

std::string_view RequestReader::pending() const {
  return chunk_ ? std::string_view{chunk_.data() + begin_, end_ - begin_} : std::string_view{};
}

std::span<char> RequestReader::room() {
  if (!chunk_) move_to_chunk(read_size_);
  if (begin_ == end_ && chunk_.is_only_user()) begin_ = end_ = 0;
  if (end_ == chunk_.capacity()) move_to_chunk(end_ - begin_ + read_size_);
  return {chunk_.data() + end_, chunk_.capacity() - end_};
}

void RequestReader::filled(std::size_t size) {
  const bool full = size == chunk_.capacity() - end_;
  read_size_ = full ? std::min(read_size_ * 2, read_size_max) : read_size_;
  end_ += size;
}

void RequestReader::move_to_chunk(std::size_t capacity) {
  const std::string_view rest = pending();
  if (chunk_ && chunk_.is_only_user() && chunk_.capacity() >= capacity) {
    std::memmove(chunk_.data(), rest.data(), rest.size());
  } else {
    ChunkRef chunk{capacity};
    if (!rest.empty()) std::memcpy(chunk.data(), rest.data(), rest.size());
    chunk_ = std::move(chunk);
  }
  end_ = rest.size();
  begin_ = 0;
}

RequestReader::Outcome RequestReader::refuse(Problem problem) {
  problem_ = std::move(problem);
  return Outcome::refused;
}

RequestReader::Outcome RequestReader::next(Exchange& exchange) {
  if (phase_ != Phase::body) return read_head(exchange);
  return parser_->chunked() ? read_chunked_body(exchange) : read_sized_body(exchange);
}

/// `need_more`, `refused`, or `request` when `size` bytes make the head.
RequestReader::Outcome RequestReader::find_head(std::size_t& size) {
  if (!skipped_line_ && pending().starts_with("\r\n")) {
    begin_ += 2;
    scanned_ = 0;  // Its CR may have come alone, and been looked at.
    skipped_line_ = true;
  }
  const std::string_view text = pending();
  const auto too_large = [&] {
    return refuse(Problem{"header_too_large", "The request line and headers are larger than " +
                                                  std::to_string(limits_.header_size_max) +
                                                  " bytes; send less."}
                      .with("limit", limits_.header_size_max));
  };
  while (scanned_ < text.size()) {
    const std::size_t line_end = text.find('\n', scanned_);
    if (line_end == std::string_view::npos) {
      scanned_ = text.size();
      break;
    }
    if (line_end == 0 || text[line_end - 1] != '\r') {
      return refuse(bad_message("A line of the head does not end with CR LF."));
    }
    scanned_ = line_end + 1;
    if (line_end >= 3 && text.substr(line_end - 3, 4) == "\r\n\r\n") {
      size = line_end + 1;
      return size > limits_.header_size_max ? too_large() : Outcome::request;
    }
  }
  phase_ = text.empty() ? Phase::idle : Phase::header;
  return text.size() > limits_.header_size_max ? too_large() : Outcome::need_more;
}

bool RequestReader::parse_head(Exchange& exchange) {
  exchange.request.headers.clear();
  exchange.request.headers.reserve(headers_count_reserved);
  auto parser = std::make_unique<Parser>(limits_.header_size_max);
  parser->into = &exchange;
  boost::beast::error_code error;
  const std::string_view head = pending().substr(0, head_size_);
  parser->put(boost::asio::const_buffer{head.data(), head.size()}, error);
  std::string fault;
  if (has_folded_line_or_nul(head) || has_bare_cr(head)) {
    fault = "A header is folded over two lines, or has a control character.";
  } else if (error && error != http::error::need_more) {
    fault = "The request is not HTTP/1.1: " + error.message() + '.';
  } else if (!parser->is_header_done()) {
    fault = "The request is not HTTP/1.1.";
  } else {
    fault = parser->head_fault();
  }
  if (fault.empty() && !normalize_target(exchange.request, parser->host)) {
    fault = "The request's target is neither a path nor a URL of this host.";
  }
  parser_ = std::move(parser);
  if (!fault.empty()) {
    problem_ = bad_message(std::move(fault));
    return false;
  }
  exchange.http_1_0 = parser_->version < 11;
  exchange.keep_alive = parser_->keep_alive();
  exchange.bytes = chunk_;
  return true;
}

RequestReader::Outcome RequestReader::read_head(Exchange& exchange) {
  if (const Outcome found = find_head(head_size_); found != Outcome::request) return found;
  if (!parse_head(exchange)) return Outcome::refused;
  phase_ = Phase::body;
  said_continue_ = false;
  if (parser_->chunked()) {
    body_size_ = 0;
    chunks_.emplace(limits_.body_size_max, limits_.header_size_max);
    return read_chunked_body(exchange);
  }
  const auto length = parser_->content_length();
  if (length && *length > limits_.body_size_max) {
    return refuse(Problem{
        "too_large", "The body has " + std::to_string(*length) + " bytes; at most " +
                         std::to_string(limits_.body_size_max) + " are taken. Send it in parts."}
                      .with("limit", limits_.body_size_max));
  }
  body_size_ = length ? static_cast<std::size_t>(*length) : 0;
  const std::size_t whole = head_size_ + body_size_;
  if (pending().size() >= whole) return finish(exchange, whole);
  exchange.bytes = {};
  // Room for all of it, so that the body lies in one piece without being moved as it grows.
  if (chunk_.capacity() - begin_ < whole) move_to_chunk(whole + read_size_min);
  return read_sized_body(exchange);
}

RequestReader::Outcome RequestReader::read_sized_body(Exchange& exchange) {
  const std::size_t whole = head_size_ + body_size_;
  if (pending().size() >= whole) {
    return parse_head(exchange) ? finish(exchange, whole) : Outcome::refused;
  }
  if (!parser_->expects_continue || said_continue_) return Outcome::need_more;
  said_continue_ = true;
  return pending().size() > head_size_ ? Outcome::need_more : Outcome::send_continue;
}

RequestReader::Outcome RequestReader::read_chunked_body(Exchange& exchange) {
  exchange.bytes = {};
  char* const body = chunk_.data() + begin_ + head_size_;
  const std::size_t available = end_ - begin_ - head_size_;
  std::size_t used = 0;
  const ChunkedBody::Outcome outcome = chunks_->take({body, available}, used);
  body_size_ = chunks_->text().size();
  // What was decoded is dropped; the head stays, because the request's views point into it.
  std::memmove(body, body + used, available - used);
  end_ -= used;
  switch (outcome) {
    case ChunkedBody::Outcome::need_more:
      break;
    case ChunkedBody::Outcome::done: {
      std::string joined = std::move(chunks_->text());
      chunks_.reset();
      if (!parse_head(exchange)) return Outcome::refused;
      exchange.joined_body = std::move(joined);
      return finish(exchange, head_size_);
    }
    case ChunkedBody::Outcome::too_large:
      return refuse(Problem{"too_large", "The body has more than " +
                                             std::to_string(limits_.body_size_max) +
                                             " bytes. Send it in parts."}
                        .with("limit", limits_.body_size_max));
    case ChunkedBody::Outcome::malformed:
      return refuse(bad_message("The chunks of the body are not as HTTP/1.1 writes them."));
  }
  if (!parser_->expects_continue || said_continue_) return Outcome::need_more;
  said_continue_ = true;
  return chunks_->raw_size() > 0 ? Outcome::need_more : Outcome::send_continue;
}

RequestReader::Outcome RequestReader::finish(Exchange& exchange, std::size_t size) {
  const bool chunked = parser_->chunked();
  exchange.request.body = chunked ? std::string_view{exchange.joined_body}
                                  : pending().substr(head_size_, size - head_size_);
  begin_ += size;
  scanned_ = 0;
  skipped_line_ = false;
  parser_.reset();
  phase_ = begin_ == end_ ? Phase::idle : Phase::header;
  return Outcome::request;
}

}  // namespace stele::serve
