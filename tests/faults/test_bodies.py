"""Bodies, names and parameters that are wrong: each has a clear answer, soon."""

import json
import time
import unittest

from faulty import Raw, request
from harness import Server

MIB = 1024 * 1024
ANSWER_SECONDS_MAX = 10  # The largest body, on a slow machine.


def setUpModule():
    global server
    server = Server()


def tearDownModule():
    server.close()


def event(**members):
    return {"streams": [{"stream": "a-1", "events": [{"type": "T", "data": {}, **members}]}]}


class BodyCase(unittest.TestCase):
    def setUp(self):
        self.client = server.client()

    def tearDown(self):
        self.client.close()

    def refused(self, path, body, status=400, code="malformed", pointer=None):
        begin = time.monotonic()
        answer = self.client.post(path, body)
        self.assertLess(time.monotonic() - begin, ANSWER_SECONDS_MAX)
        self.assertEqual((answer.status, answer.code), (status, code),
                         (answer, body[:200] if isinstance(body, (bytes, str)) else body))
        self.assertTrue(answer["detail"].endswith("."), answer)
        if pointer is not None:
            self.assertEqual(answer["pointer"], pointer, answer)
        return answer


class NotJson(BodyCase):
    PATHS = ("/accounts", "/v1/append")

    def test_what_is_no_json_is_malformed(self):
        for text in ("", " ", "{", "}", "{}x", "{} {}", "{'a': 1}", '{"a": 1,}', '{"a" 1}', "nul",
                     '{"a": NaN}', '{"a": Infinity}', '{"a": 01}', '{"a": 1.}', '{"a": .5}',
                     '{"a": +1}', '{"a": 1e}', '{"a": 0x1}', '{"a": "\t"}', '{"a": "\\x"}',
                     '{"a": "\\u12"}', '// c\n{}', '{"a": 1 /* c */}', '{"a": "\\ud800"}',
                     '{"a": "\\udc00\\ud800"}', '{"a": "b', "[", "\x00", '{"a": "\x00"}'):
            for path in self.PATHS:
                self.refused(path, text)

    def test_bytes_that_are_not_utf8_are_malformed(self):
        for data in (b"\xff", b"\xc0\xaf", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
                     b"\xf8\x88\x80\x80\x80", b"\x80"):
            self.refused("/accounts", b'{"ownerName": "' + data + b'"}')
            self.refused("/accounts", b'{"' + data + b'": 1}')
            self.refused("/v1/append", json.dumps(event(data="X")).encode().replace(b"X", data))
            self.refused("/v1/append", json.dumps(event(type="X")).encode().replace(b"X", data))

    def test_other_encodings_are_malformed(self):
        text = json.dumps({"ownerName": "Ada"})
        for data in (text.encode("utf-16"), text.encode("utf-32"), text.encode("utf-8-sig")):
            self.refused("/accounts", data)

    def test_depth_is_limited(self):
        for depth in (65, 1_000, 100_000, 1_000_000):
            for opening, closing in (("[", "]"), ('{"a":', "1}")):
                deep = opening * depth + closing * (depth if closing == "]" else 0)
                self.refused("/accounts", '{"ownerName": %s}' % deep)
                self.refused("/v1/append", '{"streams": [{"stream": "a-1", "events": '
                                           '[{"type": "T", "data": %s}]}]}' % deep)

    def test_depth_up_to_the_limit_is_taken_as_data(self):
        deep = "[" * 50 + "]" * 50
        answer = self.client.post("/v1/append", json.dumps(event(data="X")).replace('"X"', deep))
        self.assertEqual(answer.status, 200, answer)


