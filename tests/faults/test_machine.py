"""The machine fails: a disk that is full, read-only, slow or broken, files that are missing, cut or
foreign, memory and clocks that are not what they should be. Each has a clear answer, an exit code,
and loses nothing that was answered."""

import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from faulty import EXIT, FaultyServer, Raw, request
from harness import eventually, program

SMALL = {"STELE_LOG_SEGMENT_MIB": "1", "STELE_SERVE_ACCESS_LOG": "false"}
EIO, ENOSPC = 5, 28
HEADER_SIZE, HEADER_CRC_AT, VERSION_AT = 4096, 4092, 8


def crc32c(data):
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        table.append(number)
    value = 0xFFFFFFFF
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def append(client, size=50_000, stream="big-1"):
    body = {"streams": [{"stream": stream, "events": [{"type": "Big", "data": "x" * size}]}]}
    return client.post("/v1/append", body)


def fill(server, megabytes):
    """Appends so much that segments of 1 MiB are sealed; the log's end."""
    client = server.client()
    noise = random.Random(5)
    for _ in range(megabytes * 5):
        text = "".join(noise.choices("abcdefghijklmnop", k=200_000))
        body = {"streams": [{"stream": "big-1", "events": [{"type": "Big", "data": text}]}]}
        answer = client.post("/v1/append", body)
        assert answer.status == 200, answer
    end = answer["position"]
    client.close()
    return end


class MachineCase(unittest.TestCase):
    def serve(self, **options):
        self.server = FaultyServer(**options)
        self.addCleanup(self.server.close)
        return self.server

    def fails_to_start(self, code, *words):
        ended, said = self.server.run_and_fail()
        self.assertEqual(ended, EXIT[code], said)
        for word in words:
            self.assertIn(word, said)

    def everything_is_there(self, accounts):
        client = self.server.client()
        for account, balance in accounts.items():
            answer = client.account(account)
            self.assertEqual((answer.status, answer["balance"]), (200, balance), answer)
        client.close()

    def some_accounts(self, count=5):
        client = self.server.client()
        accounts = {client.new(str(number)): f"{number}.00" for number in range(1, count + 1)}
        client.close()
        return accounts


