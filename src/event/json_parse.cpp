// JSON texts into `JsonDocument`: Boost.JSON's incremental parser finds the tokens and checks the
// UTF-8; this file keeps them as a flat list of nodes, with what that parser would drop (the text
// of numbers) and refuses what it would accept (a member twice).

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <limits>
#include <optional>
#include <utility>

#include "stele/json.h"

namespace stele {
namespace {

namespace json = boost::json;

constexpr std::size_t text_size_max = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t pairwise_members_max = 16;  // More are sorted to find one named twice.

std::uint32_t narrow(std::size_t size) { return static_cast<std::uint32_t>(size); }

}  // namespace

// Receives the parser's tokens, in order.
class JsonTape {
 public:
  static constexpr std::size_t max_object_size = text_size_max;
  static constexpr std::size_t max_array_size = text_size_max;
  static constexpr std::size_t max_key_size = text_size_max;
  static constexpr std::size_t max_string_size = text_size_max;

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) { return open(JsonKind::object); }
  bool on_array_begin(json::error_code&) { return open(JsonKind::array); }
  bool on_object_end(std::size_t size, json::error_code& error) {
    close(size);
    if (size < 2 || !find_duplicate()) return true;
    error = json::error::not_found;  // Any error stops the parser; `duplicate_error` says which.
    return false;
  }
  bool on_array_end(std::size_t size, json::error_code&) {
    close(size);
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, json::error_code&) { return text(part); }
  bool on_key(json::string_view part, std::size_t size, json::error_code&) {
    text(part);
    key_begin_ = narrow(document.text_.size() - size);
    key_size_ = narrow(size);
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, json::error_code&) { return text(part); }
  bool on_string(json::string_view part, std::size_t size, json::error_code&) {
    text(part);
    return leaf(JsonKind::string, size);
  }
  bool on_number_part(json::string_view part, json::error_code&) {
    number_size_ += part.size();
    return text(part);
  }
  bool on_int64(std::int64_t, json::string_view part, json::error_code&) { return number(part); }
  bool on_uint64(std::uint64_t, json::string_view part, json::error_code&) { return number(part); }
  bool on_double(double, json::string_view part, json::error_code&) { return number(part); }
  bool on_bool(bool value, json::error_code&) {
    leaf(JsonKind::boolean, 0);
    document.nodes_.back().value = value;
    return true;
  }
  bool on_null(json::error_code&) { return leaf(JsonKind::null, 0); }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

  void start(std::size_t size) {
    document.nodes_.clear();
    document.text_.clear();
    document.nodes_.reserve(size / 12 + 4);
    document.text_.reserve(size);  // Unescaped text is never longer than its source.
    open_.clear();
    key_begin_ = key_size_ = 0;
    number_size_ = 0;
    duplicate_ = 0;
  }

  // Set when an object had a member twice.
  std::optional<MappingError> duplicate_error() {
    if (duplicate_ == 0) return std::nullopt;
    for (const std::uint32_t node : open_) {  // The parser stopped: what is open ends here.
      document.nodes_[node].next = narrow(document.nodes_.size());
    }
    const JsonValue value = document.at(duplicate_);
    return MappingError{.pointer = value.pointer(),
                        .message = "The member \"" + std::string{value.key()} +
                                   "\" stands twice in its object; give it once."};
  }

  JsonDocument document;

 private:
  using Node = JsonDocument::Node;

