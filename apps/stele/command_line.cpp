#include "command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "output.h"
#include "service/config.h"
#include "service/exit_code.h"
#include "service/nearest.h"

namespace stele::program {
namespace {

constexpr const char* intro =
    "Stele: an event-sourcing and CQRS engine. One durable log, and as many read models as "
    "needed.\n"
    "Verbs talk to a running server (--url, STELE_URL); with --data they open the folder "
    "themselves.\n\n"
    "  stele serve                               the server, with its data in ./data\n"
    "  stele append account-1 Opened '{}'        one event\n"
    "  stele tail --category account             what happens, as it happens\n"
    "  stele doctor                              what is wrong with this set-up\n";

// The groups of verbs, in the order in which help shows them.
constexpr const char* group_serve = "Serve";
constexpr const char* group_log = "Events";
constexpr const char* group_models = "Read models and consumers";
constexpr const char* group_move = "Import, backup";
constexpr const char* group_care = "Care";

struct VerbGroup {
  std::string_view verb;
  const char* group;
};
constexpr std::array verb_groups = {
    VerbGroup{"serve", group_serve},     VerbGroup{"append", group_log},
    VerbGroup{"read", group_log},        VerbGroup{"tail", group_log},
    VerbGroup{"stream", group_log},      VerbGroup{"projection", group_models},
    VerbGroup{"consumer", group_models}, VerbGroup{"import", group_move},
    VerbGroup{"export", group_move},     VerbGroup{"doctor", group_care},
    VerbGroup{"verify", group_care},     VerbGroup{"repair", group_care},
    VerbGroup{"bench", group_care},      VerbGroup{"completion", group_care},
};

constexpr const char* exit_codes =
    "Ends with: 0 done, 1 failed, 2 usage, 3 conflict or rejected, 4 not found, 5 data held by\n"
    "another process, 6 corrupt, 7 diverged, 8 read-only or full, 9 sync failed, 10 not "
    "reachable,\n130 interrupted.";

/// Builds the parser; each verb leaves its options in `out` when it is the one that was given.
class Grammar {
 public:
  explicit Grammar(CommandLine& out) : out_{out}, app_{intro, "stele"} {
    app_.footer(exit_codes);
    app_.require_subcommand(1);
    app_.set_version_flag("--version", std::string{"stele "} + STELE_VERSION);
    if (const char* url = std::getenv("STELE_URL"); url != nullptr && *url != '\0') url_ = url;
    serve();
    append();
    read();
    tail();
    stream();
    projection();
    consumer();
    import_file();
    export_log();
    verify();
    repair();
    doctor();
    bench();
    completion();
    arrange();
  }

  int parse(int argc, char** argv) {
    const Output output{says_json(argc, argv)};
    const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
    if (const auto stray = stray_verb(words)) return output.usage(stray->what, stray->way_out);
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() == 0) return app_.exit(error);  // Help, or the version.
      return output.usage(sentence(error.what()), way_out(words));
    }
    chosen_();
    return -1;
  }

  [[nodiscard]] CommandShape shape() const { return shape_of(app_); }

 private:
  struct Stray {
    std::string what;
    std::string way_out;
  };

  static bool says_json(int argc, char** argv) {
    return std::any_of(argv, argv + argc,
                       [](const char* one) { return std::string_view{one} == "--json"; });
  }

  static const CLI::App* find_verb(const CLI::App& app, const std::string& name) {
    const auto verbs =
        app.get_subcommands([&](const CLI::App* one) { return one->get_name() == name; });
    return verbs.empty() ? nullptr : verbs.front();
  }

  /// "--x is required" -> "--x is required."
  static std::string sentence(std::string text) {
    if (!text.ends_with('.')) text += '.';
    return text;
  }

