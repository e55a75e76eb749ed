"""Requests that two readers of the same bytes could read differently: each is refused, the
connection is closed, and nothing that was hidden in it is done."""

import time
import unittest

from faulty import Raw, request
from harness import Server

SMUGGLED = request("POST", "/accounts", b'{"id": "smuggled", "ownerName": "S"}').decode("latin-1")
HOST = "Host: x\r\n"


def setUpModule():
    global server
    server = Server()


def tearDownModule():
    server.close()


class ShapeCase(unittest.TestCase):
    def refused(self, data, status=400, code="malformed"):
        with Raw(server.port) as raw:
            raw.send(data)
            answer = raw.answer()
            self.assertIsNotNone(answer, f"no answer to {data[:200]!r}")
            self.assertEqual((answer.status, answer.code), (status, code), data[:200])
            self.assertEqual(answer.headers.get("connection"), "close", data[:200])
            self.assertTrue(raw.is_closed(), f"the connection stays open after {data[:200]!r}")
        self.nothing_was_smuggled(data)

    def nothing_was_smuggled(self, data):
        client = server.client()
        self.assertEqual(client.get("/v1/streams/account-smuggled")["version"], 0, data[:200])
        client.close()

    def answers(self, data, count):
        with Raw(server.port) as raw:
            raw.send(data)
            return [raw.answer() for _ in range(count)]


class Lengths(ShapeCase):
    def test_a_length_and_a_coding_do_not_stand_together(self):
        for first, second in (("Content-Length: 5", "Transfer-Encoding: chunked"),
                              ("Transfer-Encoding: chunked", "Content-Length: 5"),
                              ("Content-Length: 0", "transfer-encoding: CHUNKED")):
            self.refused(f"POST / HTTP/1.1\r\n{HOST}{first}\r\n{second}\r\n\r\n0\r\n\r\n{SMUGGLED}")

    def test_a_length_stands_once(self):
        for second in ("5", "6", "0"):
            self.refused(f"POST / HTTP/1.1\r\n{HOST}Content-Length: 5\r\n"
                         f"Content-Length: {second}\r\n\r\nabcde{SMUGGLED}")

    def test_a_length_is_a_plain_decimal_number(self):
        for length in ("+5", "-5", "0x5", "5,5", "5, 5", "5 5", "", "five", "5.0", "1e1",
                       "99999999999999999999", "18446744073709551621", "\u00b2"):
            self.refused(f"POST / HTTP/1.1\r\n{HOST}Content-Length: {length}\r\n\r\n"
                         f"abcde{SMUGGLED}")

    def test_a_body_on_a_get_is_taken_as_a_body(self):
        data = (f"GET /health/live HTTP/1.1\r\n{HOST}Content-Length: {len(SMUGGLED)}\r\n\r\n"
                f"{SMUGGLED}{request('GET', '/health/live').decode()}")
        self.assertEqual([answer.status for answer in self.answers(data, 2)], [200, 200])
        self.nothing_was_smuggled(data)


class Codings(ShapeCase):
    def test_the_only_coding_is_chunked(self):
        for coding in ("gzip", "gzip, chunked", "chunked, gzip", "chunked, chunked", "identity",
                       "xchunked", "chunked\x0b", "\x0bchunked", "chunked;q=1", '"chunked"',
                       "chunked,", ",chunked", "", "chunk ed"):
            self.refused(f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: {coding}\r\n\r\n"
                         f"0\r\n\r\n{SMUGGLED}")

    def test_a_coding_stands_once_and_in_no_old_request(self):
        self.refused(f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n"
                     f"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}")
        self.refused(f"POST / HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n"
                     f"0\r\n\r\n{SMUGGLED}")

    def test_the_name_of_a_header_is_exact(self):
        for header in ("Transfer-Encoding : chunked", "Transfer Encoding: chunked",
                       "Transfer-Encoding\t: chunked", ": chunked", "Transfer-Encoding",
                       "Transfer-Enc\u00f6ding: chunked", "Transfer-Encoding\x00: chunked"):
            self.refused(f"POST / HTTP/1.1\r\n{HOST}{header}\r\n\r\n0\r\n\r\n{SMUGGLED}")


