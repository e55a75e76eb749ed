#include "projection/sqlite/sqlite_generations.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>
#include <utility>

#include "projection/sqlite/sqlite_sink.h"
#include "stele/json.h"

namespace stele::projection {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t catalogue_size_max = 16 * 1'024;  // Bytes; three generations need 200.

std::unexpected<Error> failed(std::string_view doing, const fs::path& path) {
  const int code = errno;
  return std::unexpected{Error{.code = Errc::unavailable,
                               .message = std::string{doing} + " " + path.string() +
                                          " failed. Check the folder, its rights and the disk.",
                               .detail = std::strerror(code)}};
}

/// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_{fd} {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] bool valid() const noexcept { return fd_ >= 0; }

 private:
  int fd_;
};

std::string text_of(const Catalogue& catalogue) {
  std::string text;
  JsonWriter writer{text};
  writer.begin_object();
  writer.key("revision");
  writer.unsigned_integer(catalogue.revision);
  writer.key("last_number");
  writer.integer(catalogue.last_number);
  writer.key("paused");
  writer.boolean(catalogue.paused);
  writer.key("generations");
  writer.begin_array();
  for (const Generation& each : catalogue.generations) {
    writer.begin_object();
    writer.key("number");
    writer.integer(each.number);
    writer.key("role");
    writer.string(to_string(each.role));
    writer.key("code");
    writer.integer(each.code);
    writer.end_object();
  }
  writer.end_array();
  writer.end_object();
  return text + "\n";
}

template <typename Number>
bool read_number(JsonValue object, std::string_view name, Number& out) {
  const JsonValue value = object.member(name);
  if (!value.found() || value.kind() != JsonKind::number) return false;
  const std::string_view text = value.text();
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), out);
  return code == std::errc{} && end == text.data() + text.size();
}

std::optional<Catalogue> catalogue_of(std::string_view text) {
  const auto document = JsonDocument::parse(text);
  if (!document || document->root().kind() != JsonKind::object) return std::nullopt;
  const JsonValue root = document->root();
  Catalogue catalogue;
  const JsonValue paused = root.member("paused");
  const JsonValue list = root.member("generations");
  if (!read_number(root, "revision", catalogue.revision) ||
      !read_number(root, "last_number", catalogue.last_number) || !paused.found() ||
      paused.kind() != JsonKind::boolean || !list.found() || list.kind() != JsonKind::array) {
    return std::nullopt;
  }
  catalogue.paused = paused.boolean();
  JsonValue each = list.size() > 0 ? list.first() : JsonValue{};
  for (std::size_t i = 0; i < list.size(); ++i) {
    Generation& generation = catalogue.generations.emplace_back();
    if (each.kind() != JsonKind::object) return std::nullopt;
    const JsonValue role = each.member("role");
    if (!read_number(each, "number", generation.number) ||
        !read_number(each, "code", generation.code) || !role.found() ||
        role.kind() != JsonKind::string || !role_of(role.text())) {
      return std::nullopt;
    }
    generation.role = *role_of(role.text());
    if (i + 1 < list.size()) each = each.next();
  }
  return catalogue;
}

// The number in "<name>-g<number>.sqlite"; 0 for any other file.
int generation_of(std::string_view file, std::string_view name) {
  constexpr std::string_view end = ".sqlite";
  if (!file.starts_with(name) || !file.ends_with(end)) return 0;
  file.remove_prefix(name.size());
  file.remove_suffix(std::min(end.size(), file.size()));
  if (!file.starts_with("-g")) return 0;
  file.remove_prefix(2);
  int number = 0;
  const auto [rest, code] = std::from_chars(file.data(), file.data() + file.size(), number);
  return code == std::errc{} && rest == file.data() + file.size() ? number : 0;
}

Result<std::vector<int>> stored_generations(const fs::path& folder, std::string_view name) {
  std::vector<int> numbers;
  std::error_code code;
  fs::directory_iterator at{folder, code};
  if (code == std::errc::no_such_file_or_directory) return numbers;
  for (; !code && at != fs::directory_iterator{}; at.increment(code)) {
    const int number = generation_of(at->path().filename().string(), name);
    if (number > 0) numbers.push_back(number);
  }
  if (code) {
    errno = code.value();
    return failed("Listing the read models in", folder);
  }
  std::ranges::sort(numbers);
  return numbers;
}