  static CommandShape shape_of(const CLI::App& app) {
    CommandShape out{.name = app.get_name(), .help = app.get_description()};
    for (const CLI::Option* option : app.get_options()) {
      OptionShape shape{.takes_value = option->get_items_expected_max() > 0};
      for (const std::string& name : option->get_lnames()) shape.names.push_back("--" + name);
      for (const std::string& name : option->get_snames()) shape.names.push_back("-" + name);
      if (!shape.names.empty()) out.options.push_back(std::move(shape));
    }
    for (const CLI::App* verb : app.get_subcommands({})) out.verbs.push_back(shape_of(*verb));
    return out;
  }

  static Stray stray(const std::string& word, const std::string& path,
                     const std::vector<const CLI::App*>& verbs) {
    std::vector<std::string> names;
    for (const CLI::App* verb : verbs) names.push_back(verb->get_name());
    const std::vector<std::string_view> known{names.begin(), names.end()};
    return {.what = "\"" + word + "\" is no verb of `" + path + "`; the nearest is \"" +
                    std::string{service::nearest(word, known)} + "\".",
            .way_out = "See `" + path + " --help`."};
  }

  /// Where the words lead, and the first that leads nowhere.
  std::optional<Stray> stray_verb(const std::vector<std::string>& words) const {
    const CLI::App* at = &app_;
    std::string path = "stele";
    for (const std::string& word : words) {
      const auto verbs = at->get_subcommands({});
      if (verbs.empty() || word.starts_with('-')) return std::nullopt;
      const auto* const next = find_verb(*at, word);
      if (next == nullptr) return stray(word, path, verbs);
      at = next;
      path.append(" ").append(word);
    }
    return std::nullopt;
  }

  /// Of what CLI11 found wrong: the flag that was meant, and where to read on.
  [[nodiscard]] std::string way_out(const std::vector<std::string>& words) const {
    const CLI::App* at = &app_;
    std::string path = "stele";
    std::string guess;
    for (const std::string& word : words) {
      if (const auto* const next = find_verb(*at, word)) {
        at = next;
        path.append(" ").append(word);
      } else if (word.starts_with("--") && guess.empty()) {
        guess = guess_of(*at, word.substr(0, word.find('=')));
      }
    }
    return guess + "See `" + path + " --help`.";
  }

  static std::string guess_of(const CLI::App& app, const std::string& flag) {
    const CommandShape shape = shape_of(app);
    if (shape.option(flag) != nullptr) return {};
    std::vector<std::string_view> known;
    for (const OptionShape& option : shape.options) {
      known.insert(known.end(), option.names.begin(), option.names.end());
    }
    return "The nearest to " + flag + " is " + std::string{service::nearest(flag, known)} + ". ";
  }

  /// Puts the verbs in groups.
  void arrange() {
    for (CLI::App* verb : app_.get_subcommands([](CLI::App*) { return true; })) {
      const auto* const at = std::ranges::find(verb_groups, verb->get_name(), &VerbGroup::verb);
      verb->group(at == verb_groups.end() ? group_care : at->group);
    }
  }

  void completion() {
    auto [app, options] =
        verb<CompletionOptions>(app_, "completion", "Print the completion script of a shell");
    app->add_option("shell", options.shell, "bash, zsh or fish")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    app->footer(
        "Example:\n"
        "  source <(stele completion bash)           in ~/.bashrc; zsh alike\n"
        "  stele completion fish | source            in ~/.config/fish/config.fish");
  }

  /// A verb whose options live until the line is parsed, and then go to `out_`.
  template <typename Options>
  std::pair<CLI::App*, Options&> verb(CLI::App& parent, const char* name, const char* help) {
    CLI::App* app = parent.add_subcommand(name, help);
    auto options = std::make_shared<Options>();
    kept_.push_back(options);
    app->add_flag("--json", out_.json, "One JSON object on stdout; failures as a problem object");
    app->callback([this, options] { chosen_ = [this, options] { out_.verb = *options; }; });
    return {app, *options};
  }