class Chunks(ShapeCase):
    def chunked(self, body):
        return f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n{body}"

    def test_a_size_is_plain_hexadecimal_and_fits(self):
        for size in ("g", "-1", "+1", "0x1", "", " 1", "1 1", "FFFFFFFFFFFFFFFFF",
                     "10000000000000001", "\u00b9"):
            self.refused(self.chunked(f"{size}\r\na\r\n0\r\n\r\n{SMUGGLED}"))

    def test_a_size_beyond_the_limit_is_too_large(self):
        for size in ("FFFFFFFFFFFFFFF", "800001"):
            self.refused(self.chunked(f"{size}\r\na"), 413, "too_large")

    def test_each_chunk_ends_where_it_says(self):
        for body in ("1\r\nab\r\n0\r\n\r\n", "3\r\nab\r\n0\r\n\r\n", "1\r\na0\r\n\r\n",
                     "1\na\n0\n\n", "1\r\na\n0\r\n\r\n", "1\ra\r0\r\r"):
            with Raw(server.port, seconds=3) as raw:
                raw.send(self.chunked(body + SMUGGLED))
                answer = raw.answer()
                self.assertEqual((answer.status, answer.code), (400, "malformed"), body)
            self.nothing_was_smuggled(body)

    def test_extensions_and_trailers_are_read_and_mean_nothing(self):
        body = '2;name=value;q="a;b"\r\n{}\r\n0;last\r\nTrailer: x\r\nHost: other\r\n\r\n'
        data = (f"POST /accounts HTTP/1.1\r\n{HOST}Content-Type: application/json\r\n"
                f"Transfer-Encoding: chunked\r\n\r\n{body}"
                f"{request('GET', '/health/live').decode()}")
        first, second = self.answers(data, 2)
        self.assertEqual((first.status, first.code, second.status), (400, "malformed", 200))

    def test_a_trailer_that_says_how_long_the_body_is_comes_too_late(self):
        for trailer in ("Content-Length: 9999", "Transfer-Encoding: chunked"):
            self.refused(self.chunked(f"0\r\n{trailer}\r\n\r\n{SMUGGLED}"))

    def test_an_extension_without_an_end_is_refused(self):
        self.refused(self.chunked("1;" + "x" * 40_000))


