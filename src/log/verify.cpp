#include "log/verify.h"

#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include "log/block_cache.h"
#include "log/sealed_segment.h"
#include "log/segment_chain.h"
#include "log/segment_scan.h"

namespace stele::log {
namespace {

/// Errors of damage advise to run verify, which is what this is.
std::string without_advice(std::string_view message) {
  for (const std::string_view advice : {" Run `stele verify`", " Run \"stele verify\""}) {
    message = message.substr(0, message.find(advice));
  }
  return std::string{message};
}

class Verifier {
 public:
  Verifier(Disk& disk, std::string folder) : disk_{disk}, folder_{std::move(folder)} {}

  Result<VerifyReport> run(const VerifyProgress& progress) {
    const auto names = disk_.list(folder_);
    if (!names) return std::unexpected{names.error()};
    std::vector<Position> firsts;
    for (const std::string& name : *names) {
      const Position first = position_in_name(name, ".seg");
      if (number(first) != 0) firsts.push_back(first);
    }
    if (firsts.empty()) {
      return fail(Errc::not_found, "\"" + folder_ + "\" holds no log.");
    }
    report_.segments = firsts.size();
    for (std::size_t i = 0; i < firsts.size(); ++i) {
      if (auto done = check(firsts[i], i + 1 == firsts.size()); !done) {
        return std::unexpected{done.error()};
      }
      if (progress) progress(i + 1, firsts.size());
    }
    return std::move(report_);
  }

 private:
  void damaged(const std::string& path, std::uint64_t offset, std::string what) {
    report_.damage.push_back({.path = path, .offset = offset, .what = std::move(what)});
  }

  /// Turns `corrupt` into a finding; passes other errors on.
  Result<void> noted(const std::string& path, const Error& error) {
    if (error.code != Errc::corrupt) return std::unexpected{error};
    damaged(path, 0, without_advice(error.message));
    return {};
  }

  Result<void> check(Position first, bool is_last) {
    const std::string path = folder_ + "/" + segment_name(first);
    auto file = disk_.open(path, OpenMode::read);
    if (!file) return std::unexpected{file.error()};
    const auto size = (*file)->size();
    if (!size) return std::unexpected{size.error()};
    report_.bytes += *size;
    std::vector<std::byte> bytes(segment_header_size);
    if (auto read = (*file)->read_at(0, bytes); !read) return noted(path, read.error());
    const auto header = decode_segment_header(bytes, path);
    if (!header) return noted(path, header.error());
    // After damage the chain is taken up again at the next good header.
    if (const auto why = chain_.follow(*header, first)) {
      if (report_.good() || header->first != first) {
        damaged(path, 0, "The segment does not follow the one before: " + *why);
      }
      chain_ = SegmentChain{};
    }
    report_.log_id = header->log_id;
    report_.epoch = header->epoch;
    if (header->kind == SegmentKind::sealed) return check_sealed(*header, path);
    return check_open(*header, path, **file, is_last);
  }

  void good_to(Position last, std::uint64_t frames) {
    if (!report_.good()) return;
    report_.log_end = last;
    report_.frames += frames;
  }

  Result<void> check_sealed(const SegmentHeader& header, const std::string& path) {
    ++report_.sealed_segments;
    auto segment = SealedSegment::open(disk_, folder_, header.first, cache_);
    if (!segment) return noted(path, segment.error());
    const SealedInfo& info = (*segment)->info();
    std::uint64_t next = number(header.first);
    const auto found = (*segment)->find_damage([&](const FrameView& frame) {
      if (number(frame.first()) == next) check_versions(frame, path, 0);
      // Behind a gap the versions cannot go on where they ended.
      next = number(frame.first()) == next ? number(frame.last()) + 1 : 0;
    });
    if (!found) return noted(path, found.error());
    for (const SealedDamage& each : *found) {
      std::string what = without_advice(each.what);
      if (each.first != each.end) {
        const std::uint64_t first = number(header.first);
        what += " The events at positions " + std::to_string(first + each.first) + " to " +
                std::to_string(first + each.end - 1) + " cannot be read.";
      }
      damaged(each.path, each.offset, std::move(what));
    }
    if ((*segment)->index_was_rebuilt()) {
      report_.notes.push_back("The index of \"" + path +
                              "\" was bad or missing; it was built "
                              "again.");
    }
    chain_.end_segment((*segment)->last(), info.next_group, info.frames, info.chain_after,
                       info.last_recorded_at);
    good_to((*segment)->last(), info.frames);
    return {};
  }

