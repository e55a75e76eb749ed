#include "import/expression.h"

#include <algorithm>
#include <utility>

#include "import/decimal.h"

namespace stele::program {

struct Expression::Node {
  enum class Kind : std::uint8_t { either, both, negation, first_of, test };
  enum class Compare : std::uint8_t { equal, not_equal, less, at_most, greater, at_least };
  struct Operand {
    bool is_column = false;
    bool is_number = false;
    std::size_t column = 0;
    std::string text;
  };
  Kind kind = Kind::test;
  std::vector<std::shared_ptr<const Node>> parts;  // Of either, both, negation.
  std::size_t index = 0;                           // Of first_of.
  Compare compare = Compare::equal;
  Operand left, right;
};

namespace {

constexpr std::size_t expression_depth_max = 32;    // Brackets and `not` inside one another.
constexpr std::size_t expression_size_max = 4'096;  // Bytes.

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(char c) { return is_name_start(c) || is_digit(c) || c == '.'; }

bool matches(Expression::Node::Compare compare, std::strong_ordering order) {
  using Compare = Expression::Node::Compare;
  switch (compare) {
    case Compare::equal:
      return order == std::strong_ordering::equal;
    case Compare::not_equal:
      return order != std::strong_ordering::equal;
    case Compare::less:
      return order == std::strong_ordering::less;
    case Compare::at_most:
      return order != std::strong_ordering::greater;
    case Compare::greater:
      return order == std::strong_ordering::greater;
    case Compare::at_least:
      return order != std::strong_ordering::less;
  }
  return false;
}

}  // namespace

/// Recursive descent over the grammar of the header; depth is bounded.
class ExpressionParser {
 public:
  using Node = Expression::Node;
  using Parsed = Result<std::shared_ptr<const Node>>;

  ExpressionParser(std::string_view text, std::vector<std::string>& columns, bool open_names,
                   Expression& out)
      : text_{text}, columns_{columns}, open_names_{open_names}, out_{out} {}

  Result<void> run() {
    if (text_.size() > expression_size_max) return complain("at most 4096 bytes");
    auto root = parse_or();
    if (!root) return std::unexpected{root.error()};
    skip_blanks();
    if (at_ != text_.size()) return complain("\"and\", \"or\" or the end");
    out_.root_ = std::move(*root);
    return {};
  }

 private:
  Parsed parse_or() { return parse_list("or", Node::Kind::either, &ExpressionParser::parse_and); }
  Parsed parse_and() { return parse_list("and", Node::Kind::both, &ExpressionParser::parse_not); }

  Parsed parse_list(std::string_view word, Node::Kind kind, Parsed (ExpressionParser::*part)()) {
    auto first = (this->*part)();
    if (!first || !take_word(word)) return first;
    auto node = std::make_shared<Node>();
    node->kind = kind;
    node->parts.push_back(std::move(*first));
    do {
      auto next = (this->*part)();
      if (!next) return next;
      node->parts.push_back(std::move(*next));
    } while (take_word(word));
    return node;
  }

  Parsed parse_not() {
    if (++depth_ > expression_depth_max) return complain("fewer brackets");
    Parsed out = parse_unit();
    --depth_;
    return out;
  }

  Parsed parse_unit() {
    if (take_word("not")) {
      auto part = parse_not();
      if (!part) return part;
      auto node = std::make_shared<Node>();
      node->kind = Node::Kind::negation;
      node->parts.push_back(std::move(*part));
      return node;
    }
    if (take("(")) {
      auto inner = parse_or();
      if (inner && !take(")")) return complain("\")\"");
      return inner;
    }
    if (take_word("first_of")) return parse_first_of();
    return parse_test();
  }

  Parsed parse_first_of() {
    auto node = std::make_shared<Node>();
    node->kind = Node::Kind::first_of;
    node->index = out_.first_ofs_.size();
    std::vector<std::size_t> columns;
    do {
      const auto column = parse_column();
      if (!column) return std::unexpected{column.error()};
      columns.push_back(*column);
    } while (take(","));
    if (out_.first_of_.empty()) out_.first_of_ = columns;
    out_.first_ofs_.push_back({.columns = std::move(columns), .seen = {}});
    return node;
  }

  Parsed parse_test() {
    auto node = std::make_shared<Node>();
    auto left = parse_operand();
    if (!left) return std::unexpected{left.error()};
    using Compare = Node::Compare;
    constexpr std::pair<std::string_view, Compare> signs[] = {
        {"==", Compare::equal},    {"!=", Compare::not_equal}, {"<=", Compare::at_most},
        {">=", Compare::at_least}, {"<", Compare::less},       {">", Compare::greater}};
    const auto* sign =
        std::ranges::find_if(signs, [&](const auto& one) { return take(one.first); });
    if (sign == std::end(signs)) return complain("one of == != < <= > >=");
    auto right = parse_operand();
    if (!right) return std::unexpected{right.error()};
    node->compare = sign->second;
    node->left = std::move(*left);
    node->right = std::move(*right);
    return node;
  }