class Members(BodyCase):
    def test_members_that_are_unknown_are_named(self):
        self.refused("/accounts", {"ownerName": "A", "colour": 1}, pointer="/colour")
        self.refused("/accounts", {"ownerName": "A", "a/b~c": 1}, pointer="/a~1b~0c")
        self.refused("/v1/append", {**event(), "x": 1}, pointer="/x")
        self.refused("/v1/append", event(x=1), pointer="/streams/0/events/0/x")

    def test_members_that_stand_twice_are_named(self):
        for text in ('{"ownerName": "A", "ownerName": "A"}',
                     '{"ownerName": "A", "owner\\u004eame": "B"}'):
            self.refused("/accounts", text, pointer="/ownerName")
        self.refused("/v1/append", '{"streams": [], "streams": []}', pointer="/streams")
        body = json.dumps(event(data="X"))
        self.refused("/v1/append", body.replace('"X"', '{"a": {"b": 1, "b": 2}}'))

    def test_wrong_types_are_named(self):
        values = (None, True, 5, -1, 1.5, "x", [], [1], {}, {"a": 1})
        fits = {"ownerName": ("x",), "userId": ("x", None),
                "currency": (None,), "accountType": (None,)}
        for name, good in fits.items():
            for value in values:
                if value in good and value is not True:
                    continue
                if name == "currency" and isinstance(value, str):
                    continue  # It names no currency: another answer.
                self.refused("/accounts", {"ownerName": "A", name: value}, pointer="/" + name)
        for value in (None, True, "x", 5, {}):
            self.refused("/v1/append", {"streams": value}, pointer="/streams")
        for name, bad in (("type", 5), ("tags", "x"), ("tags", [5]), ("schemaVersion", "1"),
                          ("schemaVersion", -1), ("schemaVersion", 1.5), ("schemaVersion", 65536),
                          ("metadata", "x"), ("metadata", []), ("contentType", 5)):
            self.refused("/v1/append", event(**{name: bad}))
        for expected in (5, "all", {}, {"version": -1}, {"version": "1"}, {"version": 2 ** 53},
                         {"tip": "00"}, {"version": 1, "tip": "xyz"}, {"version": 1, "x": 1}):
            body = event()
            body["streams"][0]["expected"] = expected
            self.refused("/v1/append", body)

    def test_numbers_have_no_end_to_their_digits_but_a_limit_to_their_size(self):
        self.refused("/v1/append", json.dumps(event()).replace(
            '"events"', '"expected": {"version": %s}, "events"' % ("9" * 1_000_000)))
        digits = "1" * 100_000
        answer = self.client.post("/v1/append", json.dumps(event(data="X")).replace('"X"', digits))
        self.assertEqual(answer.status, 200, answer)
        position = answer["position"]
        data = self.client.raw("GET", f"/v1/events/{position}/data")
        self.assertEqual(data.body.decode(), digits)


class Sizes(BodyCase):
    def test_what_is_over_its_size_is_too_large(self):
        name = "n" * 300
        for body in (event(data="x" * (900 * 1024)), event(metadata={"a": "x" * (17 * 1024)})):
            answer = self.refused("/v1/append", body, 413, "too_large")
            self.assertIn("limit", answer.json)
        for body in (event(type="t" * 129), event(type=""), event(tags=["t" * 129]),
                     event(tags=[""]), event(tags=["a", "a"]), event(tags=[str(i) for i in
                                                                            range(17)])):
            self.refused("/v1/append", body)
        for stream in (name, "", "a", "-", "a-", "-a", "a\u0000-b", "a\n-b", "a-\u007f"):
            body = event()
            body["streams"][0]["stream"] = stream
            self.refused("/v1/append", body)

    def test_counts_have_limits(self):
        streams = [{"stream": f"a-{i}", "events": [{"type": "T", "data": 1}]} for i in range(65)]
        self.refused("/v1/append", {"streams": streams})
        body = {"streams": [{"stream": "a-1", "events": [{"type": "T", "data": 1}] * 4097}]}
        self.refused("/v1/append", body)
        self.refused("/v1/append", {"streams": []})
        self.refused("/v1/append", {**event(), "condition": {"failIf": []}})
        self.refused("/v1/append", {**event(), "condition": {"failIf": [{}]}})
        self.refused("/v1/append", {"streams": event()["streams"] * 2})

    def test_a_huge_body_is_refused_before_it_is_sent(self):
        for length in (8 * MIB + 1, 1 << 40):
            with Raw(server.port) as raw:
                raw.send(f"POST /v1/append HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n")
                answer = raw.answer()
                self.assertEqual((answer.status, answer.code), (413, "too_large"))

    def test_who_waits_for_leave_to_send_too_much_gets_none(self):
        with Raw(server.port) as raw:
            raw.send("POST /v1/append HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n"
                     "Expect: 100-continue\r\n\r\n")
            self.assertEqual(raw.answer().status, 413)

    def test_what_is_sent_after_a_refusal_is_drained_up_to_a_bound(self):
        with Raw(server.port, seconds=30) as raw:
            raw.send("POST /v1/append HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n")
            sent = 0
            piece = b"x" * MIB
            begin = time.monotonic()
            try:
                while sent < 500 * MIB:
                    raw.socket.sendall(piece)
                    sent += len(piece)
            except (ConnectionResetError, BrokenPipeError):
                pass
            self.assertLess(sent, 64 * MIB)
            self.assertLess(time.monotonic() - begin, 20)
        self.assertEqual(self.client.get("/health/live").status, 200)

    def test_the_answer_to_a_body_that_is_too_large_is_read_by_who_sends_it_whole(self):
        answer = self.client.post("/accounts", b"x" * (12 * MIB))
        self.assertEqual((answer.status, answer.code), (413, "too_large"))


