"""Clients that are slow, stop reading, do nothing, or are too many."""

import json
import threading
import time
import unittest

from faulty import FaultyServer, Raw, eventually_closed, request
from harness import eventually

SHORT = {"STELE_SERVE_HEADER_SECONDS": "2", "STELE_SERVE_BODY_SECONDS": "3",
         "STELE_SERVE_IDLE_SECONDS": "4", "STELE_SERVE_WRITE_SECONDS": "3",
         "STELE_SERVE_ACCESS_LOG": "false"}
LATE_MAX = 8  # Seconds that a time-out may come late on a busy machine.
MIB = 1024 * 1024
IDLE_CONNECTIONS = 10_000
IDLE_BYTES_MAX = 16 * 1024  # Of memory that a connection may cost.


def setUpModule():
    global server
    server = FaultyServer(variables=SHORT)


def tearDownModule():
    server.close()


class Slow(unittest.TestCase):
    def timed_out(self, begin, pieces, seconds):
        with Raw(server.port, seconds=60) as raw:
            start = time.monotonic()
            raw.send(begin)
            stop = threading.Event()

            def dribble():
                try:
                    for piece in pieces:
                        if stop.wait(0.2):
                            return
                        raw.send(piece)
                except OSError:
                    pass

            thread = threading.Thread(target=dribble)
            thread.start()
            answer = raw.answer()
            took = time.monotonic() - start
            stop.set()
            thread.join()
            self.assertIsNotNone(answer)
            self.assertEqual((answer.status, answer.code), (408, "timeout"))
            self.assertGreater(took, seconds - 0.5)
            self.assertLess(took, seconds + LATE_MAX)

    def test_a_head_that_never_ends_is_timed_out(self):
        self.timed_out("GET / HTTP/1.1\r\nHost: x\r\n", (f"X-{i}: a\r\n" for i in range(1000)), 2)

    def test_a_body_that_never_ends_is_timed_out(self):
        self.timed_out("POST /accounts HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
                       ("x" for _ in range(1000)), 3)
        self.timed_out("POST /accounts HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
                       ("1\r\nx\r\n" for _ in range(1000)), 3)

    def test_a_connection_that_asks_nothing_is_closed(self):
        with Raw(server.port) as silent, Raw(server.port) as asked:
            asked.send(request("GET", "/health/live"))
            self.assertEqual(asked.answer().status, 200)
            for raw in (silent, asked):
                took = eventually_closed(raw, 4 + LATE_MAX)
                self.assertIsNotNone(took, "an idle connection stays open")

    def test_others_are_served_while_many_dribble(self):
        slow = [Raw(server.port) for _ in range(200)]
        for raw in slow:
            raw.send("POST /accounts HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\nx")
        client = server.client()
        begin = time.monotonic()
        for _ in range(20):
            self.assertEqual(client.new() != "", True)
        self.assertLess(time.monotonic() - begin, LATE_MAX)
        client.close()
        for raw in slow:
            raw.close()


class StoppedReaders(unittest.TestCase):
    """A client that asks for much and reads nothing costs little memory, and not for long."""

    @classmethod
    def setUpClass(cls):
        client = server.client()
        event = {"type": "Big", "data": "x" * 100_000}
        for _ in range(4):
            body = {"streams": [{"stream": "big-1", "events": [event] * 60}]}
            assert client.post("/v1/append", body).status == 200
        client.close()

    def stuck(self, target, *headers, count=20):
        before = server.memory()
        readers = []
        for _ in range(count):
            raw = Raw(server.port)
            raw.socket.setsockopt(1, 8, 4096)  # SO_RCVBUF: what is in flight is small.
            raw.send(request("GET", target, b"", *headers))
            readers.append(raw)
        time.sleep(1)
        peak = server.memory() - before
        client = server.client()
        begin = time.monotonic()
        self.assertEqual(client.get("/health/live").status, 200)
        self.assertLess(time.monotonic() - begin, LATE_MAX)
        client.close()
        return readers, peak

    def gone(self, readers, seconds):
        def connections():
            client = server.client()
            text = client.raw("GET", "/metrics").body.decode()
            client.close()
            line = [line for line in text.splitlines()
                    if line.startswith("stele_http_connections ")]
            return float(line[0].split()[1]) <= 2

        self.assertTrue(eventually(connections, seconds + 4 * LATE_MAX),
                        "connections of readers that stopped stay open")
        for raw in readers:
            raw.close()

    def test_streams_to_readers_that_stopped_are_ended(self):
        readers, peak = self.stuck("/v1/events", "Accept: text/event-stream")
        self.assertLess(peak, 20 * 4 * MIB)
        self.gone(readers, 3)

    def test_large_answers_to_readers_that_stopped_are_ended(self):
        readers, _ = self.stuck("/v1/events?limit=100", "Accept: application/x-ndjson")
        self.gone(readers, 3)

    def test_a_reader_that_goes_on_gets_all_of_it(self):
        with Raw(server.port, seconds=60) as raw:
            raw.send(request("GET", "/v1/events?limit=240", b"", "Accept: application/x-ndjson"))
            time.sleep(1.5)
            answer = raw.answer()
            lines = answer.body.decode().splitlines()
            self.assertEqual(len(lines), 240)
            self.assertEqual(len(json.loads(lines[-1])["data"]), 100_000)


