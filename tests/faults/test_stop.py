"""Stopping under load: in order, in bounded time, and without losing what was answered."""

import json
import signal
import threading
import time
import unittest

from faulty import EXIT, FaultyServer, Raw, request

STOP_SECONDS = 3
STOP_SECONDS_MAX = 20  # With what a busy machine adds.


class Load:
    """Clients that deposit as fast as they are answered, and remember what was."""

    def __init__(self, server, clients=8):
        self.server = server
        self.answered = {}
        self.codes = {}
        self.cut_off = 0
        self.lock = threading.Lock()
        setup = server.client()
        self.accounts = [setup.new() for _ in range(clients)]
        setup.close()
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(account,))
                        for account in self.accounts]
        for thread in self.threads:
            thread.start()

    def run(self, account):
        number = 0
        while not self.ended.is_set():
            try:
                with Raw(self.server.port) as raw:
                    while not self.ended.is_set():
                        number += 1
                        key = f"{account}-{number}"
                        raw.send(request("POST", f"/accounts/{account}/deposit",
                                         b'{"amount": "1.00"}', f"Idempotency-Key: {key}"))
                        answer = raw.answer()
                        with self.lock:
                            if answer is None:
                                self.cut_off += 1
                                break
                            self.codes[answer.code] = self.codes.get(answer.code, 0) + 1
                            if answer.status == 200:
                                told = json.loads(answer.body)
                                self.answered[key] = (account, told["version"], told["position"])
                        if answer.headers.get("connection") == "close":
                            break
            except OSError:
                if self.server.process.poll() is not None:
                    return
                time.sleep(0.01)

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def check(self, case):
        """Everything that was answered is there, once, with the answer that was given."""
        client = self.server.client()
        for account in self.accounts:
            versions = sorted(version for name, version, _ in self.answered.values()
                              if name == account)
            page = client.get(f"/v1/streams/account-{account}?limit=10000")
            case.assertGreaterEqual(page["version"], max(versions, default=0))
            case.assertEqual(len(set(versions)), len(versions), "two answers tell one version")
            for event in page["events"]:
                told = [position for name, version, position in self.answered.values()
                        if (name, version) == (account, event["version"])]
                case.assertIn(told, ([], [event["position"]]))
        for key, (account, version, _) in list(self.answered.items())[-50:]:
            again = client.deposit(account, "1.00", key=key)
            case.assertEqual((again.status, again["version"]), (200, version), again)
            case.assertEqual(again.headers["Idempotent-Replayed"], "true")
        client.close()


class Stopping(unittest.TestCase):
    def setUp(self):
        self.server = FaultyServer(variables={"STELE_SERVE_STOP_SECONDS": str(STOP_SECONDS)})

    def tearDown(self):
        self.server.close()

    def test_what_was_answered_before_and_while_it_stopped_is_there(self):
        for round_number in range(3):
            load = Load(self.server)
            time.sleep(0.7)
            begin = time.monotonic()
            code = self.server.stop(signal.SIGTERM)
            self.assertEqual(code, 0, self.server.log_end())
            self.assertLess(time.monotonic() - begin, STOP_SECONDS_MAX)
            load.end()
            self.assertGreater(len(load.answered), 20, round_number)
            self.assertLessEqual(set(load.codes), {None, "shutting_down"}, load.codes)
            self.server.start()
            load.check(self)
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual(self.server.verb("verify").returncode, 0)

    def test_every_request_that_was_read_is_answered_and_no_other_is_done(self):
        client = self.server.client()
        account = client.new()
        client.close()
        with Raw(self.server.port) as raw:
            for number in range(100):
                raw.send(request("POST", f"/accounts/{account}/deposit", b'{"amount": "1"}',
                                 f"Idempotency-Key: p-{number}"))
            first = raw.answer()
            self.assertEqual(first.status, 200)
            self.server.process.send_signal(signal.SIGTERM)
            accepted = 1
            for _ in range(99):
                answer = raw.answer()
                self.assertIsNotNone(answer, "the last answer did not say that it is the last")
                self.assertIn((answer.status, answer.code),
                              ((200, None), (503, "shutting_down")))
                accepted += answer.status == 200
                if answer.headers.get("connection") == "close":
                    break  # What comes after it was not read.
            self.assertTrue(raw.is_closed())
        self.assertEqual(self.server.wait(), 0)
        self.server.start()
        client = self.server.client()
        version = client.get(f"/v1/streams/account-{account}")["version"]
        self.assertEqual(version, accepted + 1, "something was done that was not answered")
        client.close()

    def test_clients_that_stall_do_not_hold_it_up_for_long(self):
        client = self.server.client()
        client.new()
        client.close()
        stalled = [Raw(self.server.port) for _ in range(6)]
        stalled[0].send("GET / HTTP/1.1\r\nHost: x\r\n")
        stalled[1].send("POST /accounts HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\nx")
        stalled[2].send(request("GET", "/v1/events", b"", "Accept: text/event-stream"))
        stalled[3].send(request("GET", "/v1/events?after=99&wait=30"))
        stalled[4].send(request("GET", "/health/live") * 50)
        time.sleep(0.3)
        begin = time.monotonic()
        self.assertEqual(self.server.stop(), 0)
        self.assertLess(time.monotonic() - begin, STOP_SECONDS_MAX)
        for raw in stalled:
            raw.close()

    def test_a_second_signal_ends_it_at_once(self):
        self.server.close()
        self.server = FaultyServer(faults=True)
        client = self.server.client()
        account = client.new("7")
        client.close()
        self.server.fault("sync delay 60000")
        with Raw(self.server.port) as stalled:
            stalled.send(request("POST", "/accounts", b'{"ownerName": "A"}'))
            time.sleep(0.3)
            self.server.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            self.assertIsNone(self.server.process.poll(), "nothing held the stop up")
            begin = time.monotonic()
            self.server.process.send_signal(signal.SIGTERM)
            self.assertEqual(self.server.wait(), EXIT["interrupted"])
            self.assertLess(time.monotonic() - begin, 2)
        self.server.fault()
        self.server.start()
        client = self.server.client()
        self.assertEqual(client.account(account)["balance"], "7.00")
        client.close()

    def test_a_stop_right_after_the_start_is_a_clean_one(self):
        for _ in range(5):
            self.assertEqual(self.server.stop(), 0)
            self.server.start()


class Pauses(unittest.TestCase):
    def test_a_process_that_was_stopped_and_continued_goes_on(self):
        server = FaultyServer()
        try:
            load = Load(server, clients=4)
            for _ in range(3):
                time.sleep(0.4)
                server.freeze()
                time.sleep(1.2)
                server.thaw()
            time.sleep(0.4)
            load.end()
            self.assertLessEqual(set(load.codes), {None, "outcome_unknown"})
            self.assertEqual(load.cut_off, 0)
            load.check(self)
            self.assertEqual(server.stop(), 0)
        finally:
            server.close()
