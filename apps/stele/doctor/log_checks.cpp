#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include "doctor/check.h"
#include "log/format.h"
#include "log/verify.h"
#include "progress.h"
#include "stele/time.h"
#include "store/embedded/restore.h"

namespace stele::program::doctor {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t verify_size_max = 256 * 1'024 * 1'024;  // Bytes; more is `stele verify`'s.
constexpr std::int64_t clock_slack = 2'000'000;                 // Microseconds.
constexpr std::string_view sqlite_magic = "SQLite format 3";

/// The machine's disk for those who only look: it changes nothing, and says so to who tries.
class LookingDisk final : public log::Disk {
 public:
  Result<std::unique_ptr<log::File>> open(const std::string& path, log::OpenMode mode) override {
    if (mode != log::OpenMode::read) return refused<std::unique_ptr<log::File>>(path);
    return disk_->open(path, mode);
  }
  Result<std::vector<std::string>> list(const std::string& folder) const override {
    return disk_->list(folder);
  }
  Result<void> make_folder(const std::string& folder) override { return refused<void>(folder); }
  Result<void> rename(const std::string& from, const std::string& /*to*/) override {
    return refused<void>(from);
  }
  Result<void> link(const std::string& from, const std::string& /*to*/) override {
    return refused<void>(from);
  }
  Result<void> remove(const std::string& path) override { return refused<void>(path); }
  Result<void> sync_folder(const std::string& /*folder*/) override { return {}; }
  Result<std::unique_ptr<log::DiskLock>> lock(const std::string& /*path*/) override {
    return std::make_unique<log::DiskLock>();
  }
  Result<std::uint64_t> free_bytes(const std::string& folder) const override {
    return disk_->free_bytes(folder);
  }

 private:
  template <typename T>
  static Result<T> refused(const std::string& path) {
    return fail(Errc::read_only, "\"" + path + "\" would have to be written.");
  }
  std::unique_ptr<log::Disk> disk_ = log::make_real_disk();
};

struct Segment {
  std::string path;
  Position named{};
  log::SegmentHeader header = {};
  std::uint64_t size = 0;
};

/// Reads the header of every segment, in order; the first that can't be read ends it.
Result<std::vector<Segment>> read_headers(log::Disk& disk, const std::string& folder) {
  const auto names = disk.list(folder);
  if (!names) return std::unexpected{names.error()};
  std::vector<Segment> out;
  for (const std::string& name : *names) {
    const Position first = log::position_in_name(name, ".seg");
    if (number(first) == 0) continue;
    Segment segment{.path = folder, .named = first};
    segment.path.append("/").append(name);
    const auto file = disk.open(segment.path, log::OpenMode::read);
    if (!file) return std::unexpected{file.error()};
    const auto size = (*file)->size();
    if (!size) return std::unexpected{size.error()};
    segment.size = *size;
    std::vector<std::byte> bytes(log::segment_header_size);
    if (auto read = (*file)->read_at(0, bytes); !read) return std::unexpected{read.error()};
    auto header = log::decode_segment_header(bytes, segment.path);
    if (!header) return std::unexpected{header.error()};
    segment.header = *header;
    out.push_back(std::move(segment));
  }
  return out;
}

/// Each header names the segment before: one that is gone leaves a gap.
std::optional<Check> gap(const std::vector<Segment>& segments) {
  const std::string fix =
      "Put the file back from where it was moved, or restore a backup (`stele import --restore`).";
  Position before{};
  for (const Segment& segment : segments) {
    if (segment.header.first != segment.named) {
      return failed("segments", segment.path + " is named for another position than it holds.",
                    "Give it the name that `stele verify` says.");
    }
    if (segment.header.previous_first != before) {
      return failed("segments",
                    "The segment before " + segment.path + ", " +
                        log::segment_name(segment.header.previous_first) + ", is missing.",
                    fix);
    }
    before = segment.header.first;
  }
  return std::nullopt;
}

Check foreign_or_new(const std::string& folder, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (name.ends_with(".tmp") || name.ends_with(".cut") || name == "spare.ready") continue;
    std::string detail = "\"";
    detail.append(folder).append("\" is not a log's folder: it holds \"").append(name);
    return failed("segments", detail.append("\"."), "Name another folder with --data.");
  }
  return well("segments", "There is no log yet; `stele serve` makes one.");
}

