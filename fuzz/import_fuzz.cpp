// An import: a mapping and a file, parted by a line of "---". Every command that comes out is a
// call that a server can read.

#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "import/mapping.h"
#include "import/record.h"
#include "stele/json.h"
#include "target.h"

namespace stele::fuzz {
namespace {

constexpr std::size_t records_max = 200;

// A file that only this process sees.
class MemoryText {
 public:
  explicit MemoryText(std::string_view text) : fd_{::memfd_create("fuzz", 0)} {
    require(::write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size()),
            "memory takes a file");
  }
  ~MemoryText() { ::close(fd_); }
  MemoryText(const MemoryText&) = delete;
  MemoryText& operator=(const MemoryText&) = delete;
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

void check_call(const program::ImportCall& call) {
  require(call.path.starts_with('/'), "a call has a path");
  for (const char c : call.path) {
    require(static_cast<unsigned char>(c) > ' ' && c != '\x7F', "a path is percent-encoded");
  }
  require(check_json(call.body).has_value(), "a body is JSON");
}

const Registered registered{
    "import", [](std::string_view input) {
      const std::size_t cut = input.find("\n---\n");
      const MemoryText mapping_text{input.substr(0, cut)};
      const MemoryText records{cut == std::string_view::npos ? "" : input.substr(cut + 5)};
      auto mapping = program::Mapping::load(mapping_text.path(), records.path());
      if (!mapping) {
        require(!mapping.error().message.empty(), "a refusal says why");
        return;
      }
      auto reader = program::RecordReader::open(records.path(), mapping->shape());
      if (!reader) return;
      program::Record record;
      std::vector<program::ImportCall> calls;
      for (std::size_t n = 0; n < records_max; ++n) {
        const auto more = reader->next(record);
        if (!more || !*more) return;
        if (!mapping->apply(record, calls)) return;
        for (const program::ImportCall& call : calls) check_call(call);
        (void)mapping->order_key(record);
      }
    }};

}  // namespace
}  // namespace stele::fuzz
