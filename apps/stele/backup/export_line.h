// One line of an export (serve/log_export.h says what stands in it), read back.

#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/json_cursor.h"
#include "stele/append.h"

namespace stele::program {

/// Where a stream stood when the append was answered.
struct ExportedStream {
  std::string_view stream;
  StreamState after;
};

/// Which log the lines are of, and where they end; with the first line of an export.
struct ExportedLog {
  LogId id;
  Position end{};
};

/// Owns its text; its views live as long.
class ExportLine {
 public:
  /// Reads a line. Errors: `invalid` (what is wrong; a line that was changed fails its checksum).
  [[nodiscard]] static Result<std::unique_ptr<ExportLine>> parse(std::string text);
  ExportLine(const ExportLine&) = delete;
  ExportLine& operator=(const ExportLine&) = delete;

  Position position{};
  std::string_view stream;
  Version version{};
  AppendId append_id;
  Timestamp recorded_at{};
  Digest digest{};
  NewEvent event;                       ///< With its id.
  std::vector<ExportedStream> streams;  ///< Empty: those of the append's events.
  std::optional<ExportedLog> log = std::nullopt;

  [[nodiscard]] std::size_t size() const noexcept { return text_.size(); }

 private:
  explicit ExportLine(std::string text);
  [[nodiscard]] Result<void> check_checksum();
  void read();
  void read_member(std::string_view member);
  void read_uuid(Uuid& out);
  void read_bytes(std::string_view& out);
  void read_json(std::string_view& out);
  void read_digest();
  void read_time();
  void read_stream();
  void read_log();

  std::string text_;
  serve::JsonCursor in_;
  std::deque<std::string> decoded_;  // Bytes that stood in Base64.
  std::vector<std::string_view> tags_;
  std::uint32_t seen_ = 0;  // A bit for each member that must be there.
};

}  // namespace stele::program