class Files(MachineCase):
    def setUp(self):
        self.serve(variables=SMALL)

    def sealed(self):
        self.end = fill(self.server, 5)

        def some_are_sealed():
            return len(list((self.server.data / "log").glob("*.idx"))) >= 2

        self.assertTrue(eventually(some_are_sealed, 30))
        self.assertEqual(self.server.stop(), 0)
        return self.server.segments()

    def test_every_verb_says_who_holds_a_folder(self):
        pid = str(self.server.process.pid)
        for arguments in (("verify",), ("repair",), ("read",),
                          ("append", "a-1", "T", "{}")):
            ended = self.server.verb(*arguments)
            self.assertEqual(ended.returncode, EXIT["held"], (arguments, ended.stderr))
            self.assertIn(pid, ended.stderr)

    def test_a_middle_segment_that_is_missing_is_named(self):
        segments = self.sealed()
        segments[1].rename(self.server.folder / "elsewhere")
        self.fails_to_start("corrupt", segments[2].name)
        (self.server.folder / "elsewhere").rename(segments[1])
        self.server.start()
        self.assertEqual(self.server.client().get("/v1/events?limit=1")["logEnd"], self.end)

    def test_the_first_segment_that_is_missing_is_told(self):
        segments = self.sealed()
        segments[0].unlink()
        self.fails_to_start("corrupt", segments[1].name)

    def test_an_index_that_is_missing_or_damaged_is_built_again(self):
        segments = self.sealed()
        indexes = sorted((self.server.data / "log").glob("*.idx"))
        indexes[0].unlink()
        damaged = bytearray(indexes[1].read_bytes())
        for at in range(0, len(damaged), 100):
            damaged[at] ^= 0x55
        indexes[1].write_bytes(damaged)
        self.server.start()
        client = self.server.client()
        page = client.get("/v1/streams/big-1?limit=3")
        self.assertEqual((page.status, page["version"]), (200, self.end))
        client.close()
        self.assertEqual(self.server.stop(), 0)
        self.assertTrue(indexes[0].exists())
        self.assertEqual(self.server.verb("verify").returncode, 0)
        self.assertTrue(segments)

    def test_a_sealed_segment_that_is_cut_short_is_named(self):
        segments = self.sealed()
        os.truncate(segments[0], segments[0].stat().st_size // 2)
        self.fails_to_start("corrupt", segments[0].name)
        verified = self.server.verb("verify")
        self.assertEqual(verified.returncode, EXIT["corrupt"], verified)
        self.assertIn(segments[0].name, verified.stdout + verified.stderr)

    def test_an_open_segment_that_is_cut_short_is_damage_or_ends_there(self):
        segments = self.sealed()
        size = segments[-1].stat().st_size
        for part in (size // 2, 5000, 4096, 100, 0):
            os.truncate(segments[-1], part)
            code, said = self.server.run_and_fail() if part < 4096 else (EXIT["corrupt"], "")
            self.assertEqual(code, EXIT["corrupt"], said)
            if said:
                self.assertIn(segments[-1].name, said)

    def test_the_lock_file_may_be_missing(self):
        accounts = self.some_accounts()
        self.assertEqual(self.server.stop(), 0)
        (self.server.data / "LOCK").unlink()
        self.server.start()
        self.everything_is_there(accounts)

    def test_a_log_of_a_newer_format_is_not_touched(self):
        self.some_accounts()
        self.assertEqual(self.server.stop(), 0)
        [segment] = self.server.segments()
        data = bytearray(segment.read_bytes())
        struct.pack_into("<I", data, VERSION_AT, 2)
        struct.pack_into("<I", data, HEADER_CRC_AT, crc32c(data[:HEADER_CRC_AT]))
        segment.write_bytes(data)
        self.fails_to_start("failed", segment.name, "newer program")
        self.assertEqual(segment.read_bytes(), data)

    def test_a_folder_that_is_not_ours_is_left_alone(self):
        self.assertEqual(self.server.stop(), 0)
        [segment] = self.server.segments()
        segment.write_bytes(b"This is not a segment.\n" * 1000)
        before = segment.read_bytes()
        self.fails_to_start("corrupt", segment.name, "STELESEG")
        self.assertEqual(segment.read_bytes(), before)

    def test_a_data_folder_that_is_a_file_is_told(self):
        self.assertEqual(self.server.stop(), 0)
        shutil.rmtree(self.server.data)
        self.server.data.write_text("a file")
        ended, said = self.server.run_and_fail()
        self.assertNotEqual(ended, 0)
        self.assertIn(str(self.server.data), said)

    def test_one_flipped_byte_is_found_wherever_it_lies(self):
        segments = self.sealed()
        chosen = random.Random(3)
        for segment in (segments[0], segments[1]):
            good = segment.read_bytes()
            for _ in range(5):
                data = bytearray(good)
                at = chosen.randrange(len(data))
                data[at] ^= 1 << chosen.randrange(8)
                segment.write_bytes(data)
                verified = self.server.verb("verify")
                self.assertEqual(verified.returncode, EXIT["corrupt"], (segment.name, at))
                self.assertIn(segment.name, verified.stdout + verified.stderr)
            segment.write_bytes(good)
        self.assertEqual(self.server.verb("verify").returncode, 0)


class Mounted(MachineCase):
    """What needs a file system of its own: a small one, or one for reading only."""

    def setUp(self):
        if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True,
                                               check=False).returncode != 0:
            self.skipTest("mounting a file system needs root, and unshare")

    def in_namespace(self, script):
        return ["unshare", "-m", "sh", "-c", script + ' && exec "$@"', "sh"]

    def small_disk(self, megabytes):
        data = pathlib.Path(tempfile.mkdtemp(prefix="stele-disk-"))
        self.addCleanup(shutil.rmtree, data, True)
        self.serve(prefix=self.in_namespace(f"mount -t tmpfs -o size={megabytes}m tmpfs {data}"),
                   variables=SMALL, start=False)
        self.server.data = data
        self.server.start()
        return pathlib.Path(f"/proc/{self.server.process.pid}/root{data}")

    def test_a_full_disk_refuses_appends_lets_read_and_comes_back_by_itself(self):
        seen = self.small_disk(12)
        accounts = self.some_accounts()
        ballast = seen / "ballast"
        ballast.write_bytes(b"x" * (1 << 20))
        client = self.server.client()
        stored = 0
        noise = random.Random(1)
        for _ in range(200):
            text = "".join(noise.choices("abcdefghijklmnop", k=100_000))
            body = {"streams": [{"stream": "big-1", "events": [{"type": "B", "data": text}]}]}
            answer = client.post("/v1/append", body)
            if answer.status != 200:
                break
            stored += 1
        self.assertEqual((answer.status, answer.code), (503, "log_full"), answer)
        self.assertIn("Retry-After", answer.headers)
        self.assertNotIn(str(self.server.data), str(answer.json))
        self.everything_is_there(accounts)
        refused = client.deposit(next(iter(accounts)), 1)
        self.assertIn((refused.status, refused.code), ((200, None), (503, "log_full")), refused)
        page = client.get("/v1/streams/big-1?limit=1")
        self.assertEqual(page["version"], stored)
        ready = client.raw("GET", "/health/ready")
        self.assertEqual(ready.status, 503)
        self.assertIn(b"full", ready.body)
        ballast.unlink()
        remount = subprocess.run(["nsenter", "-t", str(self.server.process.pid), "-m", "mount",
                                  "-o", "remount,size=64m", str(self.server.data)], check=False,
                                 capture_output=True, text=True)
        self.assertEqual(remount.returncode, 0, remount.stderr)
        self.assertTrue(eventually(lambda: append(client, 1000).status == 200, 20),
                        "appends do not come back by themselves")
        self.assertTrue(eventually(lambda: client.raw("GET", "/health/ready").status == 200, 20),
                        client.raw("GET", "/health/ready").body)
        client.close()
        self.assertEqual(self.server.stop(), 0)

    def test_a_log_on_a_disk_that_stays_full_opens_for_reading(self):
        data = pathlib.Path(tempfile.mkdtemp(prefix="stele-disk-"))
        self.addCleanup(shutil.rmtree, data, True)
        self.serve(variables=SMALL)
        accounts = self.some_accounts()
        self.assertEqual(self.server.stop(), 0)
        size = sum(path.stat().st_blocks * 512 for path in self.server.data.rglob("*")) // 1024
        source = self.server.data
        self.server.prefix = self.in_namespace(
            f"mount -t tmpfs -o size={size + 200}k tmpfs {data} && cp -a {source}/. {data}/ && "
            f"(head -c 100M /dev/zero > {data}/ballast; true) 2>/dev/null")
        self.server.data = data
        self.server.start()
        client = self.server.client()
        for account, balance in accounts.items():
            stream = client.get(f"/v1/streams/account-{account}")
            self.assertEqual((stream.status, stream["version"]), (200, 1), balance)
        client.close()
        self.assertEqual(self.server.stop(), 0)

    def test_a_folder_on_a_read_only_file_system_is_told_with_its_way_out(self):
        self.serve(variables=SMALL)
        self.some_accounts()
        self.assertEqual(self.server.stop(), 0)
        data = self.server.data
        self.server.prefix = self.in_namespace(
            f"mount --bind {data} {data} && mount -o remount,ro,bind {data}")
        ended, said = self.server.run_and_fail()
        self.assertEqual(ended, EXIT["read_only"], said)
        self.assertIn(str(data), said)
        self.assertIn("read-only", said.lower().replace("for reading only", "read-only"))

    def test_a_new_log_on_a_full_disk_is_refused(self):
        data = pathlib.Path(tempfile.mkdtemp(prefix="stele-disk-"))
        self.addCleanup(shutil.rmtree, data, True)
        self.serve(prefix=self.in_namespace(f"mount -t tmpfs -o size=512k tmpfs {data}"),
                   variables=SMALL, start=False)
        self.server.data = data
        self.fails_to_start("read_only", "full")


class Disks(MachineCase):
    """On the real program, with a disk that obeys (faults.cpp)."""

    def setUp(self):
        self.serve(variables=SMALL, faults=True)

    def test_a_sync_that_fails_ends_it_and_loses_nothing_that_was_answered(self):
        accounts = self.some_accounts()
        self.server.fault(f"sync fail {EIO}")
        with Raw(self.server.port) as raw:
            raw.send(request("POST", "/accounts", b'{"id": "doubtful", "ownerName": "D"}'))
            try:
                answer = raw.answer()
            except ConnectionError:
                answer = None
            self.assertTrue(answer is None or answer.code == "outcome_unknown", answer)
        self.assertEqual(self.server.wait(), EXIT["sync_failed"], self.server.log_end())
        self.assertIn("failed write", self.server.log_end())
        self.server.fault()
        self.server.start()
        self.everything_is_there(accounts)

    def test_a_write_that_fails_ends_it_and_loses_nothing_that_was_answered(self):
        accounts = self.some_accounts()
        self.server.fault(f"write fail {EIO}")
        client = self.server.client()
        try:
            client.new()
        except Exception:  # The connection went with the process.
            pass
        self.assertEqual(self.server.wait(), EXIT["sync_failed"], self.server.log_end())
        self.server.fault()
        self.server.start()
        self.everything_is_there(accounts)

    def test_a_slow_disk_makes_a_command_s_outcome_unknown_until_it_is_asked_again(self):
        client = self.server.client()
        account = client.new()
        self.server.fault("sync delay 3000")
        answer = client.request("POST", f"/accounts/{account}/deposit", {"amount": "5"},
                                {"Stele-Timeout": "0.5", "Idempotency-Key": "slow"})
        self.assertEqual((answer.status, answer.code), (503, "outcome_unknown"), answer)
        self.assertIn("Retry-After", answer.headers)
        self.server.fault()
        again = eventually(lambda: self.known(client, account), 20)
        self.assertEqual(again["balance"], "5.00")
        self.assertEqual(client.deposit(account, "1")["balance"], "6.00")
        client.close()

    def known(self, client, account):
        answer = client.request("POST", f"/accounts/{account}/deposit", {"amount": "5"},
                                {"Idempotency-Key": "slow"})
        return answer if answer.status == 200 else None

    def test_an_append_to_the_log_on_a_slow_disk_is_known_again_by_its_id(self):
        client = self.server.client()
        client.new()
        body = {"id": "0190c6a1-3f2e-7abc-8def-0123456789ab",
                "streams": [{"stream": "a-1", "events": [{"type": "T", "data": 1}]}]}
        self.server.fault("sync delay 3000")
        answer = client.request("POST", "/v1/append", body, {"Stele-Timeout": "0.5"})
        self.assertEqual((answer.status, answer.code), (503, "outcome_unknown"), answer)
        self.server.fault()
        again = client.post("/v1/append", body)
        self.assertEqual((again.status, again["replayed"]), (200, True), again)
        self.assertEqual(client.get("/v1/streams/a-1")["version"], 1)
        client.close()

    def test_no_space_while_sealing_stops_nothing(self):
        fill(self.server, 1)
        self.server.fault(f"open fail {ENOSPC}")
        client = self.server.client()
        statuses = set()
        for _ in range(60):
            answer = append(client)
            statuses.add((answer.status, answer.code))
        self.assertLessEqual(statuses, {(200, None), (503, "log_full"), (503, "overloaded")})
        self.assertEqual(client.get("/v1/events?limit=1").status, 200)
        self.server.fault()
        self.assertTrue(eventually(lambda: append(client, 10).status == 200, 20))
        client.close()
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual(self.server.verb("verify").returncode, 0)

    def test_a_clock_that_goes_back_or_jumps_ahead_breaks_no_order(self):
        client = self.server.client()
        account = client.new("1")
        times = []
        for command in ("clock ahead -7200", "clock ahead 7200", "clock ahead -86400",
                        "clock ahead 0"):
            self.server.fault(command)
            time.sleep(0.05)
            for _ in range(5):
                answer = client.deposit(account, 1)
                self.assertEqual(answer.status, 200, answer)
        page = client.get(f"/v1/streams/account-{account}")
        times = [event["recordedAt"] for event in page["events"]]
        self.assertEqual(times, sorted(times))
        self.assertEqual(client.fresh(answer)["balance"], "21.00")
        client.close()
        self.assertEqual(self.server.stop(), 0)
        self.server.fault("clock ahead -864000")
        self.server.start()
        client = self.server.client()
        answer = client.deposit(account, 1)
        self.assertEqual((answer.status, answer["balance"]), (200, "22.00"))
        event = client.get(f"/v1/streams/account-{account}?after=21")["events"][0]
        self.assertGreaterEqual(event["recordedAt"], times[-1])
        client.close()
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual(self.server.verb("verify").returncode, 0)


class Memory(MachineCase):
    def test_too_little_memory_is_an_answer_or_an_end_and_never_damage(self):
        self.serve(prefix=["prlimit", f"--as={1400 << 20}"], variables=SMALL)
        accounts = self.some_accounts()
        body = json.dumps({"streams": [{"stream": "big-1", "events": [
            {"type": "B", "data": "x" * 800_000}] * 9}]}).encode()
        codes, stop = {}, threading.Event()

        def send():
            while not stop.is_set():
                try:
                    with Raw(self.server.port, seconds=30) as raw:
                        raw.send(request("POST", "/v1/append", body))
                        answer = raw.answer()
                        key = (answer.status, answer.code) if answer else None
                        codes[key] = codes.get(key, 0) + 1
                except OSError:
                    codes["cut"] = codes.get("cut", 0) + 1
                    if self.server.process.poll() is not None:
                        return

        threads = [threading.Thread(target=send) for _ in range(40)]
        for thread in threads:
            thread.start()
        time.sleep(6)
        stop.set()
        for thread in threads:
            thread.join()
        print(f"with 1400 MiB of address space: {codes}, "
              f"{'alive' if self.server.process.poll() is None else 'ended'}")
        self.assertLessEqual({key for key in codes if isinstance(key, tuple)},
                             {(200, None), (503, "overloaded"), (500, "internal"),
                              (503, "log_full"), (503, "outcome_unknown")}, codes)
        if self.server.process.poll() is None:
            self.server.kill()
        self.server.prefix = []
        self.server.start()
        self.everything_is_there(accounts)
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual(self.server.verb("verify").returncode, 0)


class Kills(MachineCase):
    def test_a_kill_at_any_moment_of_the_start_harms_nothing(self):
        self.serve(variables=SMALL)
        accounts = self.some_accounts()
        fill(self.server, 3)
        self.server.kill()
        chosen = random.Random(9)
        for _ in range(25):
            process = subprocess.Popen(self.server.command(), stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       cwd=self.server.folder)
            time.sleep(chosen.uniform(0.0, 0.15))
            process.kill()
            process.wait()
        self.server.start()
        self.everything_is_there(accounts)

    def test_a_kill_while_segments_are_sealed_loses_nothing_that_was_answered(self):
        self.serve(variables=SMALL)
        chosen = random.Random(4)
        answered = 0
        for _ in range(6):
            ended = threading.Event()

            def write():
                nonlocal answered
                try:
                    client = self.server.client()
                    while not ended.is_set():
                        answer = append(client, 60_000)
                        if answer.status == 200:
                            answered = answer["streams"][0]["version"]
                except Exception:  # The server was killed under it.
                    return

            thread = threading.Thread(target=write)
            thread.start()
            time.sleep(chosen.uniform(0.2, 0.9))
            self.server.kill()
            ended.set()
            thread.join()
            self.server.start()
            client = self.server.client()
            version = client.get("/v1/streams/big-1?limit=1")["version"]
            self.assertGreaterEqual(version, answered)
            self.assertLessEqual(version, answered + 1)
            client.close()
        self.assertGreater(answered, 30)
        self.assertEqual(self.server.stop(), 0)
        verified = self.server.verb("verify")
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def test_the_program_says_its_version_wherever_it_stands(self):
        ended = subprocess.run([str(program()), "--version"], capture_output=True, text=True,
                               cwd="/", timeout=20, check=False)
        self.assertEqual(ended.returncode, 0, ended)
