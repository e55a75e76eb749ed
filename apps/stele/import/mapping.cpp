#include "import/mapping.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

#include "service/toml.h"
#include "stele/json.h"

namespace stele::program {
namespace {

/// Whether a path can stand in a request as it is, but for the columns' names in braces.
bool is_path(std::string_view text) {
  bool in_braces = false;
  for (const char c : text) {
    if (c == '{' || c == '}') in_braces = c == '{';
    if (!in_braces && (c <= ' ' || c > '~')) return false;
  }
  return true;
}

std::string key_text(const toml::key& key) { return std::string{key.str()}; }

Result<std::string> read_text(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  if (!in) {
    return fail(Errc::not_found, "The mapping \"" + path + "\" can't be opened; is it there?");
  }
  std::ostringstream out;
  out << in.rdbuf();
  std::string text = std::move(out).str();
  if (text.size() > mapping_size_max) {
    return fail(Errc::too_large, "The mapping \"" + path + "\" is larger than 1 MiB.");
  }
  return text;
}

}  // namespace

/// Turns the TOML tables into a Mapping. Complaints name the file.
class MappingReader {
 public:
  MappingReader(std::string path, std::string input)
      : path_{std::move(path)}, input_{std::move(input)} {}

  Result<Mapping> run(const toml::table& root) {
    if (auto done = read_shape(root); !done) return std::unexpected{done.error()};
    const toml::array* commands = root["command"].as_array();
    if (commands == nullptr || commands->empty()) return complain("It has no [[command]].");
    if (commands->size() > mapping_commands_max) {
      return complain("It has more than " + std::to_string(mapping_commands_max) + " commands.");
    }
    for (const toml::node& node : *commands) {
      const toml::table* table = node.as_table();
      if (table == nullptr) return complain("\"command\" must be tables: [[command]].");
      if (auto done = read_command(*table); !done) return std::unexpected{done.error()};
    }
    if (auto done = read_key(root); !done) return std::unexpected{done.error()};
    return std::move(out_);
  }

 private:
  Result<void> check_names(const toml::table& table, std::initializer_list<std::string_view> known,
                           const std::string& where) const {
    for (const auto& [key, node] : table) {
      if (std::ranges::count(known, key.str()) == 0) {
        return complain("\"" + key_text(key) + "\" is not known in " + where + ".");
      }
    }
    return {};
  }

  Result<void> read_shape(const toml::table& root) {
    auto names =
        check_names(root, {"format", "skip_lines", "columns", "key", "command"}, "a mapping");
    if (!names) return names;
    const std::string format = root["format"].value_or(std::string{});
    InputShape& shape = out_.shape_;
    if (format == "columns") {
      shape.format = Format::columns;
    } else if (format == "csv") {
      shape.format = Format::csv;
    } else if (format == "ndjson") {
      shape.format = Format::ndjson;
    } else {
      return complain("format must be \"columns\", \"csv\" or \"ndjson\", not \"" + format + "\".");
    }
    const auto skip = root["skip_lines"].value<std::int64_t>();
    if (root.contains("skip_lines") && (!skip || *skip < 0)) {
      return complain("skip_lines must be a number of lines.");
    }
    shape.skip_lines = static_cast<std::uint64_t>(skip.value_or(0));
    if (auto columns = read_names(root, "columns", shape.columns); !columns) return columns;
    open_names_ = shape.format == Format::ndjson && shape.columns.empty();
    if (shape.columns.empty() && shape.format == Format::columns) {
      return complain("columns must name the columns, in their order.");
    }
    if (shape.columns.empty() && shape.format == Format::csv) {
      const auto header = RecordReader::open(input_, shape);
      if (!header) return std::unexpected{header.error()};
      header_columns_ = header->columns();
    }
    return {};
  }

  Result<void> read_names(const toml::table& root, std::string_view name,
                          std::vector<std::string>& out) const {
    if (!root.contains(name)) return {};
    const toml::array* array = root[name].as_array();
    if (array == nullptr) return complain(std::string{name} + " must be a list of names.");
    for (const toml::node& node : *array) {
      const auto text = node.value<std::string>();
      if (!text || text->empty()) return complain(std::string{name} + " must be a list of names.");
      if (std::ranges::count(out, *text) > 0) {
        return complain(std::string{name} + " has \"" + *text + "\" twice.");
      }
      out.push_back(*text);
    }
    return {};
  }

  Result<void> read_command(const toml::table& table) {
    auto names = check_names(table, {"when", "call", "body"}, "[[command]]");
    if (!names) return names;
    MappedCommand command;
    if (table.contains("when")) {
      const auto text = table["when"].value<std::string>();
      if (!text) return complain("when must be a text.");
      auto when = Expression::parse(*text, columns(), open_names_);
      if (!when) return complain(when.error().message);
      command.when = std::move(*when);
    }
    const std::string call = table["call"].value_or(std::string{});
    const std::size_t blank = call.find(' ');
    if (blank == std::string::npos || blank + 1 >= call.size() || call[blank + 1] != '/') {
      return complain("call must read as \"POST /path\", not \"" + call + "\".");
    }
    if (!is_path(call.substr(blank + 1))) {
      return complain(
          "The path of call may have printable ASCII only, and no blanks: write what "
          "else it needs percent-encoded. It is \"" +
          call + "\".");
    }
    command.method = call.substr(0, blank);
    auto path = Template::parse(call.substr(blank + 1), columns(), open_names_);
    if (!path) return complain(path.error().message);
    command.path = std::move(*path);
    if (const toml::node* body = table.get("body"); body != nullptr) {
      if (!body->is_table()) return complain("body must be a table: [command.body].");
      auto value = read_body(*body, 0);
      if (!value) return std::unexpected{value.error()};
      command.body = std::move(*value);
    }
    out_.commands_.push_back(std::move(command));
    return {};
  }

