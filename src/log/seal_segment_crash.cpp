// What sealing leaves behind when it is interrupted, and what sealed files answer when they are
// damaged: the whole truth, or an error.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "log/seal_segment.h"
#include "log/sealed_segment.h"
#include "log/testing/sealed_log.h"
#include "log/testing/simulated_disk.h"

namespace stele::log {
namespace {

using testing::Call;
using testing::OpenSegmentWriter;
using testing::SimulatedDisk;
using testing::WrittenEvent;

const std::string folder = "log";
const std::string segment_path = folder + "/" + segment_name(Position{1});
const std::string index_path = folder + "/" + index_name(Position{1});

std::shared_ptr<BlockCache> fresh_cache() { return std::make_shared<BlockCache>(1 << 20); }

struct Scene {
  SimulatedDisk disk;
  SealRequest request = {};
  std::vector<WrittenEvent> written = {};

  explicit Scene(std::uint64_t seed = 1, int events = 40) : disk{seed} {
    OpenSegmentWriter writer{disk, folder};
    for (int i = 0; i < events; ++i) {
      writer.append({{.stream = "account-" + std::to_string(i % 7),
                      .type = i % 3 == 0 ? "Opened" : "Deposited",
                      .data = "{\"amount\":\"" + std::to_string(i) + "\"}",
                      .tags = {"n:" + std::to_string(i % 5)}},
                     {.stream = "bank-1", .type = "Counted"}});
      if (i % 4 == 0) writer.close_group();
    }
    request = writer.finish();
    EXPECT_TRUE(disk.sync_folder(""));
    written = writer.written();
  }
};

bool is_open_segment(SimulatedDisk& disk) {
  const auto bytes = disk.contents(segment_path);
  if (!bytes) return false;
  const auto header = decode_segment_header(std::span{*bytes}.first(segment_header_size), "");
  return header && header->kind == SegmentKind::open;
}

// Empty if every answer of the segment is right; "error: ..." for the first error; otherwise a
// description of the wrong answer.
std::string check_event(const SealedSegment& segment, const std::vector<WrittenEvent>& written,
                        Ordinal ordinal) {
  const WrittenEvent& expected = written[ordinal];
  const auto frame = segment.frame_with(ordinal);
  if (!frame) return "error: " + frame.error().message;
  EventCursor events = frame->frame.events();
  EventView event;
  for (Ordinal n = frame->first; n <= ordinal; ++n) {
    if (!events.next(event)) return "a frame is short";
  }
  if (event.id != expected.id || event.stream != expected.told.stream ||
      event.version != expected.version || event.data != expected.told.data) {
    return "another event";
  }
  const auto append = segment.find_append(expected.append_id);
  if (!append) return "error: " + append.error().message;
  if (!*append || (*append)->first != expected.frame_first) return "an append is missing";
  return "";
}

std::string check_keys(const SealedSegment& segment, const std::vector<WrittenEvent>& written) {
  const std::uint64_t salt = segment.info().header.salt;
  for (const WrittenEvent& event : written) {
    std::vector<Ordinal> stream, type;
    Version last{};
    for (Ordinal n = 0; n < written.size(); ++n) {
      if (written[n].told.stream == event.told.stream) {
        stream.push_back(n);
        last = written[n].version;
      }
      if (written[n].told.type == event.told.type) type.push_back(n);
    }
    const auto found = segment.find_stream(event.told.stream);
    if (!found) return "error: " + found.error().message;
    if (!*found || (*found)->version != last) return "a stream's state is wrong";
    const IndexQuery by_stream{.streams = {key_hash(salt, KeyKind::stream, event.told.stream)}};
    const IndexQuery by_type{.types = {key_hash(salt, KeyKind::type, event.told.type)}};
    const auto of_stream = segment.collect(by_stream, 0, 10'000);
    if (!of_stream) return "error: " + of_stream.error().message;
    if (of_stream->ordinals != stream) return "a stream's events are wrong";
    const auto of_type = segment.collect(by_type, 0, 10'000);
    if (!of_type) return "error: " + of_type.error().message;
    if (of_type->ordinals != type) return "a type's events are wrong";
  }
  return "";
}

std::string check_answers(SimulatedDisk& disk, const std::vector<WrittenEvent>& written) {
  const auto segment = SealedSegment::open(disk, folder, Position{1}, fresh_cache());
  if (!segment) return "error: " + segment.error().message;
  if ((*segment)->info().events != written.size()) return "another number of events";
  for (Ordinal n = 0; n < written.size(); ++n) {
    if (std::string wrong = check_event(**segment, written, n); !wrong.empty()) return wrong;
  }
  return check_keys(**segment, written);
}

// After a restart: what opening the log does with the folder, and then sealing again if need be.
std::string recover_and_check(SimulatedDisk& disk, const Scene& scene) {
  if (const auto cleaned = remove_seal_leftovers(disk, folder); !cleaned) {
    return cleaned.error().message;
  }
  for (const std::string& name : disk.files()) {
    if (name.ends_with(".tmp")) return "a temporary file is left";
  }
  if (is_open_segment(disk)) {
    const auto report = seal_segment(disk, scene.request, nullptr);
    if (!report) return "sealing again: " + report.error().message;
  }
  return check_answers(disk, scene.written);
}

TEST(SealingCrash, LosesNothingWhenThePowerIsCutOrTheProcessKilledAfterAnyCall) {
  const std::uint64_t calls = [] {
    Scene scene;
    const std::uint64_t before = scene.disk.calls();
    EXPECT_TRUE(seal_segment(scene.disk, scene.request, nullptr));
    return scene.disk.calls() - before;
  }();
  ASSERT_GT(calls, 10U);
  for (std::uint64_t nth = 1; nth <= calls; ++nth) {
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
      Scene scene{seed + 1};
      if (seed % 3 == 1) scene.disk.set_write_back_percent(50);
      // Every call from the nth on fails: what follows never happened.
      scene.disk.fail({.nth = nth, .for_ever = true});
      const auto report = seal_segment(scene.disk, scene.request, nullptr);
      EXPECT_EQ(report.has_value(), false) << "call " << nth;
      scene.disk.clear_faults();
      if (seed % 4 == 3) {
        scene.disk.kill();
      } else {
        scene.disk.cut_power();
      }
      EXPECT_EQ(recover_and_check(scene.disk, scene), "") << "call " << nth << " seed " << seed;
    }
  }
}

TEST(SealingCrash, LeavesTheOpenSegmentInPlaceWhenAnyOneCallFails) {
  for (const Errc code : {Errc::unavailable, Errc::read_only}) {
    for (std::uint64_t nth = 1;; ++nth) {
      Scene scene;
      scene.disk.fail({.nth = nth, .code = code, .partly = true});
      const auto report = seal_segment(scene.disk, scene.request, nullptr);
      if (report) break;  // The fault came after the last call.
      ASSERT_LT(nth, 1'000U);
      EXPECT_EQ(report.error().code, code) << report.error().message;
      scene.disk.clear_faults();
      EXPECT_EQ(recover_and_check(scene.disk, scene), "") << "call " << nth;
    }
  }
}

TEST(SealingCrash, SealsAgainAfterTheDiskWasFull) {
  Scene scene{1, 2'000};
  scene.disk.set_capacity(scene.disk.used_bytes() + 8 * 4'096);

  const auto refused = seal_segment(scene.disk, scene.request, nullptr);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::read_only);
  EXPECT_TRUE(is_open_segment(scene.disk));
  EXPECT_EQ(scene.disk.files(), std::vector<std::string>{segment_path});

  scene.disk.set_capacity(std::nullopt);
  EXPECT_TRUE(seal_segment(scene.disk, scene.request, nullptr));
}

TEST(SealingCrash, GoesOnFromTheSealedSegmentWhenTheLastSyncOfTheFolderFailed) {
  Scene scene;
  scene.disk.fail({.call = Call::sync_folder, .nth = 2});
  ASSERT_FALSE(seal_segment(scene.disk, scene.request, nullptr));
  EXPECT_FALSE(is_open_segment(scene.disk));

  const auto again = seal_segment(scene.disk, scene.request, nullptr);

  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->outcome, SealOutcome::sealed);
  EXPECT_EQ(check_answers(scene.disk, scene.written), "");
}

TEST(Sealing, GivesUpWhenAskedTo) {
  Scene scene;
  int asked = 0;

  const auto report = seal_segment(scene.disk, scene.request, [&] { return ++asked < 3; });

  ASSERT_TRUE(report);
  EXPECT_EQ(report->outcome, SealOutcome::gave_up);
  EXPECT_TRUE(is_open_segment(scene.disk));
  EXPECT_EQ(scene.disk.files(), std::vector<std::string>{segment_path});
}

TEST(Sealing, RefusesASegmentThatIsNotWhatTheLogWrote) {
  Scene scene;
  SealRequest more = scene.request;
  more.last = Position{number(more.last) + 1};
  SealRequest fewer = scene.request;
  fewer.last = Position{number(fewer.last) - 5};
  SealRequest other = scene.request;
  other.chain_after[3] ^= 1;
  for (const SealRequest& request : {more, fewer, other}) {
    const auto report = seal_segment(scene.disk, request, nullptr);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, Errc::corrupt);
    EXPECT_TRUE(is_open_segment(scene.disk));
  }
}

TEST(Sealing, LetsThoseWhoReadTheOpenFileReadOn) {
  Scene scene;
  const auto file = scene.disk.open(segment_path, OpenMode::read);
  const auto before = scene.disk.contents(segment_path);
  ASSERT_TRUE(seal_segment(scene.disk, scene.request, nullptr));

  std::vector<std::byte> bytes(before->size());
  ASSERT_TRUE((*file)->read_at(0, bytes));
  EXPECT_EQ(bytes, *before);
}

TEST(SealingCrash, RemovesAnIndexWithoutItsSegment) {
  Scene scene;
  ASSERT_TRUE(seal_segment(scene.disk, scene.request, nullptr));
  scene.disk.put(folder + "/" + index_name(Position{900}), *scene.disk.contents(index_path));

  ASSERT_TRUE(remove_seal_leftovers(scene.disk, folder));

  EXPECT_EQ(scene.disk.files(), (std::vector<std::string>{index_path, segment_path}));
}

// Goal: no flipped byte is ever an answer. A damaged segment is an error, and a damaged index
// heals.
TEST(SealedFlips, AreFoundInEveryByteOfASegment) {
  Scene scene;
  ASSERT_TRUE(seal_segment(scene.disk, scene.request, nullptr));
  const std::size_t size = scene.disk.contents(segment_path)->size();
  for (std::size_t at = 0; at < size; ++at) {
    const auto mask = static_cast<std::uint8_t>(1U << (at % 8));
    ASSERT_TRUE(scene.disk.flip(segment_path, at, mask));
    const std::string said = check_answers(scene.disk, scene.written);
    EXPECT_TRUE(said.starts_with("error: ")) << "byte " << at << ": " << said;
    ASSERT_TRUE(scene.disk.flip(segment_path, at, mask));
  }
  EXPECT_EQ(check_answers(scene.disk, scene.written), "");
}

TEST(SealedFlips, HealInEveryByteOfAnIndex) {
  Scene scene{1, 12};
  ASSERT_TRUE(seal_segment(scene.disk, scene.request, nullptr));
  const auto right = *scene.disk.contents(index_path);
  const IndexIdentity identity = [&] {
    const auto segment = SealedSegment::open(scene.disk, folder, Position{1}, fresh_cache());
    const SealedInfo& info = (*segment)->info();
    return IndexIdentity{.first = info.header.first,
                         .chain_after = info.chain_after,
                         .events = info.events,
                         .frames = info.frames,
                         .seed = segment_seed(info.header.salt, info.header.first)};
  }();
  for (std::size_t at = 0; at < right.size(); ++at) {
    ASSERT_TRUE(scene.disk.flip(index_path, at, static_cast<std::uint8_t>(1U << (at % 8))));
    auto file = scene.disk.open(index_path, OpenMode::read);
    const auto run = IndexRun::open(std::move(*file), index_path, identity, fresh_cache());
    EXPECT_FALSE(run && (*run)->check_pages()) << "byte " << at << " is under no checksum";
    if (at % 37 == 0) {
      EXPECT_EQ(check_answers(scene.disk, scene.written), "") << "byte " << at;
    }
    scene.disk.put(index_path, right);
  }
}

TEST(SealedFlips, ATruncatedFileIsAnErrorAndATruncatedIndexHeals) {
  Scene scene;
  ASSERT_TRUE(seal_segment(scene.disk, scene.request, nullptr));
  const auto segment = *scene.disk.contents(segment_path);
  const auto index = *scene.disk.contents(index_path);
  for (std::size_t size = 0; size < segment.size(); size += size < 100 ? 1 : 97) {
    scene.disk.put(segment_path, std::span{segment}.first(size));
    EXPECT_TRUE(check_answers(scene.disk, scene.written).starts_with("error: ")) << size;
  }
  scene.disk.put(segment_path, segment);
  for (std::size_t size = 0; size < index.size(); size += 511) {
    scene.disk.put(index_path, std::span{index}.first(size));
    EXPECT_EQ(check_answers(scene.disk, scene.written), "") << size;
  }
}

}  // namespace
}  // namespace stele::log