Check verified(log::Disk& disk, const std::string& data, const std::vector<Segment>& segments) {
  const std::string name = "log";
  std::uint64_t size = 0;
  for (const Segment& segment : segments) size += segment.size;
  if (size > verify_size_max) {
    return well(
        name, "It takes " + mebibytes(size) + " and was not read; `stele verify` reads all of it.");
  }
  const auto report = log::verify(disk, data);
  if (!report && report.error().code == Errc::read_only) {
    return warning(name, "The index of a segment is missing or bad. " + report.error().message,
                   "Nothing is lost: `stele serve` and `stele verify` build it again.");
  }
  if (!report) return failed(name, report.error().message, "Look at the disk; see `stele verify`.");
  if (report->good()) {
    return well(name,
                "Every byte is good, up to position " + with_commas(number(report->log_end)) + ".");
  }
  const log::Damage& damage = report->damage.front();
  return failed(
      name, damage.path + " is damaged at byte " + with_commas(damage.offset) + ": " + damage.what,
      "Restore a backup, or cut the log there with `stele repair`; `stele verify` shows "
      "all of the damage.");
}

/// A clock that went back is seen by what was recorded before.
Check log_clock(const std::vector<Segment>& segments) {
  Timestamp latest{};
  for (const Segment& segment : segments) {
    latest = std::max({latest, segment.header.last_recorded_at, segment.header.made_at});
  }
  if (micros(latest) <= micros(system_clock().now()) + clock_slack) {
    return well("log clock", "The machine's clock is past everything that was recorded.");
  }
  return warning("log clock",
                 "The log was written at " + to_rfc3339(latest) +
                     ", and this machine's clock is at " + to_rfc3339(system_clock().now()) + ".",
                 "Set the clock (NTP). Until it has caught up, all events get one and the same "
                 "time.");
}

void check_segments(const std::string& data, Checks& out) {
  const std::string folder = data + "/log";
  LookingDisk disk;
  const auto names = disk.list(folder);
  if (!names && names.error().code == Errc::not_found) {
    std::error_code ignored;
    const bool has_more = fs::exists(data, ignored) && !fs::is_empty(data, ignored);
    out.push_back(has_more && !fs::exists(fs::path{data} / "LOCK", ignored)
                      ? warning("segments", "\"" + data + "\" holds files, but no log.",
                                "If it is not meant to be Stele's, name another folder with "
                                "--data.")
                      : well("segments", "There is no log yet; `stele serve` makes one."));
    return;
  }
  if (!names) return out.push_back(failed("segments", names.error().message, "Look at the disk."));
  if (std::ranges::find(*names, log::restore_marker) != names->end()) {
    return out.push_back(failed("segments", "A restore into \"" + data + "\" was not finished.",
                                "Start the same `stele import --restore` again: it begins anew."));
  }
  const auto segments = read_headers(disk, folder);
  if (!segments) {
    const bool newer = segments.error().code == Errc::unsupported;
    return out.push_back(failed("segments", segments.error().message,
                                newer ? "Use the newer version of Stele that wrote it."
                                      : "Restore a backup, or see `stele verify` and `stele "
                                        "repair`."));
  }
  if (segments->empty()) return out.push_back(foreign_or_new(folder, *names));
  if (const auto found = gap(*segments)) return out.push_back(*found);
  out.push_back(well("segments", with_commas(segments->size()) +
                                     (segments->size() == 1 ? " segment" : " segments") +
                                     ", one behind the other, of log " +
                                     segments->back().header.log_id.text() + ", epoch " +
                                     std::to_string(number(segments->back().header.epoch)) + "."));
  out.push_back(log_clock(*segments));
  const bool held = holder_of(data) != 0;
  out.push_back(held
                    ? well("log", "It is in use and was not read; its server checks what it reads.")
                    : verified(disk, data, *segments));
}

/// A file of a read model must be one of SQLite's; it can always be carved again from the log.
void check_read_models(const std::string& data, Checks& out) {
  const std::string name = "read models";
  std::error_code failure;
  std::size_t files = 0;
  for (auto at = fs::directory_iterator{data + "/read_models", failure};
       !failure && at != fs::directory_iterator{}; at.increment(failure)) {
    if (at->path().extension() != ".sqlite") continue;
    ++files;
    std::array<char, 16> front{};
    std::ifstream in{at->path(), std::ios::binary};
    in.read(front.data(), front.size());
    const bool empty = in.gcount() == 0 && !in.bad();
    if (!empty && std::string_view{front.data(), sqlite_magic.size()} != sqlite_magic) {
      return out.push_back(failed(name, at->path().string() + " is not a file of SQLite's.",
                                  "Stop the server and remove the file: it is made again from the "
                                  "log."));
    }
  }
  out.push_back(files == 0 ? well(name, "There are none yet; they are made from the log.")
                           : well(name, "There are " + with_commas(files) + " files."));
}

}  // namespace

void check_log(const std::string& data, Checks& out) {
  check_segments(data, out);
  check_read_models(data, out);
}

}  // namespace stele::program::doctor
