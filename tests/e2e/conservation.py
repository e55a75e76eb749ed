#!/usr/bin/env python3
"""Money is neither made nor lost: transfers over few hot accounts, over HTTP, while the server is
killed and started again.

Each worker sends one transfer at a time, with a key of its own, and asks again with that key until
it has an answer, however often the server dies in between. So it knows which transfers happened,
exactly, and at the end every balance, every history and the sum of all must be what it knows.

usage: conservation.py [SECONDS]     (default 20)
"""

import http.client
import random
import sys
import threading
import time

from harness import Client, Server

ACCOUNTS = 5
WORKERS = 8
KILL_SECONDS = (1.0, 3.0)  # Between two kills.
INITIAL = 1_000_00  # Cents in each account.
RETRY_SECONDS_MAX = 60


def decimal(cents):
    return f"{cents // 100}.{cents % 100:02}"


class Run:
    def __init__(self, seconds, seed):
        self.end = time.monotonic() + seconds
        self.random = random.Random(seed)
        self.server = Server()
        self.lock = threading.Lock()
        self.failures = []
        self.accepted = []  # (payer, payee, amount, fee), in cents; guarded by lock.
        self.rejected = 0   # Guarded by lock.
        self.repeated = 0   # Guarded by lock.
        self.kills = 0

    def fail(self, text):
        with self.lock:
            self.failures.append(text)

    def send_until_answered(self, path, body, key):
        """The answer to a command, however long the server is away."""
        end = time.monotonic() + RETRY_SECONDS_MAX
        client = None
        while time.monotonic() < end:
            try:
                client = client or Client(self.server.port, checked=False)
                answer = client.post(path, body, key=key)
                if answer.status != 503:
                    client.close()
                    return answer
            except (OSError, http.client.HTTPException):
                pass
            if client is not None:
                client.close()
            client = None
            time.sleep(0.02)
        raise TimeoutError(f"no answer to {path} with key {key}")

    def transfer(self, worker, number, rng):
        payer, payee = rng.sample(range(ACCOUNTS), 2)
        amount, fee = rng.randint(1, 400_00), rng.choice((0, 0, 25))
        answer = self.send_until_answered(
            f"/accounts/hot{payer}/transfer",
            {"to": f"hot{payee}", "amount": decimal(amount), "fee": decimal(fee)},
            f"worker-{worker}-{number}")
        with self.lock:
            if answer.status == 200:
                self.accepted.append((payer, payee, amount, fee))
                self.repeated += "Idempotent-Replayed" in answer.headers
            elif answer.status == 422 and answer.code == "insufficient_funds":
                self.rejected += 1
            else:
                self.failures.append(f"unexpected answer: {answer}")

    def work(self, worker, seed):
        rng = random.Random(seed)
        number = 0
        try:
            while time.monotonic() < self.end and not self.failures:
                self.transfer(worker, number, rng)
                number += 1
        except Exception as error:  # A thread must tell, not vanish.
            self.fail(f"worker {worker}: {error!r}")

    def kill_now_and_then(self):
        while time.monotonic() < self.end and not self.failures:
            time.sleep(self.random.uniform(*KILL_SECONDS))
            try:
                self.server.restart()
                self.kills += 1
            except Exception as error:
                self.fail(f"restart: {error!r}")

    def check(self):
        balances, legs = [INITIAL] * ACCOUNTS, [1] * ACCOUNTS
        for payer, payee, amount, fee in self.accepted:
            balances[payer] -= amount + fee
            balances[payee] += amount
            legs[payer] += 1
            legs[payee] += 1
        client = self.server.client()
        total = 0
        for account in range(ACCOUNTS):
            path = f"/accounts/hot{account}"
            written = client.deposit(f"hot{account}", "0.01", key=f"last-{account}")
            shown = client.fresh(written)
            found = round(float(shown["balance"]) * 100) - 1
            total += found
            self.expect(f"balance of {account}", found, balances[account])
            self.expect(f"version of {account}", shown["version"], legs[account] + 1)
            items, _ = client.pages(path + "/transactions", limit=1000, token=written["token"])
            self.expect(f"history of {account}", len(items), legs[account] + 1)
            self.expect(f"events of {account}", len({item["eventId"] for item in items}),
                        len(items))
            folded = client.account(f"hot{account}", atVersion=shown["version"])
            self.expect(f"fold of {account}", folded.json, shown.json)
        fees = sum(fee for _, _, _, fee in self.accepted)
        self.expect("sum", total, INITIAL * ACCOUNTS - fees)
        client.close()

    def expect(self, what, found, wanted):
        if found != wanted:
            self.fail(f"{what}: found {found}, expected {wanted}")

    def run(self):
        client = self.server.client()
        for account in range(ACCOUNTS):
            client.new(decimal(INITIAL), id=f"hot{account}")
        client.close()
        threads = [threading.Thread(target=self.work, args=(number, self.random.random()))
                   for number in range(WORKERS)]
        threads.append(threading.Thread(target=self.kill_now_and_then))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if not self.failures:
            self.check()


def main(seconds):
    seed = random.randrange(2 ** 32)
    run = Run(seconds, seed)
    try:
        run.run()
    finally:
        log = run.server.log_end()
        run.server.close()
    print(f"conservation: {len(run.accepted)} transfers accepted ({run.repeated} of them answered "
          f"from the log), {run.rejected} rejected, {run.kills} kills, {seconds:g} s, seed {seed}")
    for failure in run.failures[:10]:
        print("failed:", failure)
    if run.failures:
        print("the server's log ends:", log, sep="\n")
    return not run.failures


if __name__ == "__main__":
    sys.exit(0 if main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0) else 1)