  bool text(json::string_view part) {
    document.text_.append(part.data(), part.size());
    return true;
  }
  void push(JsonKind kind, std::size_t text_size) {
    Node node;
    node.kind = kind;
    node.key_begin = key_begin_;
    node.key_size = key_size_;
    node.text_begin = narrow(document.text_.size() - text_size);
    node.text_size = narrow(text_size);
    document.nodes_.push_back(node);
    document.nodes_.back().next = narrow(document.nodes_.size());
    key_size_ = 0;
  }
  bool open(JsonKind kind) {
    push(kind, 0);
    open_.push_back(narrow(document.nodes_.size() - 1));
    return true;
  }
  void close(std::size_t size) {
    closed_ = open_.back();
    open_.pop_back();
    document.nodes_[closed_].children = narrow(size);
    document.nodes_[closed_].next = narrow(document.nodes_.size());
  }
  bool leaf(JsonKind kind, std::size_t text_size) {
    push(kind, text_size);
    return true;
  }
  bool number(json::string_view part) {
    text(part);
    return leaf(JsonKind::number, std::exchange(number_size_, 0) + part.size());
  }
  std::string_view key_of(std::uint32_t node) const {
    const Node& n = document.nodes_[node];
    return std::string_view{document.text_}.substr(n.key_begin, n.key_size);
  }

  bool find_duplicate() {
    members_.clear();
    const Node& object = document.nodes_[closed_];
    for (std::uint32_t at = closed_ + 1; at < object.next; at = document.nodes_[at].next) {
      members_.push_back(at);
    }
    if (members_.size() <= pairwise_members_max) {
      for (std::size_t i = 1; i < members_.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
          if (key_of(members_[i]) == key_of(members_[j])) duplicate_ = members_[i];
        }
      }
      return duplicate_ != 0;
    }
    const auto key = [this](std::uint32_t node) { return key_of(node); };
    std::ranges::sort(members_, [&](std::uint32_t a, std::uint32_t b) {
      return std::pair{key(a), a} < std::pair{key(b), b};  // Of two alike, the first stays first.
    });
    const auto twice = std::ranges::adjacent_find(members_, {}, key);
    if (twice != members_.end()) duplicate_ = *std::next(twice);
    return duplicate_ != 0;
  }

  std::vector<std::uint32_t> open_;     // Containers not closed yet, outermost first.
  std::vector<std::uint32_t> members_;  // Scratch of `find_duplicate`.
  std::uint32_t duplicate_ = 0;         // A node whose key its object has before; 0 for none.
  std::uint32_t closed_ = 0;
  std::uint32_t key_begin_ = 0, key_size_ = 0;
  std::size_t number_size_ = 0;
};

namespace {

using Parser = json::basic_parser<JsonTape>;

json::parse_options strict_options() {
  json::parse_options options;
  options.max_depth = json_depth_max;
  return options;
}

std::unexpected<MappingError> malformed(std::string message) {
  return std::unexpected{MappingError{.message = std::move(message)}};
}

// Fills the parser's tape, or says why the text is refused.
std::expected<void, MappingError> run(Parser& parser, std::string_view text) {
  if (text.size() > text_size_max) return malformed("The JSON text is longer than 4 GiB.");
  parser.reset();
  parser.handler().start(text.size());
  json::error_code error;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), error);
  if (auto found = parser.handler().duplicate_error()) return std::unexpected{std::move(*found)};
  const std::string at = " at byte " + std::to_string(used);
  if (error == json::error::too_deep) {
    return malformed("The JSON text is nested deeper than " + std::to_string(json_depth_max) +
                     " levels" + at + ".");
  }
  if (error == json::error::incomplete) {
    return malformed(text.empty() ? "The text is empty; a JSON value was expected."
                                  : "The JSON text ends in the middle of a value.");
  }
  if (error) return malformed("The text is not JSON" + at + ": " + error.message() + ".");
  if (used < text.size()) return malformed("Something follows the JSON value" + at + ".");
  return {};
}

}  // namespace

std::expected<JsonDocument, MappingError> JsonDocument::parse(std::string_view text) {
  Parser parser{strict_options()};
  if (auto good = run(parser, text); !good) return std::unexpected{std::move(good.error())};
  return std::move(parser.handler().document);
}

std::expected<JsonKind, MappingError> check_json(std::string_view text) {
  // Kept from call to call, so that checking the events of an append allocates nothing.
  thread_local Parser parser{strict_options()};
  if (auto good = run(parser, text); !good) return std::unexpected{std::move(good.error())};
  return parser.handler().document.root().kind();
}

}  // namespace stele
