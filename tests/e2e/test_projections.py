"""/v1/projections and `stele projection` on the bank: states, verbs, live progress, exit codes."""

import json
import os
import subprocess
import time
import unittest

from harness import Server, eventually, program, scale

NAME = "account_summaries"


class Projections(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.client = self.server.client()

    def tearDown(self):
        self.client.close()
        self.server.close()

    def status(self, name=NAME):
        answer = self.client.get(f"/v1/projections/{name}")
        assert answer.status == 200, answer
        return answer.json

    def tell(self, verb, body=None, name=NAME):
        return self.client.post(f"/v1/projections/{name}/{verb}", body)

    def caught_up(self, name=NAME):
        return eventually(lambda: (lambda now: now["state"] == "running"
                                   and now["position"] == now["logEnd"])(self.status(name)), 30)

    def stele(self, *words, code=0):
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith("STELE_")}
        done = subprocess.run([str(program()), "projection", *words, "--url",
                               f"http://127.0.0.1:{self.server.port}"], capture_output=True,
                              text=True, timeout=120, env=environment, check=False)
        self.assertEqual(done.returncode, code, (words, done))
        return done

    def fill(self, deposits):
        account = self.client.new("1")
        line = json.dumps({"streams": [{"stream": "filler-1", "events": [
            {"type": "Filler", "data": 0}] * 4000}]})
        for start in range(0, deposits // 4000, 40):
            body = "\n".join([line] * min(40, deposits // 4000 - start)) + "\n"
            assert self.client.raw("POST", "/v1/append", body,
                                   {"Content-Type": "application/x-ndjson",
                                    "Stele-Timeout": "60"}).status == 200
        return account

    def test_the_list_shows_every_projection_with_all_that_is_promised(self):
        self.client.new("5")
        items, _ = self.client.pages("/v1/projections", limit=2)
        names = [each["name"] for each in items]
        self.assertIn(NAME, names)
        self.assertEqual(names, sorted(names))
        for each in items:
            for member in ("generation", "state", "position", "logEnd", "lagEvents", "lagSeconds",
                           "eventsPerSecond", "percent", "secondsLeft", "parked", "lastError"):
                self.assertIn(member, each)
        self.assertEqual(self.client.get("/v1/projections/none").code, "projection_unknown")
        self.assertEqual(self.client.get(f"/v1/projections/{NAME}/parked")["items"], [])

    def test_a_pause_outlives_a_restart_and_a_read_says_so(self):
        account = self.client.new("5")
        self.assertTrue(self.caught_up())
        self.assertEqual(self.tell("pause").status, 202)
        self.assertTrue(eventually(lambda: self.status()["state"] == "paused"))
        self.client.deposit(account, "1")
        self.client.close()
        self.server.restart()
        self.client = self.server.client()
        self.assertEqual(self.status()["state"], "paused")
        self.assertGreater(self.status()["lagEvents"], 0)
        self.assertEqual(self.tell("run").status, 202)
        self.assertTrue(self.caught_up())

    def test_side_by_side_promote_rollback_and_drop(self):
        account = self.client.new("5")
        self.assertTrue(self.caught_up())
        first = self.status()["generation"]
        self.assertEqual(self.tell("rebuild", {"mode": "side_by_side"}).status, 202)
        building = eventually(lambda: [each for each in self.status()["generations"]
                                       if each["role"] == "building"
                                       and each["state"] == "running"
                                       and each["lagEvents"] == 0], 30)
        self.assertTrue(building, self.status())
        self.assertEqual(self.status()["generation"], first)
        promoted = self.tell("promote")
        self.assertEqual(promoted.status, 202, promoted)
        self.assertEqual(self.status()["generation"], building[0]["generation"])
        answer = self.client.deposit(account, "1")
        self.assertEqual(self.client.fresh(answer)["balance"], "6.00")
        self.assertEqual(self.tell("rollback").status, 202)
        self.assertEqual(self.status()["generation"], first)
        self.assertEqual(self.client.fresh(answer)["balance"], "6.00", "the old one was fed")
        self.assertEqual(self.tell("drop").status, 202)
        self.assertEqual(len(self.status()["generations"]), 1)

    def test_progress_of_a_rebuild_is_live(self):
        self.fill(int(200_000 * min(scale(), 1)))
        self.assertTrue(self.caught_up())
        end = self.status()["logEnd"]
        self.assertEqual(self.tell("rebuild").status, 202)
        seen = []
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            now = self.status()
            seen.append(now["position"])
            if now["state"] == "running" and now["position"] == end:
                break
            self.assertIn(now["state"], ("rebuilding", "running"))
            time.sleep(0.005)
        self.assertEqual(seen[-1], end)

    def test_the_verbs_of_the_program(self):
        self.client.new("5")
        self.assertTrue(self.caught_up())
        self.assertIn(f"{NAME}  generation 1  running at 1 of 1", self.stele("list").stdout)
        self.assertEqual(json.loads(self.stele("status", NAME, "--json").stdout)["name"], NAME)
        self.assertIn(NAME, [each["name"] for each in
                             json.loads(self.stele("list", "--json").stdout)["items"]])
        self.stele("pause", NAME)
        self.assertTrue(eventually(lambda: self.status()["state"] == "paused"))
        self.stele("resume", NAME)
        self.stele("run", NAME)
        self.assertTrue(self.caught_up())
        self.stele("reset", NAME)
        self.assertTrue(self.caught_up())
        self.assertEqual(self.stele("rebuild", NAME).stdout, "Rebuilt.\n")
        self.stele("rebuild", "--all", "--json")
        self.stele("rebuild", NAME, "--side-by-side")
        self.stele("rebuild", NAME, "--side-by-side", code=3)
        self.stele("promote", NAME)
        self.assertEqual(self.status()["generation"], 2)
        self.stele("rollback", NAME)
        self.stele("drop", NAME, "--generation", "2")
        self.stele("rollback", NAME, code=4)
        self.assertIn("No key is parked", self.stele("parked", NAME).stderr)
        self.stele("retry", NAME, "nobody", code=4)
        self.stele("status", "none", code=4)
        self.stele("rebuild", code=2)
        self.client.close()
        self.server.stop()
        self.stele("list", code=10)
        self.server.start()
        self.client = self.server.client()