Result<void> write_all(int fd, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("Writing", path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(fd) != 0) return failed("Syncing", path);
  return {};
}

class SqliteGenerations final : public GenerationStore {
 public:
  explicit SqliteGenerations(fs::path folder) : folder_{std::move(folder)} {}

  [[nodiscard]] Result<Catalogue> load(std::string_view name) override {
    return read_catalogue(folder_, name);
  }

  [[nodiscard]] Result<void> save(std::string_view name, const Catalogue& next) override {
    std::error_code ignored;
    fs::create_directories(folder_, ignored);
    const Descriptor folder{::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!folder.valid()) return failed("Opening the folder", folder_);
    if (::flock(folder.get(), LOCK_EX) != 0) return failed("Locking the folder", folder_);
    const auto stored = read_catalogue(folder_, name);
    if (!stored) return std::unexpected{stored.error()};
    if (stored->revision + 1 != next.revision) {
      return fail(Errc::unavailable, "The generations of projection \"" + std::string{name} +
                                         "\" in " + folder_.string() +
                                         " were changed by another process. They are read again; "
                                         "let only one process write them.");
    }
    const fs::path file = catalogue_file(folder_, name);
    const fs::path beside = file.string() + ".new";
    {
      const Descriptor made{::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
      if (!made.valid()) return failed("Making", beside);
      auto written = write_all(made.get(), text_of(next), beside);
      if (!written) return written;
    }
    if (::rename(beside.c_str(), file.c_str()) != 0) return failed("Renaming", beside);
    if (::fsync(folder.get()) != 0) return failed("Syncing the folder", folder_);
    return {};
  }

  [[nodiscard]] std::unique_ptr<Sink> make_sink() override { return make_sqlite_sink(folder_); }

  [[nodiscard]] Result<std::vector<int>> list(std::string_view name) override {
    return stored_generations(folder_, name);
  }

  // The main file goes last: as long as it is there, `list` finds what is left.
  [[nodiscard]] Result<void> drop(std::string_view name, int generation) override {
    ProjectionSpec spec;
    spec.name = name;
    spec.generation = generation;
    const std::string file = sqlite_file(folder_, spec).string();
    for (const char* suffix : {"-wal", "-shm", ""}) {
      const std::string path = file + suffix;
      if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed("Removing", path);
    }
    return {};
  }

 private:
  const fs::path folder_;
};

}  // namespace

fs::path catalogue_file(const fs::path& folder, std::string_view name) {
  return folder / (std::string{name} + ".generations");
}

FileMark mark_of(const fs::path& file) noexcept {
  struct stat found{};
  if (::stat(file.c_str(), &found) != 0) return {};
  return {.inode = found.st_ino,
          .changed = static_cast<std::int64_t>(found.st_ctim.tv_sec) * 1'000'000'000 +
                     found.st_ctim.tv_nsec};
}

Result<Catalogue> read_catalogue(const fs::path& folder, std::string_view name) {
  const fs::path path = catalogue_file(folder, name);
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file.valid()) {
    if (errno != ENOENT) return failed("Opening", path);
    const auto stored = stored_generations(folder, name);
    if (!stored) return std::unexpected{stored.error()};
    Catalogue catalogue;  // Rows of a time without catalogues: a generation was its code's.
    if (stored->empty()) return catalogue;
    catalogue.last_number = stored->back();
    catalogue.generations = {
        {.number = stored->back(), .role = Role::live, .code = stored->back()}};
    return catalogue;
  }
  std::array<char, catalogue_size_max> bytes{};
  const ssize_t size = ::read(file.get(), bytes.data(), bytes.size());
  if (size < 0) return failed("Reading", path);
  auto catalogue = catalogue_of({bytes.data(), static_cast<std::size_t>(size)});
  if (!catalogue) {
    return fail(Errc::corrupt, "The catalogue " + path.string() +
                                   " cannot be read. Remove it: the newest generation is then "
                                   "the live one again.");
  }
  return std::move(*catalogue);
}

std::shared_ptr<GenerationStore> make_sqlite_generations(fs::path folder) {
  return std::make_shared<SqliteGenerations>(std::move(folder));
}

}  // namespace stele::projection
