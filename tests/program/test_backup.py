"""export, and import --restore: a log that is made again is the same log."""

import base64
import json
import os
import random
import signal
import subprocess
import time
import urllib.request
import uuid

from harness import Server, program, scale
from verb import VerbCase, one_event

SEED = int(os.environ.get("STELE_SEED", "1"))


def random_event(dice):
    event = {"type": dice.choice(["Opened", "Paid", "Grüße", "x" * 128])}
    form = dice.randrange(6)
    if form == 0:
        data = dice.randbytes(dice.choice([0, 1, 50, 3000]))
        event["dataBase64"] = base64.b64encode(data).decode()
        event["contentType"] = "application/octet-stream"
    elif form == 1:
        event["data"] = {"n": 12345678901234567890123, "t": "\u0000é\U0001F600", "deep": [[[{}]]]}
    elif form == 2:  # JSON that compacting would change.
        event["dataBase64"] = base64.b64encode(b'{ "a" : 1.50 ,\n "b" : "\\u0041" }').decode()
        event["contentType"] = "application/json"
    elif form == 3:  # No JSON at all, whatever it says.
        event["dataBase64"] = base64.b64encode(b"\xff\xfe{").decode()
        event["contentType"] = "application/octet-stream"
    else:
        event["data"] = dice.choice([{}, [], None, 1.50, "text", {"amount": "1.00"}])
    if dice.randrange(3) == 0:
        event["tags"] = dice.sample(["red", "blue", "vip", "ü" * 64], dice.randrange(1, 4))
    if dice.randrange(3) == 0:
        event["metadata"] = dice.choice([{}, {"actor": "ada"}, {"a": [1, {"b": None}]}])
    if dice.randrange(4) == 0:
        event["schemaVersion"] = dice.choice([2, 65535])
    return event


def random_request(dice):
    names = dice.sample(["account-1", "account-2", "a-ü", "limit-9", "z-" + "n" * 253], 3)
    streams = []
    for name in names[:dice.randrange(1, 4)]:
        stream = {"stream": name, "events": [random_event(dice)
                                             for _ in range(dice.choice([0, 1, 1, 2, 7]))]}
        if dice.randrange(4) == 0:
            stream["expected"] = dice.choice(["any", "some", "none"])
        streams.append(stream)
    request = {"streams": streams, "id": str(uuid.UUID(int=dice.getrandbits(128), version=4))}
    if dice.randrange(5) == 0:
        request["condition"] = {"failIf": [{"types": ["Never"]}], "after": 0}
    return request