  Result<BodyValue> read_body(const toml::node& node, std::size_t depth) {
    if (depth > mapping_depth_max) return complain("A body has too many tables in one another.");
    BodyValue out;
    if (const auto* table = node.as_table()) {
      for (const auto& [key, member] : *table) {
        auto value = read_body(member, depth + 1);
        if (!value) return value;
        out.members.emplace_back(key_text(key), std::move(*value));
      }
      return out;
    }
    if (const auto* array = node.as_array()) {
      out.kind = BodyValue::Kind::array;
      for (const toml::node& member : *array) {
        auto value = read_body(member, depth + 1);
        if (!value) return value;
        out.members.emplace_back(std::string{}, std::move(*value));
      }
      return out;
    }
    if (const auto text = node.value<std::string>(); text && node.is_string()) {
      out.kind = BodyValue::Kind::text;
      auto parsed = Template::parse(*text, columns(), open_names_);
      if (!parsed) return complain(parsed.error().message);
      out.text = std::move(*parsed);
      return out;
    }
    out.kind = BodyValue::Kind::literal;
    if (node.is_boolean()) {
      out.literal = node.value_or(false) ? "true" : "false";
    } else if (node.is_integer()) {
      out.literal = std::to_string(node.value_or(std::int64_t{0}));
    } else {
      return complain(
          "A body holds texts, whole numbers, true, false, tables and lists; write "
          "other values as texts.");
    }
    return out;
  }

  Result<void> read_key(const toml::table& root) {
    std::vector<std::string> names;
    if (auto read = read_names(root, "key", names); !read) return read;
    for (const std::string& name : names) {
      const auto found = std::ranges::find(columns(), name);
      if (found == columns().end())
        return complain("key names the unknown column \"" + name + "\".");
      out_.key_columns_.push_back(static_cast<std::size_t>(found - columns().begin()));
    }
    for (const MappedCommand& command : out_.commands_) {
      if (out_.key_columns_.empty() && command.when) {
        out_.key_columns_ = command.when->first_of_columns();
      }
    }
    if (!out_.key_columns_.empty()) return {};
    for (const MappedCommand& command : out_.commands_) {
      for (const std::size_t column : command.path.columns()) {
        if (std::ranges::count(out_.key_columns_, column) == 0) {
          out_.key_columns_.push_back(column);
        }
      }
    }
    return {};
  }

  std::vector<std::string>& columns() {
    return header_columns_.empty() ? out_.shape_.columns : header_columns_;
  }

  [[nodiscard]] std::unexpected<Error> complain(const std::string& what) const {
    return fail(Errc::invalid, "The mapping \"" + path_ + "\" can't be used: " + what);
  }

  std::string path_;
  std::string input_;
  bool open_names_ = false;
  std::vector<std::string> header_columns_;  // Of a CSV file that names its columns itself.
  Mapping out_;
};

namespace {

/// A number without the leading zeros that JSON does not allow; true and false as they are.
std::string as_json_number(std::string text) {
  const std::size_t begin = text.starts_with('-') ? 1 : 0;
  while (text.size() > begin + 1 && text[begin] == '0' && text[begin + 1] != '.') {
    text.erase(begin, 1);
  }
  return text;
}

Result<void> write_body(JsonWriter& writer, const BodyValue& body, const Record& record) {
  switch (body.kind) {
    case BodyValue::Kind::literal:
      writer.raw(body.literal);
      return {};
    case BodyValue::Kind::text: {
      std::string text;
      const auto done = body.text.append(text, record);
      if (!done) return done;
      const bool quoted =
          body.text.type() == Template::Type::text || body.text.type() == Template::Type::optional;
      quoted ? writer.string(text) : writer.raw(as_json_number(text));
      return {};
    }
    case BodyValue::Kind::object:
    case BodyValue::Kind::array:
      break;
  }
  const bool object = body.kind == BodyValue::Kind::object;
  object ? writer.begin_object() : writer.begin_array();
  for (const auto& [name, value] : body.members) {
    if (value.kind == BodyValue::Kind::text && value.text.type() == Template::Type::optional &&
        record.values[value.text.columns().front()].empty()) {
      continue;
    }
    if (object) writer.exact_key(name);
    const auto done = write_body(writer, value, record);
    if (!done) return done;
  }
  object ? writer.end_object() : writer.end_array();
  return {};
}

}  // namespace

Result<Mapping> Mapping::load(const std::string& path, const std::string& input) {
  const auto text = read_text(path);
  if (!text) return std::unexpected{text.error()};
  const toml::parse_result parsed = toml::parse(*text, path);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return fail(Errc::invalid, path + ":" + std::to_string(error.source().begin.line) +
                                   ": This is not TOML: " + std::string{error.description()} + ".");
  }
  return MappingReader{path, input}.run(parsed.table());
}

Result<void> Mapping::apply(const Record& record, std::vector<ImportCall>& calls) {
  calls.clear();
  for (std::size_t place = 0; place < commands_.size(); ++place) {
    MappedCommand& command = commands_[place];
    if (command.when) {
      const auto holds = command.when->holds(record);
      if (!holds) return std::unexpected{holds.error()};
      if (!*holds) continue;
    }
    ImportCall& call = calls.emplace_back();
    call.place = place;
    call.method = command.method;
    if (auto path = command.path.append(call.path, record, true); !path) return path;
    JsonWriter writer{call.body};
    if (auto body = write_body(writer, command.body, record); !body) return body;
    if (writer.failed()) return fail(Errc::invalid, writer.error().message);
  }
  return {};
}

std::string Mapping::order_key(const Record& record) const { return key_of(record, key_columns_); }

}  // namespace stele::program
