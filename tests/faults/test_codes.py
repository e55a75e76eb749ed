"""Every code that an answer may have is produced by a test: here, or where this file says."""

import pathlib
import random
import signal
import time
import unittest

from faulty import FaultyServer, Raw, request
from harness import eventually

TESTS = pathlib.Path(__file__).resolve().parent.parent
SMALL = {"STELE_LOG_SEGMENT_MIB": "1", "STELE_SERVE_ACCESS_LOG": "false"}
EIO = 5

# The table of codes (docs/guides: errors), and the file with the test of each that is not here.
ELSEWHERE = {
    "too_large": "faults/test_bodies.py", "header_too_large": "faults/test_shapes.py",
    "timeout": "faults/test_slow.py", "log_full": "faults/test_machine.py",
    "outcome_unknown": "faults/test_machine.py", "currency_unknown": "e2e/test_bank.py",
    "currency_mismatch": "e2e/test_bank.py", "account_closed": "e2e/test_bank.py",
    "balance_not_zero": "e2e/test_bank.py", "same_account": "e2e/test_bank.py",
    "payee_unknown": "e2e/test_bank.py", "amount_invalid": "e2e/test_http.py",
    "id_reused": "e2e/test_http.py", "media_type": "e2e/test_http.py",
    "not_acceptable": "e2e/test_http.py", "token_invalid": "e2e/test_http.py",
}


def setUpModule():
    global server
    server = FaultyServer(variables=SMALL, faults=True)


def tearDownModule():
    server.close()


