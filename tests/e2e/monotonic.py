#!/usr/bin/env python3
"""No client ever goes back in time: many readers over keep-alive HTTP, while read models are
rebuilt side by side and in place, promoted, rolled back and dropped, and the server is killed.

Writers deposit, one at a time each. Readers ask for what they asked before, and remember the
newest they were shown: an answer that is older is a failure. Every second reader sends the token
of the newest write that it knows of, and must be shown at least that. What cannot be answered must
say so: 503 with `not_yet` or `parked`, a Retry-After and nothing else; a connection may break only
while the server is killed.

usage: monotonic.py [SECONDS]     (default 30)
"""

import http.client
import random
import sys
import threading
import time
from collections import Counter

from harness import Client, Server, eventually

ACCOUNTS = [f"m-{number}" for number in range(4)]
WRITERS = 3
READERS = 8
MODELS = ("account_summaries", "transaction_history", "daily_totals")
MAY_WAIT = ("not_yet", "parked", "shutting_down", "overloaded")
BULK = 20_000  # Events of another account, so that building a generation takes its time.
BULK_EACH = 2_000
BUILD_SECONDS_MAX = 30  # Of a generation, on a machine that is busy.
DAY = {"from": "2021-01-01", "to": "2021-01-02"}


class Seen:
    """What one reader was shown last, by question."""

    def __init__(self):
        self.newest = {}

    def note(self, question, value):
        """None, or what is wrong with `value`."""
        before = self.newest.get(question, value)
        if value < before:
            return f"{question} was {before} and is {value} now"
        self.newest[question] = value
        return None


