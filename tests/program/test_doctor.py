"""doctor: each likely fault of a set-up is made for real, and must be found and told a way out."""

import http.server
import json
import os
import pathlib
import resource
import socket
import subprocess
import threading
import unittest

from harness import Server, free_port, program
from verb import VerbCase, one_event

NOBODY = 65534

# A library that stands between the program and the system: a slow disk, one that lies, and a clock
# that is wrong.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
int fdatasync(int fd) {
  const char* us = getenv("SHIM_SYNC_US");
  if (us == NULL) return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
  usleep((useconds_t)atoi(us));
  return 0;
}
int clock_gettime(clockid_t id, struct timespec* out) {
  int code = ((int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime"))(id, out);
  const char* back = getenv("SHIM_CLOCK_BACK");
  if (back != NULL && id == CLOCK_REALTIME) out->tv_sec -= atol(back);
  return code;
}
"""


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class Doctor(VerbCase):
    def doctor(self, *words, **options):
        """The checks by name; the exit code must agree with them."""
        if "--listen" not in words:
            words += ("--listen", f"127.0.0.1:{free_port()}")
        if "--url" not in words:
            words += ("--url", f"http://127.0.0.1:{free_port()}")
        if "--data" not in words:
            words += ("--data", "d")
        done = self.verb("doctor", "--json", *words, **options)
        told = json.loads(done.stdout)
        failed = [one for one in told["checks"] if one["status"] == "failed"]
        self.assertEqual(done.returncode, 1 if failed else 0, done.stderr)
        self.assertEqual(told["status"], "failed" if failed else "ok")
        for one in told["checks"]:
            self.assertEqual(one["fix"] == "", one["status"] == "ok", one)
        return {one["name"]: one for one in told["checks"]}

    def finds(self, name, status, text, *words, **options):
        check = self.doctor(*words, **options)[name]
        self.assertEqual(check["status"], status, check)
        self.assertIn(text, check["detail"] + " " + check["fix"])

    def log(self, count=3):
        self.append("d", *[one_event(f"account-{i}") for i in range(count)])
        return sorted((self.folder / "d/log").glob("*.seg"))

    def shim(self, **variables):
        source = self.folder / "shim.c"
        source.write_text(SHIM)
        library = self.folder / "shim.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        return {"LD_PRELOAD": str(library), **variables}

    def as_nobody(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        os.chmod(self.folder, 0o755)
        return {"user": NOBODY, "group": NOBODY, "extra_groups": []}

    # A set-up that is well.

    def test_a_new_folder_is_well_and_stays_as_it_was(self):
        checks = self.doctor()
        bad = [one for one in checks.values() if one["status"] == "failed"]
        self.assertEqual(bad, [])
        self.assertFalse((self.folder / "d").exists())
        self.assertGreaterEqual(len(checks), 18)

    def test_a_log_is_read_and_not_changed(self):
        self.log()
        before = {path: path.read_bytes() for path in (self.folder / "d").rglob("*")
                  if path.is_file()}
        self.assertIn("Every byte is good", self.doctor()["log"]["detail"])
        after = {path: path.read_bytes() for path in (self.folder / "d").rglob("*")
                 if path.is_file()}
        self.assertEqual(before, after)

    def test_for_a_person_it_says_the_way_out(self):
        done = self.verb("doctor", "--data", "d", "--listen", "192.0.2.1:1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("-> Set serve.listen", done.stdout)

    # Settings.

    def test_an_unknown_setting(self):
        (self.folder / "stele.toml").write_text("[serve]\nlisten_on = \"x\"\n")
        self.finds("settings", "failed", "nearest is serve.listen")

    def test_a_misspelt_variable(self):
        self.finds("settings", "failed", "STELE_SERVE_LISTEN", variables={"STELE_SERVE_LISEN": "x"})

    def test_a_file_that_is_not_toml(self):
        (self.folder / "stele.toml").write_text("[serve\n")
        self.finds("settings", "failed", "not TOML at line 1")

    def test_a_file_that_is_missing_or_can_t_be_read(self):
        self.finds("settings", "failed", "can't be read", "--config", "none.toml")
        (self.folder / "c.toml").write_text("")
        os.chmod(self.folder / "c.toml", 0)
        self.finds("settings", "failed", "can't be read", "--config", "c.toml", **self.as_nobody())

    def test_settings_that_do_not_go_together(self):
        (self.folder / "stele.toml").write_text("[store]\nkind = \"memory\"\n")
        self.finds("combination", "warning", "forgotten at the end")
        (self.folder / "stele.toml").write_text("[serve]\nroles = \"projector\"\n")
        self.finds("combination", "warning", "Add the role api")

    def test_what_is_not_in_this_build(self):
        (self.folder / "stele.toml").write_text("[broker]\nkafka = \"localhost:9092\"\n")
        self.finds("settings", "failed", "not in this build")

    # The address.

    def test_a_port_that_is_taken(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            self.finds("listen address", "failed", "Another program listens", "--listen",
                       f"127.0.0.1:{other.getsockname()[1]}")

    def test_a_port_that_a_server_of_ours_has(self):
        server = Server()
        self.addCleanup(server.close)
        self.finds("listen address", "ok", "listens", "--listen", f"127.0.0.1:{server.port}")

    def test_an_address_that_is_not_ours(self):
        self.finds("listen address", "failed", "not an address of this machine", "--listen",
                   "192.0.2.1:8420")
        self.finds("listen address", "failed", "not known", "--listen", "no.such.host.invalid:1")

    def test_an_address_that_others_reach(self):
        self.finds("exposure", "warning", "asks nobody", "--listen", f"0.0.0.0:{free_port()}")

    # The folder and its disk.

    def test_a_file_in_the_folder_s_place(self):
        (self.folder / "d").write_text("")
        self.finds("data folder", "failed", "is not a folder")

    def test_a_folder_that_can_t_be_written(self):
        (self.folder / "d").mkdir(mode=0o555)
        self.finds("data folder", "failed", "can't be written", **self.as_nobody())

    def test_a_folder_of_another_user(self):
        self.log()
        self.finds("owner", "failed", "chown -R", **self.as_nobody())

    def test_a_folder_that_a_process_holds(self):
        server = Server()
        self.addCleanup(server.close)
        self.finds("lock", "ok", f"The process {server.process.pid} holds", "--data", server.data)

    def test_a_disk_that_is_nearly_full_and_forgets(self):
        if os.geteuid() != 0:
            self.skipTest("only root can mount")
        (self.folder / "d").mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none",
                                  self.folder / "d"], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("mounting is not allowed here")
        self.addCleanup(subprocess.run, ["umount", self.folder / "d"])
        checks = self.doctor()
        self.assertEqual(checks["free space"]["status"], "failed", checks["free space"])
        self.assertIn("tmpfs", checks["file system"]["detail"])

    def test_a_slow_disk_and_one_that_lies(self):
        self.finds("fdatasync", "warning", "faster sync",
                   variables=self.shim(SHIM_SYNC_US="25000"))
        if pathlib.Path("/dev/shm").is_dir() and os.access("/dev/shm", os.W_OK):
            self.finds("fdatasync", "warning", "keeps its word", "--data", "/dev/shm/none-of-ours")

    # The log.

    def test_a_folder_that_is_not_ours(self):
        (self.folder / "d/log").mkdir(parents=True)
        (self.folder / "d/log/syslog").write_text("x")
        self.finds("segments", "failed", "not a log's folder")

    def test_a_folder_without_a_log(self):
        (self.folder / "d").mkdir()
        (self.folder / "d/photo.jpg").write_text("x")
        self.finds("segments", "warning", "holds files, but no log")

    def test_a_newer_format(self):
        path, = self.log()
        data = bytearray(path.read_bytes())
        data[8:12] = (99).to_bytes(4, "little")
        data[4092:4096] = crc32c(data[:4092]).to_bytes(4, "little")
        path.write_bytes(bytes(data))
        self.finds("segments", "failed", "newer version of Stele")

    def test_a_segment_that_is_missing(self):
        payload = {"x": "y" * 300_000}
        (self.folder / "stele.toml").write_text("[log]\nsegment_mib = 1\n")
        process = subprocess.Popen([program(), "serve", "--data", "d", "--listen", "127.0.0.1:0"],
                                   cwd=self.folder, stdout=subprocess.PIPE, text=True,
                                   stderr=subprocess.DEVNULL)
        try:
            url = process.stdout.readline().split()[1]
            lines = "".join(json.dumps(one_event(f"a-{i}", payload)) + "\n" for i in range(60))
            for part in range(0, 60, 20):
                body = "".join(lines.splitlines(keepends=True)[part:part + 20])
                self.assertEqual(self.verb("append", "--ndjson", "--url", url,
                                           stdin=body).returncode, 0)
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()
        segments = sorted((self.folder / "d/log").glob("*.seg"))
        self.assertGreater(len(segments), 2)
        segments[1].rename(self.folder / "moved.seg")
        self.finds("segments", "failed", f"{segments[1].name}, is missing")

    def test_a_segment_that_is_truncated(self):
        path, = self.log()
        os.truncate(path, 100)
        self.finds("segments", "failed", path.name)

    def test_bytes_that_are_damaged(self):
        path, = self.log(40)
        data = bytearray(path.read_bytes())
        data[data.index(b"account-0")] ^= 0x10
        path.write_bytes(bytes(data))
        self.finds("log", "failed", "damaged at byte")

    def test_a_restore_that_was_not_finished(self):
        self.log()
        export = self.must("export", "--data", "d").stdout
        self.verb("import", "--restore", "-", "--data", "r", stdin=export[:-40])
        self.finds("segments", "failed", "begins anew", "--data", "r")

    def test_a_read_model_that_is_damaged(self):
        self.log()
        (self.folder / "d/read_models").mkdir(exist_ok=True)
        (self.folder / "d/read_models/x-g1.sqlite").write_bytes(b"not a database, for certain")
        self.finds("read models", "failed", "not a file of SQLite's")

    # The machine.

    def test_too_few_descriptors(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        self.finds("open files", "warning", "ulimit -n", preexec_fn=limit)

        def less():
            resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        self.finds("open files", "failed", "ulimit -n", preexec_fn=less)

    def test_too_little_memory(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (100 << 20, 100 << 20))
        self.finds("memory", "failed", "log.cache_mib", preexec_fn=limit)

    def test_a_clock_that_is_far_off_or_went_back(self):
        self.log()
        self.finds("clock", "failed", "NTP",
                   variables=self.shim(SHIM_CLOCK_BACK=str(20 * 365 * 86400)))
        self.finds("log clock", "warning", "Set the clock",
                   variables=self.shim(SHIM_CLOCK_BACK="86400"))

    def test_a_terminal_that_is_not_utf_8(self):
        self.finds("encoding", "warning", "UTF-8", variables={"LC_ALL": "de_DE.ISO-8859-1"})

    # The server.

    def test_a_server_that_does_not_answer(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            self.finds("server", "failed", "does not answer", "--url",
                       f"http://127.0.0.1:{silent.getsockname()[1]}")

    def answering(self, answers):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                status, body = answers.get(self.path, (404, b""))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_address[1]}"

    def test_a_server_of_another_version(self):
        url = self.answering({"/health/ready": (200, b"{}"),
                              "/metrics": (200, b'stele_build_info{version="9.9.9"} 1\n')})
        self.finds("version", "warning", "9.9.9", "--url", url)

    def test_a_server_that_is_not_ready_or_not_ours(self):
        url = self.answering({"/health/ready": (503, b'{"status":"full"}')})
        self.finds("server", "failed", "is not ready", "--url", url)
        self.finds("server", "failed", "no server of Stele", "--url", self.answering({}))

    def test_a_server_of_this_version(self):
        server = Server()
        self.addCleanup(server.close)
        self.finds("version", "ok", "as this is", "--url", f"http://127.0.0.1:{server.port}")

    def test_a_url_that_is_none(self):
        self.finds("server", "failed", "STELE_URL", "--url", "localhost:8420")


if __name__ == "__main__":
    unittest.main()