  void add_target(CLI::App& app, Target& target) {
    target.url = url_;
    auto* url =
        app.add_option("--url", target.url, "The server (STELE_URL)")->capture_default_str();
    app.add_option("--data", target.data, "Open this folder instead of asking a server")
        ->excludes(url);
  }

  static void add_filter(CLI::App& app, ReadOptions& options) {
    app.add_option("--category", options.categories, "Events of one of these categories");
    app.add_option("--type", options.types, "Events of one of these types");
    app.add_option("--tag", options.tags, "Events that have all of these tags");
  }

  static void add_settings(CLI::App& app, ServeOptions& options) {
    const auto setting = [&app, &options](const char* flag, const char* name, const char* help) {
      app.add_option_function<std::string>(
          flag,
          [&options, name](const std::string& value) { options.flags.emplace_back(name, value); },
          help);
    };
    setting("--data", "serve.data", "The data folder (./data)");
    setting("--listen", "serve.listen", "HOST:PORT (127.0.0.1:8420); port 0 = any free one");
    setting("--role", "serve.roles", "What this process does: api,projector (both)");
    app.add_option("--config", options.config, "The TOML file (STELE_CONFIG, ./stele.toml)");
    app.add_flag_callback(
        "--read-only", [&options] { options.flags.emplace_back("serve.read_only", "true"); },
        "Take no commands and no appends");
  }

  void serve() {
    auto [app, options] = verb<ServeOptions>(app_, "serve", "Run the server in the foreground");
    add_settings(*app, options);
    app->footer(
        "Prints \"ready http://HOST:PORT\" on stdout when it is. Ends in order, with 0, on\n"
        "SIGTERM and SIGINT. A setting comes from a flag, else a variable STELE_..., else "
        "the\nfile, else its default; `stele doctor` shows which.\nExamples:\n"
        "  stele serve --data /var/lib/stele --listen 127.0.0.1:9000\n"
        "  STELE_LOG_CACHE_MIB=256 stele serve --config stele.toml");
  }

  void append() {
    auto [app, options] = verb<AppendOptions>(app_, "append", "Append one event, or many");
    auto* stream = app->add_option("stream", options.stream, "The stream, such as account-42");
    auto* type = app->add_option("type", options.type, "The event's type, such as MoneyDeposited");
    app->add_option("payload", options.data, "The event's data; - reads standard input")
        ->capture_default_str();
    auto* many = app->add_flag("--ndjson", options.ndjson,
                               "Requests of POST /v1/append from standard input, one a line");
    many->excludes(stream)->excludes(type);
    app->add_option("--expected", options.expected,
                    "What the stream must be: any, none, some, VERSION or VERSION:TIP")
        ->capture_default_str();
    app->add_option("--tag", options.tags, "A tag; may be given again");
    app->add_option("--metadata", options.metadata, "A JSON object");
    app->add_option("--content-type", options.content_type,
                    "Of the data, when it is not application/json");
    app->add_option("--id", options.id, "The append's UUID, so that it can be repeated safely");
    add_target(*app, options.target);
    app->footer(
        "Examples:\n"
        "  stele append account-1 Opened '{\"owner\":\"Ada\"}' --expected none\n"
        "  stele append account-1 Scanned - --content-type image/png < scan.png\n"
        "  stele append --ndjson < requests.ndjson   an answer a line; 3 if one was refused");
    app->callback([given = &options, choose = chosen_of(options)] {
      if (!given->ndjson && (given->stream.empty() || given->type.empty())) {
        throw CLI::RequiredError("STREAM and TYPE, or --ndjson,");
      }
      choose();
    });
  }

  void read() {
    auto [app, options] = verb<ReadOptions>(app_, "read", "Read events in the order of the log");
    app->add_option("--after", options.after, "After this position")->capture_default_str();
    app->add_option("--limit", options.limit, "At most so many events")->capture_default_str();
    add_filter(*app, options);
    add_target(*app, options.target);
    app->footer(
        "Example:\n"
        "  stele read --category account --type MoneyDeposited --after 1000 --json");
  }