  Result<Node::Operand> parse_operand() {
    skip_blanks();
    Node::Operand operand;
    const char c = peek();
    if (c == '"' || c == '\'') {
      const std::size_t end = text_.find(c, at_ + 1);
      if (end == std::string_view::npos) return complain("the closing quote");
      operand.text = text_.substr(at_ + 1, end - at_ - 1);
      at_ = end + 1;
      return operand;
    }
    if (c == '-' || is_digit(c)) {
      const std::size_t begin = at_++;
      while (is_digit(peek()) || peek() == '.') ++at_;
      operand.text = text_.substr(begin, at_ - begin);
      operand.is_number = true;
      if (!is_decimal(operand.text)) return complain("a number such as -12.50");
      return operand;
    }
    const auto column = parse_column();
    if (!column) return std::unexpected{column.error()};
    operand.is_column = true;
    operand.column = *column;
    return operand;
  }

  Result<std::size_t> parse_column() {
    skip_blanks();
    if (!is_name_start(peek())) return complain("a column's name");
    const std::size_t begin = at_;
    while (is_name(peek())) ++at_;
    const std::string name{text_.substr(begin, at_ - begin)};
    const auto found = std::ranges::find(columns_, name);
    if (found != columns_.end()) return static_cast<std::size_t>(found - columns_.begin());
    if (!open_names_) {
      at_ = begin;
      return complain("one of the named columns");
    }
    columns_.push_back(name);
    return columns_.size() - 1;
  }

  bool take(std::string_view sign) {
    skip_blanks();
    if (!text_.substr(at_).starts_with(sign)) return false;
    at_ += sign.size();
    return true;
  }

  bool take_word(std::string_view word) {
    skip_blanks();
    const std::string_view rest = text_.substr(at_);
    if (!rest.starts_with(word) || (rest.size() > word.size() && is_name(rest[word.size()]))) {
      return false;
    }
    at_ += word.size();
    return true;
  }

  void skip_blanks() {
    while (peek() == ' ' || peek() == '\t') ++at_;
  }
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  [[nodiscard]] std::unexpected<Error> complain(std::string_view expected) const {
    return fail(Errc::invalid, "The condition \"" + std::string{text_} + "\" can't be read at \"" +
                                   std::string{text_.substr(at_)} + "\": expected " +
                                   std::string{expected} + ".");
  }

  std::string_view text_;
  std::vector<std::string>& columns_;
  bool open_names_;
  Expression& out_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
};

Result<Expression> Expression::parse(std::string_view text, std::vector<std::string>& columns,
                                     bool open_names) {
  Expression out;
  const auto parsed = ExpressionParser{text, columns, open_names, out}.run();
  if (!parsed) return std::unexpected{parsed.error()};
  return out;
}

Result<bool> Expression::holds(const Record& record) {
  // Every record is shown to every `first_of`, also where another part already decides.
  for (FirstOf& one : first_ofs_) {
    const auto first = one.seen.insert(key_of(record, one.columns));
    if (!first) return first;
    one.first = *first;
  }
  return judge(*root_, record);
}

Result<bool> Expression::judge(const Node& node, const Record& record) const {
  switch (node.kind) {
    case Node::Kind::first_of:
      return first_ofs_[node.index].first;
    case Node::Kind::negation: {
      const auto inner = judge(*node.parts[0], record);
      return inner ? Result<bool>{!*inner} : inner;
    }
    case Node::Kind::either:
    case Node::Kind::both: {
      const bool stop_at = node.kind == Node::Kind::either;
      for (const auto& part : node.parts) {
        const auto one = judge(*part, record);
        if (!one || *one == stop_at) return one;
      }
      return !stop_at;
    }
    case Node::Kind::test:
      break;
  }
  const auto text = [&](const Node::Operand& operand) -> const std::string& {
    return operand.is_column ? record.values[operand.column] : operand.text;
  };
  const std::string& left = text(node.left);
  const std::string& right = text(node.right);
  if (!node.left.is_number && !node.right.is_number) return matches(node.compare, left <=> right);
  if (!is_decimal(left) || !is_decimal(right)) {
    return fail(Errc::invalid, "\"" + (is_decimal(left) ? right : left) +
                                   "\" is compared with a number and is none.");
  }
  return matches(node.compare, compare_decimals(left, right));
}

std::string key_of(const Record& record, const std::vector<std::size_t>& columns) {
  std::string key;
  for (const std::size_t column : columns) {
    const std::string& value = record.values[column];
    key += std::to_string(value.size());
    key += ':';
    key += value;
  }
  return key;
}

}  // namespace stele::program