class Many(unittest.TestCase):
    def test_ten_thousand_idle_connections_cost_little_and_stop_nobody(self):
        import resource
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < IDLE_CONNECTIONS + 500:
            self.skipTest(f"at most {hard} files may be open here; the test needs "
                          f"{IDLE_CONNECTIONS + 500}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        many = FaultyServer(variables={"STELE_SERVE_ACCESS_LOG": "false"})
        idle = []
        try:
            before = many.memory()
            for _ in range(IDLE_CONNECTIONS):
                idle.append(Raw(many.port))
            client = many.client()
            begin = time.monotonic()
            for _ in range(20):
                client.new()
            took = time.monotonic() - begin
            cost = (many.memory() - before) / IDLE_CONNECTIONS
            print(f"{IDLE_CONNECTIONS} idle connections: {cost:.0f} bytes each, 20 commands "
                  f"beside them in {took * 1000:.0f} ms")
            self.assertLess(took, LATE_MAX)
            self.assertLess(cost, IDLE_BYTES_MAX)
            for raw in idle[::500]:
                raw.send(request("GET", "/health/live"))
                self.assertEqual(raw.answer().status, 200)
            client.close()
            self.assertEqual(many.stop(), 0)
        finally:
            for raw in idle:
                raw.close()
            many.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def test_one_connection_too_many_is_told_so_and_closed(self):
        few = FaultyServer(variables={"STELE_SERVE_CONNECTIONS_MAX": "3"})
        try:
            held = [Raw(few.port) for _ in range(3)]
            for raw in held:
                raw.send(request("GET", "/health/live"))
                self.assertEqual(raw.answer().status, 200)
            with Raw(few.port) as fourth:
                answer = fourth.answer()
                self.assertEqual((answer.status, answer.code), (503, "overloaded"))
                self.assertIn("retry-after", answer.headers)
                self.assertTrue(fourth.is_closed())
            held.pop().close()

            def there_is_room():
                with Raw(few.port) as again:
                    again.send(request("GET", "/health/live"))
                    answer = again.answer()
                    return answer is not None and answer.status == 200

            self.assertTrue(eventually(there_is_room))
            for raw in held:
                raw.close()
        finally:
            few.close()

    def test_when_descriptors_are_used_up_the_log_goes_on_and_so_do_connections(self):
        low = FaultyServer(prefix=["prlimit", "--nofile=160:160"],
                           variables={"STELE_LOG_SEGMENT_MIB": "1"})
        held = []
        try:
            client = low.client()
            account = client.new("1")
            for _ in range(200):
                held.append(Raw(low.port))
            event = {"type": "Big", "data": "x" * 200_000}
            body = {"streams": [{"stream": "big-1", "events": [event]}]}
            for _ in range(40):  # Many segments, and their files.
                answer = client.post("/v1/append", body)
                self.assertEqual(answer.status, 200, answer)
            for raw in held:
                raw.close()
            held = []

            def a_new_one_is_served():
                with Raw(low.port, seconds=5) as again:
                    again.send(request("GET", f"/accounts/{account}"))
                    answer = again.answer()
                    return answer is not None and answer.status == 200

            self.assertTrue(eventually(a_new_one_is_served))
            client.close()
            self.assertEqual(low.stop(), 0)
            self.assertEqual(low.verb("verify").returncode, 0)
        finally:
            for raw in held:
                raw.close()
            low.close()
