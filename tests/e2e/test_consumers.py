"""Named consumers, over HTTP and over the program: what they promise, over kills and restarts."""

import json
import os
import subprocess
import threading
import time
import unittest

from harness import Server, program, scale


class ConsumersCase(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.client = self.server.client()

    def tearDown(self):
        self.client.close()
        self.server.close()

    def append(self, stream, types, **members):
        answer = self.client.post("/v1/append", {"streams": [{"stream": stream, "events": [
            {"type": each, "data": {"n": number}, **members}
            for number, each in enumerate(types)]}]})
        assert answer.status == 200, answer
        return answer["position"]

    def put(self, name, **definition):
        answer = self.client.request("PUT", f"/v1/consumers/{name}", definition)
        assert answer.status in (200, 201), answer
        return answer

    def read(self, name, client=None, reader="one", **query):
        return (client or self.client).get(f"/v1/consumers/{name}/events",
                                           headers={"Stele-Reader": reader}, **query)

    def ack(self, name, cursor):
        return self.client.post(f"/v1/consumers/{name}/ack", {"cursor": cursor})

    def positions(self, answer):
        assert answer.status == 200, answer
        return [event["position"] for event in answer["events"]]

    def kill_and_start(self):
        self.client.close()
        self.server.restart()
        self.client = self.server.client()

    def stele(self, *words, code=0):
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("STELE_")}
        done = subprocess.run([str(program()), *words, "--url",
                               f"http://127.0.0.1:{self.server.port}"], capture_output=True,
                              text=True, timeout=60, env=environment, check=False)
        self.assertEqual(done.returncode, code, (words, done))
        return done