  void tail() {
    auto [app, options] =
        verb<ReadOptions>(app_, "tail", "Print events as they are appended, until Ctrl-C");
    options.follow = true;
    app->add_option("--after", options.start, "After this position (default: the log's end)");
    add_filter(*app, options);
    add_target(*app, options.target);
    app->footer(
        "With --json a line is one event.\nExample:\n"
        "  stele tail --tag vip --after 0            from the beginning, and on");
  }

  void stream() {
    auto [app, options] = verb<StreamOptions>(app_, "stream", "Read one stream");
    app->add_option("stream", options.stream, "The stream, such as account-42")->required();
    app->add_option("--after", options.after, "After (backward: before) this version")
        ->capture_default_str();
    app->add_option("--limit", options.limit, "At most so many events")->capture_default_str();
    app->add_flag("--backward", options.backward, "Newest first");
    add_target(*app, options.target);
    app->footer(
        "Ends with 4 if nobody wrote to the stream.\nExample:\n"
        "  stele stream account-1 --backward --limit 10");
  }

  /// A verb of a verb: `stele projection pause`.
  template <typename Options>
  std::pair<CLI::App*, Options&> action(CLI::App& parent, const char* name, const char* help) {
    auto [app, options] = verb<Options>(parent, name, help);
    options.action = name;
    options.url = url_;
    app->add_option("--url", options.url, "The server (STELE_URL)")->capture_default_str();
    return {app, options};
  }

  void projection() {
    CLI::App* all = app_.add_subcommand("projection", "See the read models and direct them");
    all->require_subcommand(1);
    static_cast<void>(action<ProjectionOptions>(*all, "list", "How every one stands"));
    const auto of_one = [&](const char* name, const char* help) {
      auto [app, options] = action<ProjectionOptions>(*all, name, help);
      app->add_option("name", options.name, "The projection")->required();
      return std::pair<CLI::App*, ProjectionOptions&>{app, options};
    };
    of_one("status", "How one stands, with all its generations");
    of_one("run", "Feed it again (as resume)");
    of_one("pause", "Stop feeding it, until resume; also over a restart");
    of_one("resume", "Feed it again, also after a failure");
    of_one("reset", "Empty it and begin again");
    of_one("promote", "Make the generation that was rebuilt beside it the one that is read");
    of_one("rollback", "Read the generation from before the promotion again");
    of_one("parked", "List the keys that wait for a person");
    auto [drop, dropped] = of_one("drop", "Remove a generation that is not read");
    drop->add_option("--generation", dropped.generation, "Which; needed if there are two");
    auto [retry, retried] = of_one("retry", "Tell the events of a parked key again");
    retry->add_option("key", retried.key, "The key")->required();
    rebuild(*all);
  }

  void rebuild(CLI::App& parent) {
    auto [app, options] =
        action<ProjectionOptions>(parent, "rebuild", "Make the rows anew from the log");
    auto* names = app->add_option("name", options.names, "The projections");
    app->add_flag("--all", options.all, "Every projection, in one pass over the log")
        ->excludes(names);
    app->add_flag("--side-by-side", options.side_by_side,
                  "Into a new generation, while the present one is read; then promote");
    app->add_option("--from", options.from, "In place: only events from this position on");
    app->add_flag("!--no-wait", options.wait, "Return at once; `status` shows how far it is");
    app->callback([given = &options, choose = chosen_of(options)] {
      if (given->names.empty() && !given->all) throw CLI::RequiredError("name, or --all,");
      choose();
    });
  }

