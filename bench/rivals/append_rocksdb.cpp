// RocksDB: an append is one synced WriteBatch under running numbers. No condition and no index of
// streams or tags: less than what an event store must do.

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <atomic>

#include "load.h"

int main(int count, char** arguments) {
  const rivals::Options options = rivals::options_of(count, arguments);
  const std::vector<std::string> data = rivals::payloads(options);
  rocksdb::Options setup;
  setup.create_if_missing = true;
  setup.compression = rocksdb::kNoCompression;
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(setup, options.data, &opened);
  if (!status.ok()) rivals::give_up(status.ToString());
  const std::unique_ptr<rocksdb::DB> db{opened};
  rocksdb::WriteOptions durable;
  durable.sync = true;
  std::atomic<std::uint64_t> next{1};
  rivals::run(options, [&](std::size_t, std::uint64_t) {
    rocksdb::WriteBatch batch;
    std::uint64_t position = next.fetch_add(options.batch);
    for (const std::string& event : data) {
      const std::uint64_t key = __builtin_bswap64(position++);
      batch.Put({reinterpret_cast<const char*>(&key), sizeof key}, event);
    }
    const rocksdb::Status done = db->Write(durable, &batch);
    if (!done.ok()) rivals::give_up(done.ToString());
  });
}
