// Loaded before the C library into a program under test (LD_PRELOAD): makes its disk slow, full or
// broken, and its clock wrong, on command. The commands stand in the file that FAULTS_FILE names
// and may change while the program runs, one a line:
//
//     CALL delay MILLISECONDS      each call of it takes so much longer
//     CALL fail ERRNO              each call of it fails
//     CALL fail ERRNO NTH          the NTH call from now on fails, and each after it
//     clock ahead SECONDS          the wall clock; negative: behind
//
// CALL is read or write (at an offset), sync, or open (of a file for writing). A line that does
// not end in a line's end is not read yet.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <mutex>
#include <string>

namespace {

enum Call : std::uint8_t { call_write, call_sync, call_open, call_read };
constexpr std::array<const char*, 4> call_names{"write", "sync", "open", "read"};

struct Fault {
  long delay_ms = 0;
  int error = 0;
  long nth = 1;
};

struct State {
  std::mutex mutex;
  timespec changed{};
  off_t size = -1;
  std::array<Fault, call_names.size()> faults{};
  long clock_ahead = 0;
};

State& state() {
  static State* const made = new State;  // Never destroyed: calls come until the very end.
  return *made;
}

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

void read_commands(State& now, const std::string& text) {
  now.faults = {};
  now.clock_ahead = 0;
  std::size_t at = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', at)) {
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    std::array<char, 16> call{};
    std::array<char, 16> what{};
    long value = 0;
    long nth = 1;
    // NOLINTNEXTLINE(cert-err34-c): what does not parse is no command.
    if (std::sscanf(line.c_str(), "%15s %15s %ld %ld", call.data(), what.data(), &value, &nth) <
        3) {
      continue;
    }
    if (std::strcmp(call.data(), "clock") == 0) now.clock_ahead = value;
    for (std::size_t i = 0; i < call_names.size(); ++i) {
      if (std::strcmp(call.data(), call_names[i]) != 0) continue;
      Fault& fault = now.faults[i];
      if (std::strcmp(what.data(), "delay") == 0) fault.delay_ms = value;
      if (std::strcmp(what.data(), "fail") == 0) fault.error = static_cast<int>(value);
      fault.nth = nth;
    }
  }
}

// Reads the file again if it changed. With the mutex held.
void refresh(State& now) {
  static const char* const path = std::getenv("FAULTS_FILE");
  struct stat found{};
  if (path == nullptr || ::stat(path, &found) != 0) return;
  if (found.st_size == now.size && found.st_mtim.tv_sec == now.changed.tv_sec &&
      found.st_mtim.tv_nsec == now.changed.tv_nsec) {
    return;
  }
  now.size = found.st_size;
  now.changed = found.st_mtim;
  using Open = int (*)(const char*, int, ...);
  const int fd = next<Open>("open")(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  std::array<char, 4'096> text{};
  const ssize_t size = ::read(fd, text.data(), text.size());
  ::close(fd);
  read_commands(now, {text.data(), size > 0 ? static_cast<std::size_t>(size) : 0});
}

// Delays; then true if the call must fail, with errno set.
bool fails(Call call) {
  State& now = state();
  long delay_ms = 0;
  int error = 0;
  {
    const std::lock_guard lock{now.mutex};
    refresh(now);
    Fault& fault = now.faults[call];
    delay_ms = fault.delay_ms;
    if (fault.nth > 1) {
      --fault.nth;
    } else {
      error = fault.error;
    }
  }
  if (delay_ms > 0) {
    const timespec time{.tv_sec = delay_ms / 1'000, .tv_nsec = delay_ms % 1'000 * 1'000'000};
    ::nanosleep(&time, nullptr);
  }
  if (error == 0) return false;
  errno = error;
  return true;
}

int open_checked(const char* name, const char* path, int flags, mode_t mode) {
  using Open = int (*)(const char*, int, ...);
  if ((flags & O_ACCMODE) != O_RDONLY && fails(call_open)) return -1;
  return next<Open>(name)(path, flags, mode);
}

}  // namespace

extern "C" {

int fdatasync(int fd) { return fails(call_sync) ? -1 : next<int (*)(int)>("fdatasync")(fd); }
int fsync(int fd) { return fails(call_sync) ? -1 : next<int (*)(int)>("fsync")(fd); }

ssize_t pwrite(int fd, const void* data, size_t size, off_t at) {
  using Write = ssize_t (*)(int, const void*, size_t, off_t);
  return fails(call_write) ? -1 : next<Write>("pwrite")(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t at) {
  using Write = ssize_t (*)(int, const void*, size_t, off64_t);
  return fails(call_write) ? -1 : next<Write>("pwrite64")(fd, data, size, at);
}

ssize_t pread(int fd, void* data, size_t size, off_t at) {
  using Read = ssize_t (*)(int, void*, size_t, off_t);
  return fails(call_read) ? -1 : next<Read>("pread")(fd, data, size, at);
}
ssize_t pread64(int fd, void* data, size_t size, off64_t at) {
  using Read = ssize_t (*)(int, void*, size_t, off64_t);
  return fails(call_read) ? -1 : next<Read>("pread64")(fd, data, size, at);
}

int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  return open_checked("open", path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  return open_checked("open64", path, flags, mode);
}

int clock_gettime(clockid_t clock, timespec* time) {
  const int done = next<int (*)(clockid_t, timespec*)>("clock_gettime")(clock, time);
  if (done != 0 || clock != CLOCK_REALTIME) return done;
  State& now = state();
  const std::lock_guard lock{now.mutex};
  refresh(now);
  time->tv_sec += now.clock_ahead;
  return 0;
}

}  // extern "C"