  Result<void> check_open(const SegmentHeader& header, const std::string& path, const File& file,
                          bool is_last) {
    const auto scan = scan_segment(file, header, [&](const FrameView& frame, std::uint64_t offset) {
      check_versions(frame, path, offset);
    });
    if (!scan) return noted(path, scan.error());
    if (scan->proven_by) {
      damaged(path, scan->end,
              scan->why + " A group at byte " + std::to_string(*scan->proven_by) +
                  " proves that what lay there had been durable.");
    } else if (!scan->clean && !is_last) {
      damaged(path, scan->end, scan->why + " A later segment proves that it had been durable.");
    } else if (!scan->clean) {
      report_.notes.push_back("Behind byte " + std::to_string(scan->end) + " of \"" + path +
                              "\" lie the remains of a write that was never answered; opening the "
                              "log removes them.");
    }
    chain_.end_segment(scan->last, scan->next_group, scan->frames, scan->chain_after,
                       scan->last_recorded_at);
    good_to(scan->last, scan->frames);
    return {};
  }

  /// Each stream's versions go on where its last frame ended. Bounded: of a log with more streams
  /// only the first are followed.
  void check_versions(const FrameView& frame, const std::string& path, std::uint64_t offset) {
    constexpr std::size_t streams_max = 2'000'000;
    std::vector<FrameStream> streams = frame.streams();
    EventCursor cursor = frame.events();
    EventView event;
    for (const FrameStream& stream : streams) {
      StreamState after = stream.before;
      for (std::uint32_t i = 0; i < stream.events && cursor.next(event); ++i) {
        after = {.version = event.version, .tip = tip_of(event.id)};
      }
      const auto known = states_.find(stream.name);
      if (known == states_.end()) {
        if (report_.good() && !versions_cut_ && number(stream.before.version) != 0) {
          damaged(path, offset,
                  "Stream \"" + std::string{stream.name} + "\" begins at version " +
                      std::to_string(number(stream.before.version)) + ".");
        }
        if (states_.size() >= streams_max) {
          versions_cut_ = true;
        } else if (number(after.version) != 0) {
          states_.emplace(stream.name, after);
        }
        continue;
      }
      if (report_.good() && known->second != stream.before) {
        damaged(path, offset,
                "Stream \"" + std::string{stream.name} + "\" was at version " +
                    std::to_string(number(known->second.version)) +
                    ", and an append says that it was at " +
                    std::to_string(number(stream.before.version)) + ".");
      }
      known->second = after;
    }
  }

  Disk& disk_;
  const std::string folder_;
  const std::shared_ptr<BlockCache> cache_ = std::make_shared<BlockCache>();
  VerifyReport report_;
  SegmentChain chain_;
  std::map<std::string, StreamState, std::less<>> states_;
  bool versions_cut_ = false;
};

}  // namespace

Result<VerifyReport> verify(Disk& disk, const std::string& folder, const VerifyProgress& progress) {
  if (const auto there = disk.list(folder + "/log"); !there) {
    if (there.error().code != Errc::not_found) return std::unexpected{there.error()};
    return fail(Errc::not_found, "\"" + folder + "\" holds no log.");
  }
  const auto lock = disk.lock(folder + "/LOCK");
  if (!lock) return std::unexpected{lock.error()};
  return Verifier{disk, folder + "/log"}.run(progress);
}

}  // namespace stele::log