class Run:
    def __init__(self, seconds, seed):
        self.seconds = seconds
        self.random = random.Random(seed)
        self.server = Server()
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.away = threading.Event()  # Set while the server is killed.
        self.restarts = 0
        self.failures = []
        self.done = Counter()      # What was done and read; guarded by lock.
        self.written = {}          # account -> (version, token); guarded by lock.

    def fail(self, text):
        with self.lock:
            self.failures.append(text)
        self.stop.set()

    def count(self, what):
        with self.lock:
            self.done[what] += 1

    # One connection of a thread, made again after a restart.

    def worker(self, body, *arguments):
        client, restarts = None, -1
        while not self.stop.is_set():
            if self.away.is_set():
                time.sleep(0.02)
                continue
            try:
                if client is None or restarts != self.restarts:
                    restarts = self.restarts
                    client = Client(self.server.port, checked=False)
                body(client, *arguments)
            except (OSError, http.client.HTTPException) as broken:
                if not self.away.is_set() and restarts == self.restarts and \
                        self.server.process.poll() is None:
                    self.fail(f"a connection broke while the server was up: {broken!r}")
                client = None
                time.sleep(0.05)

    def write(self, client, generator):
        account = generator.choice(ACCOUNTS)
        answer = client.deposit(account, "0.01", reference="tick",
                                occurredAt="2021-01-01" if generator.random() < 0.2 else None)
        if answer.status == 200:
            with self.lock:
                if self.written[account][0] < answer["version"]:
                    self.written[account] = (answer["version"], answer["token"])
                self.done["writes"] += 1
        elif answer.status != 503:
            self.fail(f"a deposit was answered {answer}")
        time.sleep(0.004)

    def read(self, client, generator, seen, with_token):
        account = generator.choice(ACCOUNTS)
        with self.lock:
            version, token = self.written[account]
        query = {"token": token} if with_token else {}
        question = generator.choice((self.ask_account, self.ask_history, self.ask_list,
                                     self.ask_day, self.ask_search, self.ask_statement))
        shown = question(client, account, query)
        if isinstance(shown, str):
            return self.fail(shown)
        if shown is None:
            time.sleep(0.01)
            return None
        self.count("reads")
        for name, value in shown.items():
            wrong = seen.note((name, account if "day" not in name else ""), value)
            if wrong:
                return self.fail(f"a reader went back in time: {wrong}")
        if with_token and question == self.ask_account and shown["account version"] < version:
            return self.fail(f"a token of version {version} was answered with {shown}")
        return None

    def asked(self, client, target, **query):
        """The answer; None if it must wait and says so, a text if it is wrong."""
        answer = client.get(target, **query)
        if answer.status == 200:
            return answer
        if answer.status == 503 and answer.code in MAY_WAIT and "Retry-After" in answer.headers:
            self.count(f"waits: {answer.code}")
            return None
        return f"{target} was answered {answer}"

    def ask_account(self, client, account, query):
        answer = self.asked(client, f"/accounts/{account}", **query)
        if answer is None or isinstance(answer, str):
            return answer
        return {"account version": answer["version"], "account position": answer["position"],
                "balance": float(answer["balance"]), "count": answer["transactionCount30days"]}

    def ask_history(self, client, account, query):
        answer = self.asked(client, f"/accounts/{account}/transactions", limit=5, **query)
        if answer is None or isinstance(answer, str):
            return answer
        return {"history": max(item["version"] for item in answer["items"])}

    def ask_search(self, client, account, query):
        answer = self.asked(client, f"/accounts/{account}/transactions", limit=5, q="tick*",
                            **query)
        if answer is None or isinstance(answer, str):
            return answer
        return {"search": max((item["version"] for item in answer["items"]), default=0)}

    def ask_statement(self, client, account, query):
        answer = self.asked(client, f"/accounts/{account}/statement", **DAY, **query)
        if answer is None or isinstance(answer, str):
            return answer
        return {"statement": answer["totals"]["count"]}

    def ask_list(self, client, account, query):
        answer = self.asked(client, "/accounts", **query)
        if answer is None or isinstance(answer, str):
            return answer
        for item in answer["items"]:
            if item["id"] == account:
                return {"listed version": item["version"], "listed position": item["position"]}
        return f"{account} is missing in {answer}"

    def ask_day(self, client, _account, query):
        answer = self.asked(client, "/reports/daily", **DAY, **query)
        if answer is None or isinstance(answer, str):
            return answer
        return {"day count": sum(item["creditCount"] for item in answer["items"])}

    # What happens to the read models meanwhile.

    def tell(self, model, verb, **body):
        with_client = Client(self.server.port, checked=False)
        try:
            answer = with_client.post(f"/v1/projections/{model}/{verb}", body)
        finally:
            with_client.close()
        if answer.status == 202:
            self.count(verb if not body.get("mode") else f"{verb} {body['mode']}")
        return answer

    def must(self, model, verb, **body):
        answer = self.tell(model, verb, **body)
        if answer.status != 202:
            self.fail(f"{verb} of {model} was answered {answer}")
        return answer.status == 202

    def generations(self, model):
        client = Client(self.server.port, checked=False)
        try:
            return client.get(f"/v1/projections/{model}")["generations"]
        finally:
            client.close()

    def role(self, model, name):
        found = [each for each in self.generations(model) if each["role"] == name]
        return found[0] if found else None

    def drop_others(self, model):
        for each in self.generations(model):
            if each["role"] != "live":
                self.must(model, "drop", generation=each["generation"])

    def built_and_promoted(self, model):
        """Side by side, promoted as soon as it may be."""
        self.drop_others(model)
        if not self.must(model, "rebuild", mode="side_by_side"):
            return False
        promoted = eventually(lambda: self.stop.is_set() or
                              self.tell(model, "promote").status == 202, BUILD_SECONDS_MAX)
        if not promoted:
            self.fail(f"the new generation of {model} was never promoted: "
                      f"{self.generations(model)}")
        return promoted and not self.stop.is_set()

    def disturb_side_by_side(self, model):
        if self.built_and_promoted(model):
            time.sleep(self.random.uniform(0.0, 0.5))
            if self.must(model, "rollback"):
                time.sleep(self.random.uniform(0.0, 0.5))
                self.must(model, "rollback")  # And forward again.

    def disturb_in_place(self, model):
        self.drop_others(model)  # A kill may have left one half built.
        if self.must(model, "rebuild", mode="in_place"):
            ready = eventually(lambda: self.stop.is_set() or
                               self.role(model, "live")["state"] == "running", BUILD_SECONDS_MAX)
            if not ready:
                self.fail(f"{model} was not rebuilt in place: {self.generations(model)}")

    def disturb_pause(self, model):
        if self.must(model, "pause"):
            time.sleep(0.3)
            self.must(model, "resume")

    def disturb_kill(self, model):
        """In the middle of a rebuild, half of the times."""
        if self.random.random() < 0.5:
            self.drop_others(model)
            self.must(model, "rebuild", mode=self.random.choice(("side_by_side", "in_place")))
            time.sleep(self.random.uniform(0.0, 0.2))
        self.away.set()
        self.server.restart()
        self.restarts += 1
        self.away.clear()
        self.count("kills")

    def disturb(self):
        kinds = [self.disturb_side_by_side, self.disturb_in_place, self.disturb_kill,
                 self.disturb_side_by_side, self.disturb_pause]
        end, turn = time.monotonic() + self.seconds, 0
        while not self.stop.is_set() and (time.monotonic() < end or turn < len(kinds)):
            model = MODELS[self.random.randrange(len(MODELS))]
            kinds[turn % len(kinds)](model)
            turn += 1
            time.sleep(self.random.uniform(0.1, 0.4))

    def fill(self, client):
        opened = client.open(id="bulk")
        assert opened.status == 201, opened
        for begin in range(0, BULK, BULK_EACH):
            events = [{"type": "MoneyDeposited",
                       "data": {"amount": "0.01", "currency": "USD", "reference": f"bulk {number}",
                                "balance_after": f"{number // 100}.{number % 100:02}"}}
                      for number in range(begin + 1, begin + BULK_EACH + 1)]
            answer = client.post("/v1/append",
                                 {"streams": [{"stream": "account-bulk", "events": events}]})
            assert answer.status == 200, answer

    def prepare(self):
        client = self.server.client()
        self.fill(client)
        for account in ACCOUNTS:
            answer = client.open(id=account)
            assert answer.status == 201, answer
            answer = client.deposit(account, "0.01", reference="tick", occurredAt="2021-01-01")
            self.written[account] = (answer["version"], answer["token"])
            for path in ("", "/transactions"):
                assert client.get(f"/accounts/{account}{path}",
                                  token=answer["token"]).status == 200
        client.close()

    def check_end(self):
        """At rest, everybody is shown everything."""
        client = self.server.client()
        for account, (version, token) in self.written.items():
            end = eventually(lambda a=account, t=token:
                             (lambda r: r if r.status == 200 else None)(client.account(a, token=t)))
            if not end or end["version"] < version:
                self.fail(f"{account} ended as {end}, not at version {version}")
        client.close()

    def go(self):
        self.prepare()
        threads = [threading.Thread(target=self.worker, args=(self.write, random.Random(number)))
                   for number in range(WRITERS)]
        threads += [threading.Thread(target=self.worker,
                                     args=(self.read, random.Random(100 + number), Seen(),
                                           number % 2 == 1))
                    for number in range(READERS)]
        for thread in threads:
            thread.start()
        try:
            self.disturb()
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()
        if not self.failures:
            self.check_end()
        self.server.close()
        print(", ".join(f"{self.done[what]} {what}" for what in sorted(self.done)))
        for text in self.failures[:5]:
            print("FAILED", text)
        wanted = ("reads", "writes", "promote", "rollback", "rebuild in_place", "kills")
        missing = [what for what in wanted if not self.done[what]]
        if missing and not self.failures:
            print("FAILED: it never came to", ", ".join(missing))
        return not self.failures and not missing


def main(seconds, seed=None):
    seed = random.randrange(2 ** 32) if seed is None else seed
    print(f"seed {seed}")
    return Run(seconds, seed).go()


if __name__ == "__main__":
    sys.exit(0 if main(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0,
                       int(sys.argv[2]) if len(sys.argv) > 2 else None) else 1)