class Consumers(ConsumersCase):
    def test_what_was_not_acknowledged_comes_again_after_a_kill(self):
        self.append("order-1", ["A"] * 10)
        self.assertEqual(self.put("mail").status, 201)
        first = self.read("mail", limit=4)
        self.assertEqual(self.positions(first), [1, 2, 3, 4])
        self.assertEqual(self.ack("mail", first["cursor"])["position"], 4)
        given = self.read("mail", limit=4)
        self.assertEqual(self.positions(given), [5, 6, 7, 8])

        self.kill_and_start()

        self.assertEqual(self.positions(self.read("mail", limit=4, reader="two")), [5, 6, 7, 8])
        self.assertEqual(self.ack("mail", given["cursor"])["position"], 8)
        self.assertEqual(self.ack("mail", given["cursor"])["position"], 8)
        self.kill_and_start()
        self.assertEqual(self.positions(self.read("mail")), [9, 10])
        self.assertEqual(self.put("mail").status, 200)

    def test_every_acknowledgement_that_was_answered_is_there_after_a_kill(self):
        """A reader acknowledges one by one while the server is killed again and again."""
        total = int(300 * scale())
        self.append("order-1", ["A"] * min(total, 4000))
        total = min(total, 4000)
        self.put("mail")
        acknowledged, seen = 0, []
        kills = 0
        next_kill = time.monotonic() + 0.3
        while acknowledged < total:
            if time.monotonic() > next_kill and kills < 4:
                self.kill_and_start()
                kills += 1
                next_kill = time.monotonic() + 0.3
            batch = self.read("mail", limit=1)
            self.assertEqual(batch.status, 200, batch)
            self.assertEqual(self.positions(batch), [acknowledged + 1])
            seen += self.positions(batch)
            acknowledged = self.ack("mail", batch["cursor"])["position"]
        self.assertEqual(seen, list(range(1, total + 1)), "each once: every one was acknowledged")

    def test_a_kill_between_reading_and_acknowledging_loses_nothing(self):
        self.append("order-1", ["A"] * 200)
        self.put("mail")
        done = []
        for round_number in range(5):
            batch = self.read("mail", limit=40)
            done += self.positions(batch)
            if round_number % 2 == 0:
                self.kill_and_start()
                self.assertEqual(self.positions(self.read("mail", limit=40)),
                                 self.positions(batch), "given again, the same")
            self.assertEqual(self.ack("mail", batch["cursor"]).status, 200)
        self.assertEqual(done, list(range(1, 201)))

    def test_two_readers_by_name_and_by_connection(self):
        self.append("order-1", ["A"] * 3)
        self.put("mail")
        self.assertEqual(self.read("mail").status, 200)
        busy = self.read("mail", reader="two")
        self.assertEqual((busy.status, busy.code), (409, "consumer_busy"))
        self.assertEqual(busy["reader"]["name"], "one")
        self.assertLessEqual(int(busy.headers["Retry-After"]), 30)

        self.put("search")
        other = self.server.client()
        try:
            self.assertEqual(self.client.get("/v1/consumers/search/events").status, 200)
            self.assertEqual(other.get("/v1/consumers/search/events").code, "consumer_busy")
            self.client.close()
            self.assertEqual(len(other.get("/v1/consumers/search/events")["events"]), 3)
        finally:
            other.close()

    def test_a_reader_that_waits_is_woken_by_an_append(self):
        self.put("mail", filter={"types": ["Rare"]})
        answers = []
        reader = self.server.client()
        thread = threading.Thread(target=lambda: answers.append(
            self.read("mail", client=reader, wait=25)))
        begin = time.monotonic()
        thread.start()
        time.sleep(0.2)
        self.append("order-1", ["Dull"] * 5)
        position = self.append("order-1", ["Rare"])
        thread.join()
        reader.close()
        self.assertEqual(self.positions(answers[0]), [position])
        self.assertLess(time.monotonic() - begin, 10)

    def test_a_wait_that_is_over_says_how_far_it_looked(self):
        end = self.append("order-1", ["Dull"] * 20)
        self.put("rare", filter={"types": ["Rare"]})
        begin = time.monotonic()
        answer = self.read("rare", wait=1)
        self.assertTrue(0.9 < time.monotonic() - begin < 8)
        self.assertEqual((answer["events"], answer["position"]), ([], end))
        self.assertEqual(self.client.get("/v1/consumers/rare")["lagEvents"], 0)

    def test_filters(self):
        self.append("order-1", ["A", "B"])
        self.append("stock-1", ["A"], tags=["x", "y"])
        self.append("stock-2", ["B"], tags=["x"])
        for name, definition, expected in (
                ("all", {}, [1, 2, 3, 4]),
                ("category", {"filter": {"categories": ["stock"]}}, [3, 4]),
                ("types", {"filter": {"types": ["A", "C"]}}, [1, 3]),
                ("tags", {"filter": {"tags": ["y", "x"]}}, [3]),
                ("behind", {"start": 2}, [3, 4]),
                ("end", {"start": "end"}, [])):
            self.put(name, **definition)
            self.assertEqual(self.positions(self.read(name)), expected, name)

    def test_another_definition_is_refused_and_a_deleted_name_is_free(self):
        self.append("order-1", ["A"] * 3)
        self.put("mail", filter={"types": ["A"]})
        cursor = self.read("mail")["cursor"]
        refused = self.client.request("PUT", "/v1/consumers/mail", {"filter": {"types": ["B"]}})
        self.assertEqual((refused.status, refused.code), (409, "consumer_exists"))
        self.assertEqual(refused["found"]["filter"]["types"], ["A"])
        self.assertEqual(self.client.request("DELETE", "/v1/consumers/mail").status, 204)
        self.assertEqual(self.read("mail").code, "consumer_unknown")
        self.put("mail", filter={"types": ["B"]})
        self.assertEqual(self.ack("mail", cursor).code, "cursor_foreign")
        self.kill_and_start()
        self.assertEqual(self.ack("mail", cursor).code, "cursor_foreign")

    def test_a_seek_is_durable_and_makes_cursors_foreign(self):
        self.append("order-1", ["A"] * 5)
        self.put("mail")
        cursor = self.read("mail")["cursor"]
        self.ack("mail", cursor)
        seek = self.client.post("/v1/consumers/mail/seek", {"to": 2})
        self.assertEqual(seek["position"], 2)
        self.assertEqual(self.ack("mail", cursor).code, "cursor_foreign")
        self.kill_and_start()
        self.assertEqual(self.positions(self.read("mail")), [3, 4, 5])
        for to, position in (("end", 5), ("beginning", 0)):
            self.assertEqual(self.client.post("/v1/consumers/mail/seek", {"to": to})["position"],
                             position)
        self.assertEqual(self.client.post("/v1/consumers/mail/seek", {"to": 9}).code, "malformed")

    def test_a_read_only_server_gives_events_and_moves_nothing(self):
        self.append("order-1", ["A"] * 3)
        self.put("mail")
        self.client.close()
        self.server.stop()
        self.server.flags = ["--read-only"]
        self.server.start()
        self.client = self.server.client()
        batch = self.read("mail")
        self.assertEqual(self.positions(batch), [1, 2, 3])
        for refused in (self.ack("mail", batch["cursor"]),
                        self.client.request("PUT", "/v1/consumers/new", {}),
                        self.client.request("DELETE", "/v1/consumers/mail"),
                        self.client.post("/v1/consumers/mail/seek", {"to": "end"})):
            self.assertEqual((refused.status, refused.code), (503, "read_only"))

    def test_lists_and_metrics(self):
        for number in range(7):
            self.put(f"c{number}")
        items, pages = self.client.pages("/v1/consumers", limit=3)
        self.assertEqual([each["name"] for each in items], [f"c{n}" for n in range(7)])
        self.assertEqual(pages, 3)
        self.append("order-1", ["A"] * 4)
        text = self.client.raw("GET", "/metrics").body.decode()
        self.assertIn('stele_consumer_lag_events{consumer="c3"} 4\n', text)
        self.assertIn("stele_consumers 7\n", text)

    def test_a_cursor_of_another_log_is_foreign(self):
        self.append("order-1", ["A"])
        self.put("mail")
        cursor = self.read("mail")["cursor"]
        other = Server()
        try:
            client = other.client()
            client.request("PUT", "/v1/consumers/mail", {})
            answer = client.post("/v1/consumers/mail/ack", {"cursor": cursor})
            self.assertEqual((answer.status, answer.code), (409, "cursor_foreign"))
            client.close()
        finally:
            other.close()

    def test_a_place_of_another_log_is_diverged_until_a_seek(self):
        """The folder of one server's consumers beside another server's log."""
        self.append("order-1", ["A"] * 3)
        self.put("mail")
        self.ack("mail", self.read("mail")["cursor"])
        self.client.close()
        self.server.stop()
        for part in self.server.data.iterdir():
            if part.name != "consumers":
                subprocess.run(["rm", "-rf", str(part)], check=True)
        self.server.start()
        self.client = self.server.client()
        self.append("order-1", ["A"] * 5)
        self.assertEqual(self.read("mail").code, "diverged")
        self.assertEqual(self.client.get("/v1/consumers/mail")["state"], "diverged")
        self.assertEqual(self.client.post("/v1/consumers/mail/seek", {"to": "beginning"}).status,
                         200)
        self.assertEqual(len(self.positions(self.read("mail"))), 5)