class Heads(ShapeCase):
    def test_lines_end_with_cr_lf_and_are_not_folded(self):
        for head in ("GET / HTTP/1.1\nHost: x\n\n", "GET / HTTP/1.1\r\nHost: x\n\r\n",
                     "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
                     "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n",
                     "GET / HTTP/1.1\r\n Host: x\r\n\r\n",
                     "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
                     "GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n",
                     "GET / HTTP/1.1\rHost: x\r\r\r\n\r\n"):
            self.refused(head + SMUGGLED)

    def test_a_request_line_has_three_parts_and_a_version_that_we_speak(self):
        for line in ("GET /", "GET", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1",
                     "GET / HTTP/2.0", "GET / HTTP/0.9", "GET / HTTP/11", "GET / http/1.1",
                     "GET / HTTP/1.10", "PRI * HTTP/2.0", "G ET / HTTP/1.1", "GET /a b HTTP/1.1",
                     "\x16\x03\x01\x02\x00\x01\x00", "GET /\x7f HTTP/1.1"):
            self.refused(f"{line}\r\n{HOST}\r\n{SMUGGLED}")

    def test_a_request_has_one_host(self):
        for hosts in ("", "Host: a\r\nHost: b\r\n", "Host: x\r\nHost: x\r\n", "Host: a b\r\n",
                      "Host: a/b\r\n", "Host: u@a\r\n", "Host: a, b\r\n"):
            self.refused(f"GET / HTTP/1.1\r\n{hosts}\r\n{SMUGGLED}")

    def test_a_target_names_this_host(self):
        for target in ("http://other/health/live", "https://x/", "ftp://x/", "x:80", "//", "*",
                       "health/live", "http://x", "/a#b", "http:///", "http://u@x/"):
            if target == "//":
                continue
            self.refused(f"GET {target} HTTP/1.1\r\n{HOST}\r\n{SMUGGLED}")
        [answer] = self.answers(f"GET http://x/health/live HTTP/1.1\r\n{HOST}\r\n", 1)
        self.assertEqual(answer.status, 200)

    def test_an_upgrade_is_not_taken(self):
        for header in ("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                       "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
                       "Upgrade: websocket\r\nConnection: Upgrade\r\n"):
            with Raw(server.port) as raw:
                raw.send(f"GET /health/live HTTP/1.1\r\n{HOST}{header}\r\n")
                self.assertEqual(raw.answer().status, 200)
        self.refused(f"CONNECT x:80 HTTP/1.1\r\n{HOST}\r\n{SMUGGLED}")

    def test_an_expectation_that_is_none_is_refused(self):
        self.refused(f"POST / HTTP/1.1\r\n{HOST}Expect: 200-ok\r\nContent-Length: 1\r\n\r\na")

    def test_heads_have_a_size_and_a_count(self):
        self.refused(f"GET /{'a' * 17_000} HTTP/1.1\r\n{HOST}\r\n", 431, "header_too_large")
        self.refused(f"GET / HTTP/1.1\r\n{HOST}A: {'a' * 17_000}\r\n\r\n", 431, "header_too_large")
        self.refused(f"GET / HTTP/1.1\r\n{HOST}{'A: b' + chr(13) + chr(10)}" * 1
                     + "".join(f"A{i}: b\r\n" for i in range(300)) + "\r\n")

    def test_garbage_after_a_request_is_refused_after_its_answer(self):
        with Raw(server.port) as raw:
            raw.send(request("GET", "/health/live") + b"garbage\r\n\r\n" + SMUGGLED.encode())
            self.assertEqual(raw.answer().status, 200)
            answer = raw.answer()
            self.assertEqual((answer.status, answer.code), (400, "malformed"))
            self.assertTrue(raw.is_closed())
        self.nothing_was_smuggled("garbage")


class Pipelines(ShapeCase):
    def test_answers_come_in_the_order_of_the_requests(self):
        targets = ["/health/live", "/nothing", "/accounts", "/v1/streams/a-1", "/metrics"] * 60
        wanted = {"/health/live": 200, "/nothing": 404, "/accounts": 200, "/v1/streams/a-1": 200,
                  "/metrics": 200}
        data = b"".join(request("GET", target) for target in targets)
        with Raw(server.port) as raw:
            raw.send(data)
            for target in targets:
                self.assertEqual(raw.answer().status, wanted[target], target)

    def test_requests_may_be_cut_anywhere(self):
        data = request("POST", "/accounts", b'{"ownerName": 5}') + request("GET", "/health/live")
        with Raw(server.port) as raw:
            for at in range(len(data)):
                raw.send(data[at:at + 1])
            self.assertEqual((raw.answer().code, raw.answer().status), ("malformed", 200))

    def test_a_body_in_chunks_may_be_cut_anywhere(self):
        data = ("POST /accounts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nT: x\r\n\r\n"
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        with Raw(server.port) as raw:
            for byte in data:
                raw.send(byte)
                time.sleep(0.001)  # So that each is read alone.
            self.assertEqual((raw.answer().code, raw.answer().status), ("malformed", 404))
        self.assertIsNone(server.process.poll())

    def test_what_comes_after_close_is_not_read(self):
        with Raw(server.port) as raw:
            raw.send(request("GET", "/health/live", b"", "Connection: close") + SMUGGLED.encode())
            self.assertEqual(raw.answer().status, 200)
            self.assertTrue(raw.is_closed())
        self.nothing_was_smuggled("after close")