  void consumer() {
    CLI::App* all = app_.add_subcommand("consumer", "Named readers that remember how far they are");
    all->require_subcommand(1);
    static_cast<void>(action<ConsumerOptions>(*all, "list", "How every one stands"));
    const auto of_one = [&](const char* name, const char* help) {
      auto [app, options] = action<ConsumerOptions>(*all, name, help);
      app->add_option("name", options.name, "The consumer")->required();
      return std::pair<CLI::App*, ConsumerOptions&>{app, options};
    };
    auto [create, created] = of_one("create", "Make one; the same again changes nothing");
    create->add_option("--category", created.categories, "Events of one of these categories");
    create->add_option("--type", created.types, "Events of one of these types");
    create->add_option("--tag", created.tags, "Events that have all of these tags");
    create->add_option("--start", created.place, "beginning, end, or behind a position")
        ->capture_default_str();
    of_one("show", "How one stands, and who reads it");
    of_one("delete", "Remove it");
    auto [ack, acked] = of_one("ack", "Acknowledge all events up to a cursor");
    ack->add_option("cursor", acked.cursor, "The cursor of a read")->required();
    auto [seek, sought] = of_one("seek", "Read on at another place");
    seek->add_option("to", sought.place, "beginning, end, or behind a position")->required();
    const auto reading = [](CLI::App* app, ConsumerOptions& options) {
      app->add_option("--limit", options.limit, "At most so many events at a time")
          ->capture_default_str();
      app->add_option("--reader", options.reader, "Who reads (default: this connection)");
    };
    auto [read, once] = of_one("read", "Print the events that were not acknowledged");
    reading(read, once);
    read->add_option("--wait", once.wait, "Seconds to wait for the first one")
        ->capture_default_str();
    read->add_flag("--ack", once.ack, "Acknowledge them once they are printed");
    auto [follow, endless] =
        of_one("follow", "Print events as they come and acknowledge them, until Ctrl-C");
    reading(follow, endless);
    endless.ack = true;
  }

  void import_file() {
    auto [app, options] = verb<ImportVerbOptions>(
        app_, "import", "Turn the records of a file into commands, or restore an export");
    app->add_option("input", options.input, "The file; with --restore, - is standard input")
        ->required();
    auto* map =
        app->add_option("--map", options.mapping, "The mapping (TOML): docs/guides/import.md");
    auto* check = app->add_flag("--check", options.check, "Read the whole file and send nothing");
    app->add_flag("--restore", options.restore,
                  "The file is what `stele export` wrote: make its log again in --data DIR")
        ->excludes(map)
        ->excludes(check);
    add_target(*app, options.target);
    app->footer(
        "Nothing is sent before the whole file was found to fit the mapping. An import that\n"
        "was cut off goes on when it is started again: nothing is done twice.\n"
        "A restore needs an empty log, and keeps bytes, ids, positions and times; one that\n"
        "was cut off begins anew: docs/guides/backup.md.");
    app->callback([given = &options, choose = chosen_of(options)] {
      if (!given->restore && given->mapping.empty()) {
        throw CLI::RequiredError("--map FILE, or --restore,");
      }
      if (given->restore && !given->target.data) {
        throw CLI::RequiredError("--data DIR, the folder to restore into,");
      }
      choose();
    });
  }

  void export_log() {
    auto [app, options] =
        verb<ExportOptions>(app_, "export", "Write the log as lines that it can be restored from");
    app->add_option("--out", options.out, "The file (default: standard output)");
    app->add_option("--after", options.after, "After this position")->capture_default_str();
    app->add_flag("--resume", options.resume, "Go on with an export that was cut off");
    add_target(*app, options.target);
    app->footer(
        "The file has its name only when it is whole; until then it is FILE.partial.\nExamples:\n"
        "  stele export --out backup.ndjson\n"
        "  stele export | zstd > backup.ndjson.zst\n"
        "  stele export --after 120000 --out part-2.ndjson");
  }

  void verify() {
    auto [app, options] =
        verb<VerifyOptions>(app_, "verify", "Check every byte of a log against its checksums");
    app->add_option("--data", options.data, "The data folder")->capture_default_str();
    app->footer(
        "No server may hold the folder. Ends with 6 if there is damage.\nExample:\n"
        "  stele verify --data ./data");
  }

