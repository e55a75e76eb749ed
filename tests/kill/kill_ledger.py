#!/usr/bin/env python3
"""Kills a program that appends to a log, again and again, and proves that nothing is lost.

log_writer appends under load and says on a pipe what it asks for, what was acknowledged, and what
its reader saw. This script keeps those lines (the ledger lies outside the process and outlives it),
sends SIGKILL at a random moment, also while the log is being opened, then reads the whole log back
with another process and compares:

  acknowledged   every acknowledged append is there whole, at its positions, byte for byte
  whole          an append that was not acknowledged is there whole or not at all
  order          positions and versions have no gap and no repetition
  seen           what a reader saw, and what an earlier look found, never changes
  replay         an acknowledged append that is asked for again is answered "replayed"; a doubtful
                 one is answered, and stands in the log once

The last line reads `N passed, N failed, N skipped`, one case for each of the five.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

CASES = ("acknowledged", "whole", "order", "seen", "replay")
EVENTS_MAX = 300_000  # Events in one log; then a new one is begun.
RETRIES_MAX = 60  # Appends that one round asks for again.
OPEN_SECONDS_MAX = 60  # A log that is not open by then has failed.


class Failure(Exception):
    def __init__(self, case, text):
        super().__init__(text)
        self.case = case


class Ledger:
    """What one log must hold, as seen from outside."""

    def __init__(self):
        self.asked = {}  # id -> (the S line, digests of its events)
        self.acknowledged = {}  # id -> (first, last)
        self.doubtful = set()  # Asked for, no answer seen.
        self.seen = []  # (first, last, sum of digests)
        self.events = []  # What the last look found: (id, stream, version, digest).

    def take(self, line, retried):
        words = line.split()
        letter = words[0]
        if letter == "S":
            if words[1] not in self.asked:
                self.asked[words[1]] = (line, [int(word) for word in words[4:]])
            if words[1] not in self.acknowledged:
                self.doubtful.add(words[1])
        elif letter == "A":
            place = (int(words[2]), int(words[3]))
            known = self.acknowledged.get(words[1])
            if known is not None and known != place:
                raise Failure("replay", f"{words[1]} was at {known} and is answered {place}")
            if words[1] in retried and known is not None and words[4] != "1":
                raise Failure("replay", f"{words[1]} was acknowledged, but not as a replay")
            self.acknowledged[words[1]] = place
            self.doubtful.discard(words[1])
        elif letter == "C":
            if words[1] in self.acknowledged:
                raise Failure("replay", f"{words[1]} was acknowledged and is now refused")
            self.doubtful.discard(words[1])
            self.asked.pop(words[1], None)
        elif letter == "R":
            self.seen.append((int(words[1]), int(words[2]), int(words[3])))
        elif letter == "U":
            raise Failure("acknowledged", f"append {words[1]} failed: {words[2]}")

    def compare(self, events):
        """`events` is the whole log, by position from 1: (id, stream, version, digest)."""
        self.compare_seen(events)
        versions = {}
        places = {}
        for position, (append, stream, version, digest) in enumerate(events, 1):
            if version != versions.get(stream, 0) + 1:
                raise Failure("order", f"{stream} goes from {versions.get(stream, 0)} to {version}")
            versions[stream] = version
            places.setdefault(append, []).append((position, digest))
        for append, found in places.items():
            if append not in self.asked:
                raise Failure("whole",
                              f"{append} is in the log, but was refused or never asked for")
            positions = [position for position, _ in found]
            if positions != list(range(positions[0], positions[0] + len(positions))):
                raise Failure("whole", f"{append} is not in one piece: {positions}")
            if [digest for _, digest in found] != self.asked[append][1]:
                raise Failure("whole", f"{append} holds other bytes or another number of events")
            known = self.acknowledged.get(append)
            if known is not None and known != (positions[0], positions[-1]):
                raise Failure("acknowledged", f"{append} moved from {known} to {positions}")
        for append, place in self.acknowledged.items():
            if append not in places:
                raise Failure("acknowledged", f"{append}, acknowledged at {place}, is lost")
        self.events = events

    def compare_seen(self, events):
        if events[: len(self.events)] != self.events:
            raise Failure("seen", "the log's beginning is not what it was")
        sums = [0]
        for _, _, _, digest in events:
            sums.append((sums[-1] + digest) % 2**64)
        for first, last, total in self.seen:
            if last > len(events) or (sums[last] - sums[first - 1]) % 2**64 != total:
                raise Failure("seen", f"a reader saw other events from {first} to {last}")
        self.seen = []


class Test:
    def __init__(self, arguments):
        self.arguments = arguments
        self.random = random.Random(arguments.seed)
        self.rounds = self.logs = self.acknowledged = self.doubtful = self.early = 0

    def write(self, data, ledger):
        """One round: opens, appends, kills. Returns when every line of it is in the ledger."""
        retried = self.retry_file(data, ledger)
        command = [self.arguments.writer, "write", "--data", data, "--threads",
                   str(self.arguments.threads), "--seed", str(self.random.randrange(2**40)),
                   "--retry", data + ".retry"]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        opened = threading.Event()
        errors = []

        def collect():
            for line in child.stdout:
                try:
                    if line.startswith("O"):
                        opened.set()
                    elif line.endswith("\n"):
                        ledger.take(line.strip(), retried)
                except Failure as failure:
                    errors.append(failure)

        reader = threading.Thread(target=collect)
        reader.start()
        if self.random.random() < 0.25:
            time.sleep(self.random.random() * 0.03)  # While it opens, or just after.
            self.early += 1
        else:
            if not opened.wait(OPEN_SECONDS_MAX):
                child.kill()
                raise Failure("acknowledged", "the log could not be opened")
            time.sleep(self.random.random() * self.random.choice([0.05, 0.5, 2.0]))
        ended = child.poll()
        child.send_signal(signal.SIGKILL)
        child.wait()
        reader.join()
        if errors:
            raise errors[0]
        if ended is not None:
            raise Failure("acknowledged", f"the writer ended by itself with {ended}")

    def retry_file(self, data, ledger):
        doubtful = sorted(ledger.doubtful)[:RETRIES_MAX]
        known = sorted(ledger.acknowledged)
        chosen = doubtful + self.random.sample(known, min(len(known), RETRIES_MAX))
        with open(data + ".retry", "w", encoding="ascii") as out:
            for append in chosen:
                out.write(ledger.asked[append][0] + "\n")
        return set(chosen)

    def look(self, data):
        events = []
        command = [self.arguments.writer, "dump", "--data", data]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            for line in child.stdout:
                words = line.split()
                if int(words[1]) != len(events) + 1:
                    raise Failure("order", f"position {words[1]} comes after {len(events)}")
                events.append((words[2], words[3], int(words[4]), int(words[6])))
        if child.returncode != 0:
            raise Failure("acknowledged",
                          f"the log cannot be read: dump ended with {child.returncode}")
        return events

    def run(self, folder):
        until = time.monotonic() + self.arguments.seconds
        while time.monotonic() < until:
            data = os.path.join(folder, f"log-{self.logs}")
            self.logs += 1
            ledger = Ledger()
            while time.monotonic() < until and len(ledger.events) < EVENTS_MAX:
                self.write(data, ledger)
                ledger.compare(self.look(data))
                self.rounds += 1
            self.acknowledged += len(ledger.acknowledged)
            self.doubtful += len(ledger.doubtful)
            shutil.rmtree(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writer", required=True, help="the program log_writer")
    parser.add_argument("--seconds", type=float, default=60, help="how long (default 60)")
    parser.add_argument("--seed", type=int, default=None, help="of a run to repeat")
    parser.add_argument("--threads", type=int, default=6, help="that append at once (default 6)")
    parser.add_argument("--data", default=None, help="a folder to work in (default: a new one)")
    arguments = parser.parse_args()
    if not os.access(arguments.writer, os.X_OK):
        print(f"skipped: {arguments.writer} is not built")
        print(f"0 passed, 0 failed, {len(CASES)} skipped")
        return 0
    if arguments.seed is None:
        arguments.seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {arguments.seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="stele-kill-", dir=arguments.data)
    test = Test(arguments)
    try:
        test.run(folder)
    except Failure as failure:
        print(f"FAILED {failure.case}: {failure}")
        print(f"after {test.rounds} rounds; the log is kept in {folder}; "
              f"repeat with --seed {arguments.seed}")
        print(f"{len(CASES) - 1} passed, 1 failed, 0 skipped")
        return 1
    shutil.rmtree(folder)
    print(f"{test.rounds} kills ({test.early} while opening) over {test.logs} logs: "
          f"{test.acknowledged} appends acknowledged and found, "
          f"{test.doubtful} in doubt at the end")
    if test.acknowledged == 0:
        print("FAILED acknowledged: not one append was acknowledged; give it more --seconds")
        print("0 passed, 1 failed, 0 skipped")
        return 1
    print(f"{len(CASES)} passed, 0 failed, 0 skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