class MillionPassedOver(ConsumersCase):
    def test_a_filter_that_passes_over_a_million_events_costs_little_and_is_remembered(self):
        total = int(1_000_000 * min(scale(), 1))
        line = json.dumps({"streams": [{"stream": "dull-1", "events": [
            {"type": "Dull", "data": 0}] * 4000}]})
        lines = max(total // 4000, 1)
        for start in range(0, lines, 50):
            body = "\n".join([line] * min(50, lines - start)) + "\n"
            answer = self.client.raw("POST", "/v1/append", body,
                                     {"Content-Type": "application/x-ndjson",
                                      "Stele-Timeout": "60"})
            self.assertEqual(answer.status, 200)
        end = self.append("rare-1", ["Rare"])
        self.put("rare", filter={"types": ["Rare"]})
        begin = time.monotonic()
        found = self.read("rare", wait=30)
        took = time.monotonic() - begin
        self.assertEqual(self.positions(found), [end])
        self.assertLess(took, 30)
        print(f"passing over {end - 1} events took {took:.2f} s", end=" ")

        self.kill_and_start()

        self.assertEqual(self.client.get("/v1/consumers/rare")["position"], end - 1,
                         "remembered, and nothing acknowledged")
        self.assertIsNone(self.client.get("/v1/consumers/rare")["acknowledgedAt"])
        self.assertEqual(self.positions(self.read("rare")), [end])


class Verbs(ConsumersCase):
    def test_the_verbs_of_a_consumer(self):
        self.append("order-1", ["A", "B", "A"])
        self.assertIn("mail  idle  at 0 of 3", self.stele("consumer", "create", "mail", "--type",
                                                          "A").stdout)
        self.stele("consumer", "create", "mail", "--type", "B", code=3)
        read = self.stele("consumer", "read", "mail")
        self.assertEqual([line.split()[0] for line in read.stdout.splitlines()], ["1", "3"])
        self.assertIn("cursor ", read.stderr)
        page = json.loads(self.stele("consumer", "read", "mail", "--json").stdout)
        self.assertEqual([event["position"] for event in page["events"]], [1, 3])
        self.assertIn("at 3", self.stele("consumer", "ack", "mail", page["cursor"]).stdout)
        self.assertEqual(self.stele("consumer", "read", "mail").stdout, "")
        self.assertIn("at 0", self.stele("consumer", "seek", "mail", "beginning").stdout)
        self.stele("consumer", "ack", "mail", page["cursor"], code=7)
        self.assertEqual(len(self.stele("consumer", "read", "mail", "--ack",
                                        "--limit", "1").stdout.splitlines()), 1)
        self.assertEqual(json.loads(self.stele("consumer", "show", "mail", "--json").stdout)
                         ["position"], 1)
        self.assertIn("mail", self.stele("consumer", "list").stdout)
        self.assertEqual(len(json.loads(self.stele("consumer", "list", "--json").stdout)["items"]),
                         1)
        self.stele("consumer", "seek", "mail", "nowhere", code=2)
        self.stele("consumer", "delete", "mail")
        self.stele("consumer", "show", "mail", code=4)

    def following(self, *words):
        return subprocess.Popen([str(program()), *words, "--url",
                                 f"http://127.0.0.1:{self.server.port}"],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def ended(self, process):
        process.send_signal(2)
        code = process.wait(30)
        process.stdout.close()
        process.stderr.close()
        return code

    def test_follow_prints_and_acknowledges_until_it_is_interrupted(self):
        self.put("mail")
        process = self.following("consumer", "follow", "mail", "--json")
        for number in range(1, 6):
            self.append("order-1", ["A"])
            self.assertEqual(json.loads(process.stdout.readline())["position"], number)
        self.assertEqual(self.ended(process), 130)
        self.assertEqual(self.client.get("/v1/consumers/mail")["position"], 5)

    def test_tail_prints_what_is_appended_until_it_is_interrupted(self):
        self.append("order-1", ["Old"])
        process = self.following("tail", "--type", "A", "--json")
        time.sleep(0.5)  # It begins at the log's end of the moment.
        for number in range(3):
            self.append("order-1", ["Dull", "A"])
            event = json.loads(process.stdout.readline())
            self.assertEqual((event["type"], event["position"]), ("A", 3 + 2 * number))
        self.assertEqual(self.ended(process), 130)

    def test_tail_from_a_position_shows_what_was_there_and_ends_when_nobody_reads(self):
        self.append("order-1", ["A"] * 3)
        process = self.following("tail", "--after", "1")
        self.assertTrue(process.stdout.readline().startswith("2  "))
        self.assertTrue(process.stdout.readline().startswith("3  "))
        process.stdout.close()
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            self.append("order-1", ["A"])
            time.sleep(0.1)
        self.assertIsNotNone(process.poll(), "a closed pipe ends it")
        process.stderr.close()
        self.client.close()
        self.server.stop()
        self.stele("tail", code=10)
        self.server.start()
        self.client = self.server.client()
