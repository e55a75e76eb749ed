// Reads JSON (RFC 8259) from the left, strictly, and can hand out the exact bytes of a value.
//
// Why not a library: the members of a request are read once, in any order, and `data` must be kept
// byte for byte after its grammar was checked whole. simdjson's on-demand reader skips without
// checking, its DOM refuses numbers beyond 64 bits, and Boost.JSON's events carry no offsets.
//
//     JsonCursor in{body};
//     in.object([&](std::string_view member) {
//       if (member == "name") in.string(name);
//       else in.unknown(member);
//     });
//     in.end();
//     if (in.failed()) ...  // in.message(), in.pointer()
//
// Every function is a no-op once one has failed, so that a reader checks once, at the end.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace stele::serve {

/// Digits of a number's exponent: more is valid JSON that other readers, ours of events too,
/// refuse.
inline constexpr std::size_t exponent_digits_max = 9;

class JsonCursor {
 public:
  /// `text` must outlive the cursor.
  explicit JsonCursor(std::string_view text) : text_{text} {}

  /// Calls `member(name)` for each member; it must read the value. A member that stands twice
  /// fails. `name` is valid until the call returns.
  template <typename Member>
  void object(Member member);
  /// Calls `element()` for each element; it must read the value.
  template <typename Element>
  void array(Element element);
  /// A string: a view of the text, or of memory of the cursor's if it had escapes. Valid as long
  /// as text and cursor.
  void string(std::string_view& out);
  /// A whole number from 0 to `highest`, without sign, fraction or exponent.
  void number(std::uint64_t& out, std::uint64_t highest);
  /// Any value, whole: its exact bytes, without white space around them. A member that stands
  /// twice in an object inside fails too.
  void value(std::string_view& out);

  /// What comes next: '{', '[', '"', '0' (a number), 't', 'f', 'n'; 0 at the end or if it is none.
  [[nodiscard]] char peek();
  /// Nothing but white space may follow.
  void end();

  void unknown(std::string_view member);  ///< Fails: the member is not known.
  void fail(std::string_view message);    ///< Fails at the place where the cursor is.
  [[nodiscard]] bool failed() const noexcept { return failed_; }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  [[nodiscard]] const std::string& pointer() const noexcept { return pointer_; }  ///< RFC 6901.
  /// Whether the last `value` had white space between its parts.
  [[nodiscard]] bool had_space() const noexcept { return had_space_; }

 private:
  struct Step {
    std::string_view name;     // Of a member; its data() is null for an element.
    std::size_t index = 0;     // Of an element.
    std::size_t names_at = 0;  // Where the object's names begin in names_.
    bool between = false;      // At the object itself, not at a member's value.
  };

  void skip_space();
  bool take(char c);
  void skip_value();
  bool skip_name(std::size_t names_at);
  void drop_names(std::size_t names_at);
  void skip_string();
  void skip_number();
  void skip_digits();
  bool next_member(bool first, std::string_view& name);
  bool next_element(bool first);
  void decode(std::string_view raw, std::string& out);
  bool enter(char open);

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Step> path_;
  std::vector<std::string_view> names_;  // Members seen so far, of every object that is open.
  std::vector<std::unique_ptr<std::string>> decoded_;
  std::string message_;
  std::string pointer_;
  bool failed_ = false;
  bool had_space_ = false;
};

template <typename Member>
void JsonCursor::object(Member member) {
  if (!enter('{')) return;
  path_.push_back({.name = "", .names_at = names_.size(), .between = true});
  std::string_view name;
  for (bool first = true; next_member(first, name); first = false) {
    path_.back().name = name;
    path_.back().between = false;
    member(name);
    if (failed_) return;
    path_.back().between = true;
  }
  if (failed_) return;
  names_.resize(path_.back().names_at);
  path_.pop_back();
}

template <typename Element>
void JsonCursor::array(Element element) {
  if (!enter('[')) return;
  path_.push_back({});
  for (bool first = true; next_element(first); first = false) {
    element();
    if (failed_) return;
    ++path_.back().index;
  }
  if (!failed_) path_.pop_back();
}

}  // namespace stele::serve
