#include "import/record.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "json_text.h"
#include "stele/ids.h"
#include "stele/json.h"
#include "store/digest.h"

namespace stele::program {
namespace {

constexpr std::size_t buffer_size = 256 * 1'024;          // Bytes asked for at a time.
constexpr std::size_t digest_chunk_size = 1'024 * 1'024;  // Bytes under one digest.

std::string reason() { return std::generic_category().message(errno); }

Result<int> open_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0) return fd;
  const Errc code = errno == ENOENT ? Errc::not_found : Errc::unavailable;
  return fail(code, "The input file \"" + path + "\" can't be opened: " + reason() + ".");
}

/// Fills `out` up to `size` bytes, less only at the file's end.
Result<void> read_fully(const std::string& path, int fd, std::string& out, std::size_t size) {
  out.resize(size);
  std::size_t done = 0;
  while (done < size) {
    const ::ssize_t got = ::read(fd, out.data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return fail(Errc::unavailable,
                  "The input file \"" + path + "\" can't be read: " + reason() + ".");
    }
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  out.resize(done);
  return {};
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

}  // namespace

void RecordReader::Closer::operator()(const int* fd) const {
  ::close(*fd);
  delete fd;
}

RecordReader::RecordReader(std::string path, InputShape shape, int fd)
    : path_{std::move(path)}, shape_{std::move(shape)}, fd_{new int{fd}} {}

Result<RecordReader> RecordReader::open(const std::string& path, InputShape shape) {
  const auto fd = open_file(path);
  if (!fd) return std::unexpected{fd.error()};
  RecordReader reader{path, std::move(shape), *fd};
  for (std::uint64_t i = 0; i < reader.shape_.skip_lines; ++i) {
    const auto skipped = reader.next_line(reader.text_);
    if (!skipped) return std::unexpected{skipped.error()};
  }
  if (reader.shape_.format == Format::csv && reader.shape_.columns.empty()) {
    std::vector<std::string> names;
    const auto header = reader.next_csv(names);
    if (!header) return std::unexpected{header.error()};
    reader.shape_.columns = std::move(names);
  }
  return reader;
}

Result<bool> RecordReader::next(Record& record) {
  first_line_ = line_ + 1;
  Result<bool> got = false;
  switch (shape_.format) {
    case Format::columns:
      got = next_columns(record);
      break;
    case Format::csv:
      got = next_csv(record.values);
      break;
    case Format::ndjson:
      got = next_ndjson(record);
      break;
  }
  if (!got || !*got) return got;
  record.line = first_line_;
  if (record.values.size() != shape_.columns.size()) {
    return bad_line("has " + std::to_string(record.values.size()) + " columns, but " +
                    std::to_string(shape_.columns.size()) + " are named");
  }
  for (const std::string& value : record.values) {
    if (!is_utf8(value)) return bad_line("is not UTF-8");
  }
  return true;
}

/// Reads one line without its end (LF or CRLF); false at the file's end.
Result<bool> RecordReader::next_line(std::string& line) {
  std::size_t end = buffer_.find('\n', begin_);
  while (end == std::string::npos && !at_end_) {
    if (buffer_.size() - begin_ > record_size_max) {
      ++line_;
      return bad_line("is longer than " + std::to_string(record_size_max) + " bytes");
    }
    buffer_.erase(0, begin_);
    begin_ = 0;
    std::string more;
    const auto read = read_fully(path_, *fd_, more, buffer_size);
    if (!read) return std::unexpected{read.error()};
    at_end_ = more.size() < buffer_size;
    const std::size_t searched = buffer_.size();
    buffer_ += more;
    end = buffer_.find('\n', searched);
  }
  if (end == std::string::npos && begin_ == buffer_.size()) return false;
  const std::size_t stop = std::min(end, buffer_.size());
  line.assign(buffer_, begin_, stop - begin_);
  consumed_ += stop - begin_ + (end == std::string::npos ? 0 : 1);
  begin_ = end == std::string::npos ? stop : end + 1;
  if (line.ends_with('\r')) line.pop_back();
  ++line_;
  return true;
}

Result<bool> RecordReader::next_columns(Record& record) {
  do {
    const auto got = next_line(text_);
    if (!got || !*got) return got;
    first_line_ = line_;
    record.values.clear();
    for (std::size_t at = 0; at < text_.size();) {
      while (at < text_.size() && is_blank(text_[at])) ++at;
      const std::size_t begin = at;
      while (at < text_.size() && !is_blank(text_[at])) ++at;
      if (at > begin) record.values.emplace_back(text_, begin, at - begin);
    }
  } while (record.values.empty());  // A line of blanks is no record.
  return true;
}

/// RFC 4180: a quoted field may hold commas, doubled quotes and line ends.
Result<bool> RecordReader::next_csv(std::vector<std::string>& values) {
  do {
    const auto got = next_line(text_);
    if (!got || !*got) return got;
  } while (text_.empty());
  first_line_ = line_;
  values.assign(1, {});
  bool quoted = false;
  std::size_t size = 0;
  for (std::size_t at = 0;;) {
    if (at == text_.size()) {
      if (!quoted) return true;
      values.back() += '\n';
      size += text_.size();
      if (size > record_size_max) return bad_line("opens a quote that does not close");
      const auto more = next_line(text_);
      if (!more) return more;
      if (!*more) return bad_line("opens a quote that does not close");
      at = 0;
      continue;
    }
    const char c = text_[at++];
    if (quoted && c == '"' && at < text_.size() && text_[at] == '"') {
      values.back() += '"';
      ++at;
    } else if (c == '"' && (quoted || values.back().empty())) {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      values.emplace_back();
    } else {
      values.back() += c;
    }
  }
}

Result<bool> RecordReader::next_ndjson(Record& record) {
  do {
    const auto got = next_line(text_);
    if (!got || !*got) return got;
  } while (text_.find_first_not_of(" \t\r") == std::string::npos);
  first_line_ = line_;
  const auto document = JsonDocument::parse(text_);
  if (!document) return bad_line("is not JSON: " + document.error().message);
  if (document->root().kind() != JsonKind::object) return bad_line("is not a JSON object");
  record.values.clear();
  for (const std::string& column : shape_.columns) {
    const JsonValue member = document->root().member(column);
    record.values.push_back(member.found() ? text_of(member) : std::string{});
  }
  return true;
}

std::unexpected<Error> RecordReader::bad_line(std::string_view complaint) const {
  return fail(Errc::invalid, path_ + ":" + std::to_string(first_line_) + ": This line " +
                                 std::string{complaint} + ".");
}

Result<FileDigest> digest_file(const std::string& path) {
  const auto fd = open_file(path);
  if (!fd) return std::unexpected{fd.error()};
  FileDigest out;
  std::string chunk;
  std::string digests;  // Of the chunks: 16 bytes for each MiB.
  Result<void> read;
  do {
    read = read_fully(path, *fd, chunk, digest_chunk_size);
    if (!read) break;
    const Digest digest = store::hash_bytes(chunk);
    digests.append(digest.begin(), digest.end());
    out.size += chunk.size();
  } while (chunk.size() == digest_chunk_size);
  ::close(*fd);
  if (!read) return std::unexpected{read.error()};
  out.digest = store::hash_bytes(digests);
  return out;
}

}  // namespace stele::program
