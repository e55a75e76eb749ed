#include "completion.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "http_client.h"
#include "json_text.h"
#include "stele/json.h"
#include "verbs.h"

namespace stele::program {
namespace {

constexpr std::chrono::milliseconds names_timeout{300};  // A person waits for the answer.

/// What the value of an option, or an argument of a verb, is.
struct ValueKind {
  std::string_view where;   // "--data", or the verb.
  std::string_view values;  // Separated by blanks; or files, folders, a kind of names.
};
constexpr std::array option_values = {
    ValueKind{"--data", complete_folders},
    ValueKind{"--config", complete_files},
    ValueKind{"--map", complete_files},
    ValueKind{"--out", complete_files},
    ValueKind{"--role", "api projector"},
    ValueKind{"--expected", "any none some"},
    ValueKind{"--content-type", "application/json"},
    ValueKind{"--url", "http://127.0.0.1:8420"},
};
constexpr std::array argument_values = {
    ValueKind{"import", complete_files}, ValueKind{"completion", "bash fish zsh"},
    ValueKind{"projection", ":projections"}, ValueKind{"consumer", ":consumers"}};
constexpr std::string_view without_argument = "list";  // Of projection and consumer.

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string default_url() {
  const char* const url = std::getenv("STELE_URL");
  return url != nullptr && *url != '\0' ? url : "http://127.0.0.1:8420";
}

/// Walks the words that are complete, and knows where they lead.
class Walk {
 public:
  explicit Walk(const CommandShape& program) : at_{&program}, url_{default_url()} {}

  void take(const std::string& word) {
    if (value_of_ != nullptr) {
      if (option_name_ == "--url") url_ = word;
      value_of_ = nullptr;
      return;
    }
    if (word.starts_with('-')) {
      const OptionShape* const option = at_->option(word);
      if (option == nullptr || !option->takes_value) return;
      value_of_ = option;
      option_name_ = word;
      return;
    }
    if (const CommandShape* const next = at_->verb(word)) {
      if (verb_.empty()) verb_ = word;
      last_ = word;
      at_ = next;
      return;
    }
    ++arguments_;
  }

  [[nodiscard]] std::vector<std::string> values(const AskNames& ask_names) const {
    if (value_of_ != nullptr) return known(option_values, option_name_, ask_names);
    if (!at_->verbs.empty()) {
      std::vector<std::string> names;
      for (const CommandShape& one : at_->verbs) names.push_back(one.name);
      return names;
    }
    if (arguments_ > 0 || last_ == without_argument) return {};
    return known(argument_values, verb_, ask_names);
  }
  [[nodiscard]] std::vector<std::string> options() const {
    std::vector<std::string> names;
    for (const OptionShape& option : at_->options) {
      names.insert(names.end(), option.names.begin(), option.names.end());
    }
    return names;
  }
  [[nodiscard]] bool wants_value() const { return value_of_ != nullptr; }

 private:
  template <std::size_t n>
  std::vector<std::string> known(const std::array<ValueKind, n>& kinds, std::string_view where,
                                 const AskNames& ask_names) const {
    const auto* const found = std::ranges::find(kinds, where, &ValueKind::where);
    if (found == kinds.end()) return {};
    const bool of_server = found->values == ":projections" || found->values == ":consumers";
    return of_server ? ask_names(found->values.substr(1), url_) : split(found->values);
  }

  const CommandShape* at_;
  const OptionShape* value_of_ = nullptr;  // Whose value comes next.
  std::string option_name_;
  std::string verb_;  // The first.
  std::string last_;  // The innermost.
  std::string url_;
  std::size_t arguments_ = 0;
};

constexpr std::string_view bash_script =
    R"(# bash completion for stele: source <(stele completion bash)
_stele() {
  local word=${COMP_WORDS[COMP_CWORD]} found
  mapfile -t found < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  case ${found[0]} in
    :files) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    :folders) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
    *) COMPREPLY=("${found[@]}") ;;
  esac
}
complete -F _stele stele
)";

constexpr std::string_view zsh_script = R"(#compdef stele
# zsh completion for stele: source <(stele completion zsh)
_stele() {
  local -a found
  found=("${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  case ${found[1]} in
    :files) _files ;;
    :folders) _files -/ ;;
    *) compadd -a found ;;
  esac
}
if [[ ${funcstack[1]} == _stele ]]; then _stele "$@"; else compdef _stele stele; fi
)";

constexpr std::string_view fish_script =
    R"(# fish completion for stele: stele completion fish | source
function __stele_complete
  set -l words (commandline -opc)
  set -l word (commandline -ct)
  set -l found ($words[1] __complete $words[2..-1] "$word" 2>/dev/null)
  switch "$found[1]"
    case :files
      __fish_complete_path "$word"
    case :folders
      __fish_complete_directories "$word"
    case '*'
      printf '%s\n' $found
  end
end
complete -c stele -f -a '(__stele_complete)'
)";

}  // namespace

const CommandShape* CommandShape::verb(std::string_view named) const {
  const auto found = std::ranges::find(verbs, named, &CommandShape::name);
  return found == verbs.end() ? nullptr : &*found;
}

const OptionShape* CommandShape::option(std::string_view named) const {
  const auto found = std::ranges::find_if(options, [named](const OptionShape& one) {
    return std::ranges::find(one.names, named) != one.names.end();
  });
  return found == options.end() ? nullptr : &*found;
}

std::vector<std::string> candidates(const CommandShape& program, std::span<const std::string> words,
                                    const AskNames& ask_names) {
  Walk walk{program};
  const std::string typed = words.empty() ? std::string{} : words.back();
  for (std::size_t i = 0; i + 1 < words.size(); ++i) walk.take(words[i]);
  const bool option = !walk.wants_value() && typed.starts_with('-');
  std::vector<std::string> out = option ? walk.options() : walk.values(ask_names);
  if (out.size() == 1 && out.front().starts_with(':')) return out;
  std::erase_if(out, [&typed](const std::string& one) { return !one.starts_with(typed); });
  std::ranges::sort(out);
  return out;
}

std::vector<std::string> names_of_server(std::string_view kind, const std::string& url_text) {
  const auto url = Url::parse(url_text);
  if (!url) return {};
  HttpConnection connection{*url};
  const auto answer = connection.call({.target = "/v1/" + std::string{kind}}, names_timeout);
  if (!answer || answer->status != 200) return {};
  const auto page = JsonDocument::parse(answer->body);
  if (!page || page->root().kind() != JsonKind::object) return {};
  std::vector<std::string> names;
  for (const std::string_view list : {std::string_view{"items"}, kind}) {
    const JsonValue items = page->root().member(list);
    if (!items.found() || items.kind() != JsonKind::array) continue;
    JsonValue item = items.first();
    for (std::size_t i = 0; i < items.size(); ++i, item = item.next()) {
      if (std::string name = member_text(item, "name"); !name.empty()) {
        names.push_back(std::move(name));
      }
    }
  }
  return names;
}

int run_verb(const CompletionOptions& options, const Output& output) {
  std::string_view script = bash_script;
  if (options.shell == "zsh") script = zsh_script;
  if (options.shell == "fish") script = fish_script;
  script.remove_suffix(1);  // The line's end comes with `line`.
  return output.line(script) ? service::exit_done : service::exit_failed;
}

}  // namespace stele::program
