#include "store/testing/on_disk.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace stele::testing {
namespace {

class OnDisk final : public StoreUnderTest {
 public:
  OnDisk() { open(); }
  EventStore& store() override { return *store_; }
  bool durable() const override { return true; }
  void reopen() override {
    store_.reset();
    open();
  }

 private:
  void open() {
    auto opened = open_embedded_store({.data = folder_.path()});
    EXPECT_TRUE(opened) << opened.error().message;
    if (!opened) std::abort();  // Nothing that follows could mean anything.
    store_ = std::move(*opened);
  }

  TemporaryFolder folder_;
  std::unique_ptr<EventStore> store_;
};

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "stele-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) std::abort();
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::unique_ptr<StoreUnderTest> on_disk() { return std::make_unique<OnDisk>(); }

}  // namespace stele::testing