  void repair() {
    auto [app, options] = verb<RepairOptions>(
        app_, "repair", "Cut a damaged log at its last sound append and start a new epoch");
    app->add_option("--data", options.data, "The data folder")->capture_default_str();
    app->add_flag("--yes", options.yes, "Do it; without this it only says what would be lost");
    app->footer(
        "The cut bytes are kept in files that end in .cut.\nExample:\n"
        "  stele repair --data ./data                what would be lost\n"
        "  stele repair --data ./data --yes");
  }

  void doctor() {
    auto [app, options] =
        verb<DoctorOptions>(app_, "doctor", "Show the settings in force, and check what they name");
    options.url = url_;
    add_settings(*app, options.settings);
    app->add_option("--url", options.url, "The server to ask (STELE_URL)")->capture_default_str();
    app->footer(
        "Changes nothing. Ends with 1 if a check failed; warnings are told only.\n"
        "Examples:\n"
        "  stele doctor --data /var/lib/stele --listen 0.0.0.0:8420\n"
        "  stele doctor --json");
  }

  void bench() {
    CLI::App* bench = app_.add_subcommand("bench", "Measure the log beside the disk and SQLite");
    bench->require_subcommand(1);
    {
      auto [app, options] =
          verb<bench::BenchAppendOptions>(*bench, "append", "Durable appends, beside fdatasync");
      app->add_option("--writers", options.writers, "Writers at once")->capture_default_str();
      app->add_option("--batch", options.batch, "Events in one append")->capture_default_str();
      app->add_option("--seconds", options.seconds, "Time to measure")->capture_default_str();
      app->add_option("--inflight", options.inflight,
                      "Appends on their way per writer; 0 = blocking calls")
          ->capture_default_str();
      app->add_option("--size", options.size, "Bytes of an event's data")->capture_default_str();
      app->add_option("--data", options.data, "The folder (default: a new one, then removed)");
    }
    auto [app, options] = verb<bench::BenchReadOptions>(*bench, "read", "Reads, beside SQLite");
    app->add_option("--events", options.events, "Events to read")->capture_default_str();
    app->add_option("--data", options.data, "The folder, kept (default: a new one, then removed)");
    app->add_option("--cache-mib", options.cache_mib, "Memory of the log's and SQLite's caches")
        ->capture_default_str();
    const std::map<std::string, bench::ReadPayload> payloads{
        {"json", bench::ReadPayload::json}, {"random", bench::ReadPayload::random}};
    app->add_option("--payload", options.payload, "json or random (default: json)")
        ->transform(CLI::CheckedTransformer(payloads))
        ->default_str("json");
    app->add_flag("!--no-sqlite", options.sqlite, "Measure the log alone");
  }

  /// What `verb` does when the line names it, for verbs that check more first.
  template <typename Options>
  std::function<void()> chosen_of(Options& options) {
    return [this, &options] { chosen_ = [this, copy = options] { out_.verb = copy; }; };
  }

  CommandLine& out_;
  CLI::App app_;
  std::vector<std::shared_ptr<void>> kept_;  // The options of every verb; the parser fills them in.
  std::string url_ = "http://127.0.0.1:8420";
  std::function<void()> chosen_;
};

}  // namespace

CommandShape command_shape() {
  CommandLine unused;
  return Grammar{unused}.shape();
}

Result<void> check_environment(const CommandLine& line) {
  const bool reads_them = std::holds_alternative<ServeOptions>(line.verb) ||
                          std::holds_alternative<DoctorOptions>(line.verb) ||
                          std::holds_alternative<CompletionOptions>(line.verb);
  if (reads_them) return {};
  return service::check_variables(service::process_variables());
}

std::variant<CommandLine, int> parse_command_line(int argc, char** argv) {
  CommandLine line;
  Grammar grammar{line};
  const int code = grammar.parse(argc, argv);
  if (code >= 0) return code;
  return line;
}

}  // namespace stele::program