class Backup(VerbCase):
    def export(self, data, *more):
        return self.must("export", "--data", data, *more, binary=True).stdout

    def sample(self, count=20):
        self.append("d", *[one_event(f"account-{i % 3}", {"i": i}) for i in range(count)])
        return self.export("d")

    def restore(self, text, data="back", *more):
        (self.folder / "e.ndjson").write_bytes(text)
        return self.verb("import", "--restore", "e.ndjson", "--data", data, *more)

    def test_a_restored_log_exports_the_same_bytes_and_answers_the_same(self):
        for round_ in range(max(1, int(3 * scale()))):
            dice = random.Random(SEED * 1000 + round_)
            requests = [random_request(dice) for _ in range(60)]
            data, back = f"data-{round_}", f"back-{round_}"
            answers = self.append(data, *requests)
            first = self.export(data)
            self.assertGreater(len(first.splitlines()), 20, f"seed {SEED}, round {round_}")

            done = self.restore(first, back, "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            told = json.loads(done.stdout)
            self.assertEqual(told["events"], len(first.splitlines()))
            self.assertGreater(told["epoch"], 1)
            self.assertEqual(self.export(back), first, f"seed {SEED}, round {round_}")
            self.assertEqual(self.must("read", "--data", data, "--limit", 9999, "--json").stdout,
                             self.must("read", "--data", back, "--limit", 9999, "--json").stdout)
            # What was accepted is answered as before; what was refused may be judged anew.
            for request, before, after in zip(requests, answers, self.append(back, *requests)):
                if before.get("firstPosition", 0) == 0:
                    continue
                self.assertTrue(after["replayed"], request)
                for member in ("id", "firstPosition", "position", "streams"):
                    self.assertEqual(after[member], before[member])
            self.must("verify", "--data", back)

    def test_the_largest_event_and_append_come_back(self):
        data = "x" * (880 * 1024)
        self.append("d", one_event("big-1", {"x": data}),
                    {"streams": [{"stream": "many-1", "events": [{"type": "A", "data": i}
                                                                 for i in range(4096)]}]})
        text = self.export("d")
        self.assertEqual(self.restore(text).returncode, 0)
        self.assertEqual(self.export("back"), text)

    def test_every_line_is_an_event_of_v1_events_with_its_digest(self):
        for line in self.sample().splitlines():
            event = json.loads(line)
            self.assertRegex(event["digest"], "^[0-9a-f]{32}$")
            for member in ("position", "stream", "version", "id", "appendId", "type", "tags",
                           "contentType", "schemaVersion", "metadata", "recordedAt"):
                self.assertIn(member, event)

    def test_parts_go_one_behind_the_other(self):
        whole = self.sample()
        first = b"".join(whole.splitlines(keepends=True)[:7])
        second = self.export("d", "--after", 7)
        done = self.restore(first + second)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.export("back"), whole)

    def test_a_file_that_was_cut_off_is_told_and_makes_no_log(self):
        whole = self.sample()
        lines = whole.splitlines(keepends=True)
        for text, why in ((b"".join(lines[:-1]), "cut off"), (whole[:-30], "cut off"),
                          (b"".join(lines[:4] + lines[5:]), "Position 5 should stand here"),
                          (b"".join(lines[1:]), "Position 1 should stand here"),
                          (whole.replace(b'"Noted"', b'"Noter"', 1), "checksum"),
                          (b"", "no events"), (b"{}\n", "checksum")):
            done = self.restore(text, "broken")
            self.assertEqual(done.returncode, 2, why)
            self.assertIn(why, done.stderr)
            self.assertNotEqual(self.verb("read", "--data", "broken").returncode, 0)
        for verb in ("verify", "repair"):
            self.assertIn("was not finished", self.verb(verb, "--data", "broken").stderr)
        served = self.verb("serve", "--data", "broken", "--listen", "127.0.0.1:0")
        self.assertIn("was not finished", served.stderr)
        self.assertEqual(self.restore(whole, "broken").returncode, 0)
        self.assertEqual(self.export("broken"), whole)

    def test_a_log_with_events_is_not_overwritten(self):
        whole = self.sample()
        done = self.restore(whole, "d", "--json")
        self.assertEqual(done.returncode, 3)
        self.assertIn("holds a log", self.problem(done)["detail"])
        self.assertEqual(self.export("d"), whole)

    def test_a_restore_that_was_killed_is_no_log_and_begins_anew(self):
        whole = self.sample(3000)
        (self.folder / "e.ndjson").write_bytes(whole)
        process = subprocess.Popen([program(), "import", "--restore", "-", "--data", "killed"],
                                   stdin=subprocess.PIPE, cwd=self.folder)
        process.stdin.write(whole[:len(whole) // 2])
        process.stdin.flush()
        deadline = time.monotonic() + 20
        while not (self.folder / "killed/log/restore.unfinished").exists():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        process.kill()
        process.wait()
        process.stdin.close()
        self.assertIn("was not finished", self.verb("read", "--data", "killed").stderr)
        self.assertEqual(self.verb("import", "--restore", "e.ndjson", "--data",
                                   "killed").returncode, 0)
        self.assertEqual(self.export("killed"), whole)

    def test_an_export_that_was_cut_off_goes_on(self):
        whole = self.sample()
        (self.folder / "b.ndjson.partial").write_bytes(whole[:len(whole) // 2])
        done = self.must("export", "--data", "d", "--out", "b.ndjson", "--resume", "--json")
        self.assertEqual(json.loads(done.stdout)["position"], 20)
        self.assertFalse((self.folder / "b.ndjson.partial").exists())
        self.assertEqual(self.restore((self.folder / "b.ndjson").read_bytes()).returncode, 0)
        self.assertEqual(self.export("back"), whole)
        self.assertEqual(self.verb("export", "--data", "d", "--resume").returncode, 2)

    def test_a_server_is_exported_while_it_serves_and_its_clients_begin_anew(self):
        server = Server()
        self.addCleanup(server.close)
        url = f"http://127.0.0.1:{server.port}"
        self.must("append", "--ndjson", "--url", url, stdin=json.dumps(one_event("account-1")))
        before = self.page(url)
        self.must("export", "--url", url, "--out", "b.ndjson")
        self.assertEqual(self.restore((self.folder / "b.ndjson").read_bytes(),
                                      "restored").returncode, 0)
        server.kill()
        server.data = self.folder / "restored"
        server.start()
        # The events are the same; the token of that position is another, for the epoch is.
        after = self.page(f"http://127.0.0.1:{server.port}")
        self.assertEqual(after["events"], before["events"])
        self.assertNotEqual(after["token"], before["token"])

    def page(self, url):
        with urllib.request.urlopen(url + "/v1/events") as answer:
            return json.load(answer)

    def test_bars_are_for_terminals_only(self):
        self.sample()
        for words in (("export", "--data", "d", "--out", "f"), ("verify", "--data", "d")):
            self.assertNotIn("\r", self.must(*words).stderr)

    def test_an_interrupt_ends_with_130(self):
        self.sample(2000)
        (self.folder / "out").mkdir()
        process = subprocess.Popen([program(), "import", "--restore", "-", "--data", "i"],
                                   stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.folder)
        lines = self.export("d").splitlines(keepends=True)
        process.stdin.write(b"".join(lines[:100]))
        process.stdin.flush()
        deadline = time.monotonic() + 20
        while not (self.folder / "i/log/restore.unfinished").exists():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.stdin.write(b"".join(lines[100:200]))
        process.stdin.flush()
        self.assertEqual(process.wait(20), 130)
        self.assertIn(b"is no log yet", process.stderr.read())
        process.stdin.close()
        process.stderr.close()