class Targets(BodyCase):
    def get(self, target):
        with Raw(server.port) as raw:
            raw.send(request("GET", target))
            return raw.answer()

    def test_paths_and_parameters_that_do_not_decode_are_malformed(self):
        for target in ("/v1/streams/a-%ff", "/v1/streams/a-%zz", "/v1/streams/a-%",
                       "/v1/streams/a-%c0%af", "/v1/streams/a-%00", "/v1/streams/a-%0a",
                       "/accounts/%ff", "/accounts?owner=%ff", "/accounts?owner=%",
                       "/accounts?%ff=1", "/accounts?owner=%00", "/v1/streams/a-%ed%a0%80"):
            answer = self.get(target)
            self.assertEqual((answer.status, answer.code), (400, "malformed"), target)

    def test_raw_bytes_in_a_target_are_malformed(self):
        for target in ("/v1/streams/a-\xff", "/accounts?owner=\xff\xfe"):
            answer = self.get(target)
            self.assertEqual((answer.status, answer.code), (400, "malformed"), target)

    def test_parameters_have_a_count(self):
        answer = self.get("/accounts?" + "&".join(f"a{i}=1" for i in range(300)))
        self.assertEqual((answer.status, answer.code), (400, "malformed"))
        answer = self.get("/v1/events?" + "&".join(f"type=t{i}" for i in range(65)))
        self.assertEqual((answer.status, answer.code), (400, "malformed"))

    def test_a_path_stays_what_it_is(self):
        for target in ("/v1/../accounts", "/accounts/..", "/./accounts", "//accounts",
                       "/accounts//", "/ACCOUNTS", "/" + "a/" * 40):
            answer = self.get(target)
            self.assertIn(answer.status, (400, 404), target)

    def test_a_slash_that_is_encoded_parts_nothing(self):
        answer = self.get("/v1/streams/a-b%2Fc")
        self.assertEqual(json.loads(answer.body)["stream"], "a-b/c")


class Headers(BodyCase):
    def test_headers_that_say_nonsense_are_malformed(self):
        for name, value in (("Stele-Timeout", "soon"), ("Stele-Timeout", "61"),
                            ("Stele-Timeout", "-1"), ("Stele-Timeout", "nan"),
                            ("Stele-Timeout", "1e1"), ("Stele-Timeout", "")):
            with Raw(server.port) as raw:
                raw.send(request("GET", "/accounts", b"", f"{name}: {value}"))
                answer = raw.answer()
                self.assertEqual((answer.status, answer.code), (400, "malformed"), value)

    def test_a_key_that_stands_twice_is_malformed(self):
        with Raw(server.port) as raw:
            raw.send(request("POST", "/accounts", b'{"ownerName": "A"}', "Idempotency-Key: a",
                             "Idempotency-Key: a"))
            answer = raw.answer()
            self.assertEqual((answer.status, answer.code), (400, "malformed"))