class Codes(unittest.TestCase):
    def setUp(self):
        self.client = server.client()

    def tearDown(self):
        server.fault()
        self.client.close()

    def told(self, answer, status, code, *members):
        self.assertEqual((answer.status, answer.code), (status, code), answer)
        self.assertEqual(answer["type"], f"/problems/{code}")
        for member in ("title", "detail", *members):
            self.assertIn(member, answer.json, answer)
        return answer

    def append(self, stream, expected="any", **members):
        return self.client.post("/v1/append", {"streams": [
            {"stream": stream, "expected": expected, "events": [{"type": "T", "data": 1}]}],
            **members})

    def test_each_code_that_is_produced_elsewhere_is_named_there(self):
        for code, where in ELSEWHERE.items():
            self.assertIn(f'"{code}"', (TESTS / where).read_text(), where)

    def test_of_what_is_not_there(self):
        account = self.client.new("1")
        self.told(self.client.get("/nothing"), 404, "route_unknown")
        self.told(self.client.account("nobody"), 404, "account_unknown")
        self.told(self.client.account(account, atVersion=9), 404, "version_unknown", "version")
        self.told(self.client.request("DELETE", "/accounts"), 405, "method_not_allowed")

    def test_of_conflicts(self):
        self.assertEqual(self.append("c-1").status, 200)
        conflict = self.told(self.append("c-1", {"version": 7}), 409, "version_conflict",
                             "conflicts")
        [found] = conflict["conflicts"]
        self.assertEqual((found["stream"], found["version"]), ("c-1", 1))
        failed = self.append("c-2", condition={"failIf": [{"types": ["T"]}], "after": 0})
        self.told(failed, 409, "condition_failed", "position")
        account = self.client.new(id="twice")
        self.told(self.client.open(id=account), 409, "account_exists")
        self.told(self.client.withdraw(account, "5"), 422, "insufficient_funds", "balance")

    def test_of_consumers(self):
        self.told(self.client.get("/v1/consumers/nobody"), 404, "consumer_unknown")
        made = self.client.request("PUT", "/v1/consumers/reader",
                                   {"filter": {}, "start": "beginning"})
        self.assertEqual(made.status, 201, made)
        first = self.client.get("/v1/consumers/reader/events?limit=1")
        self.assertEqual(first.status, 200, first)
        other = server.client()
        self.told(other.get("/v1/consumers/reader/events?limit=1"), 409, "consumer_busy")
        other.close()
        made = self.client.request("PUT", "/v1/consumers/another",
                                   {"filter": {}, "start": "beginning"})
        foreign = self.client.post("/v1/consumers/another/ack", {"cursor": first["cursor"]})
        self.told(foreign, 409, "cursor_foreign")

    def test_of_projections(self):
        self.told(self.client.get("/v1/projections/nobody"), 404, "projection_unknown")

    def test_of_what_the_machine_does(self):
        self.have_sealed_segments()
        self.client.close()
        self.assertEqual(server.stop(), 0)
        server.start()
        self.client = server.client()
        self.client.contract()
        server.fault(f"read fail {EIO}")
        answer = self.client.get("/v1/events?after=15&limit=1")
        self.told(answer, 500, "internal")
        self.assertNotIn(str(server.data), str(answer.json))
        server.fault()
        self.assertEqual(self.client.get("/v1/events?after=15&limit=1").status, 200)

    def have_sealed_segments(self):
        noise = random.Random(8)
        for _ in range(30):
            text = "".join(noise.choices("abcdefghijklmnop", k=100_000))
            body = {"streams": [{"stream": "big-1", "events": [{"type": "B", "data": text}]}]}
            self.assertEqual(self.client.post("/v1/append", body).status, 200)
        self.assertTrue(eventually(lambda: list((server.data / "log").glob("*.idx")), 30))

    def test_of_bytes_that_went_bad(self):
        self.have_sealed_segments()
        segment = server.segments()[0]
        self.client.close()
        self.assertEqual(server.stop(), 0)
        good = segment.read_bytes()
        data = bytearray(good)
        for at in range(9_000, len(data) - 20_000, 50):
            data[at] ^= 0x10
        segment.write_bytes(data)
        server.start()
        self.client = server.client()
        seen = {self.client.get(f"/v1/events?after={after}&limit=1").code
                for after in range(0, 20, 3)}
        segment.write_bytes(good)
        self.assertIn("corrupt", seen)
        self.client.close()
        server.restart()
        self.client = server.client()

    def test_of_waiting(self):
        account = self.client.new()
        answer = self.client.deposit(account, 1)
        late = self.client.request("GET", f"/v1/events?after={answer['position'] + 99}&wait=1",
                                   headers={"Stele-Timeout": "60"})
        self.assertEqual(late.status, 200, late)
        server.fault("write delay 500")  # The read model is written slowly, too.
        answer = self.client.deposit(account, 1)
        self.told(self.client.request("GET", f"/accounts/{account}?token={answer['token']}",
                                      headers={"Stele-Timeout": "0.2"}), 503, "not_yet")

    def test_of_a_log_for_reading_only(self):
        self.client.close()
        server.more_flags = ["--read-only"]
        self.assertEqual(server.stop(), 0)
        server.start()
        self.client = server.client()
        self.told(self.append("r-1"), 503, "read_only")
        server.more_flags = []
        self.client.close()
        server.restart()
        self.client = server.client()

    def test_of_too_many(self):
        few = FaultyServer(variables={"STELE_SERVE_CONNECTIONS_MAX": "1"})
        try:
            with Raw(few.port) as held, Raw(few.port) as refused:
                answer = refused.answer()
                self.assertEqual((answer.status, answer.code), (503, "overloaded"))
                held.send(request("GET", "/health/live"))
                self.assertEqual(held.answer().status, 200)
        finally:
            few.close()

    def test_of_a_server_that_stops(self):
        stopping = FaultyServer(faults=True)
        try:
            client = stopping.client()
            account = client.new()
            client.close()
            body = b'{"amount": "1"}'
            with Raw(stopping.port) as raw:
                raw.send(request("GET", "/health/live"))
                self.assertEqual(raw.answer().status, 200)
                stopping.fault("sync delay 2000")
                raw.send(request("POST", f"/accounts/{account}/deposit", body))
                time.sleep(0.5)
                stopping.process.send_signal(signal.SIGTERM)
                time.sleep(0.3)
                raw.send(request("POST", f"/accounts/{account}/deposit", body))
                first, second = raw.answer(), raw.answer()
                self.assertEqual(first.status, 200, first)
                if second is not None:
                    self.assertEqual((second.status, second.code), (503, "shutting_down"))
            self.assertEqual(stopping.wait(), 0)
        finally:
            stopping.close()
