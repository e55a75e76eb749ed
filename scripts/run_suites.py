#!/usr/bin/env python3
"""Runs every suite, prints a line for each and, last, the sum of their test cases.

A suite is one of two things:
  - a GoogleTest program that CTest knows (name ends in _test): counted from its JSON report;
  - an executable tests/NAME/run: its last line must read "N passed, N failed, N skipped".

Programs run side by side; the suites of tests/ run one after another, since they start servers and
measure. Each suite's output goes to <build>/reports/NAME.log, and is shown when it fails.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")
SUITE_SECONDS_MAX = 1800
ONLY_WHEN_NAMED = {"mutants"}  # Builds the tree again for each of its cases: .ci/run runs it.
LINES_SHOWN_MAX = 60


@dataclasses.dataclass
class Outcome:
    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    notes: list = dataclasses.field(default_factory=list)


def gtest_programs(build):
    """Name and path of each test program of the build, as CTest lists them."""
    listing = subprocess.run(["ctest", "--test-dir", str(build), "--show-only=json-v1"],
                             check=True, capture_output=True, text=True).stdout
    tests = json.loads(listing)["tests"]
    return sorted((test["name"], pathlib.Path(test["command"][0])) for test in tests
                  if test.get("command") and test["name"].endswith("_test"))


def script_suites():
    """Name and path of each suite in tests/."""
    return sorted((path.parent.name, path) for path in ROOT.glob("tests/*/run"))


def count_gtest(report, outcome):
    for suite in json.loads(report.read_text())["testsuites"]:
        for case in suite["testsuite"]:
            name = f"{suite['name']}.{case['name']}"
            if case.get("failures"):
                outcome.failed += 1
                outcome.notes.append(f"failed: {name}")
            elif case.get("result") in ("SKIPPED", "SUPPRESSED") or case["status"] == "NOTRUN":
                outcome.skipped += 1
                outcome.notes.append(f"skipped: {name}")
            else:
                outcome.passed += 1


def run_command(command, log, env):
    """Runs a command in its own process group; returns its code, or None when it took too long."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT, cwd=ROOT, env=env,
                                   start_new_session=True)
        try:
            return process.wait(timeout=SUITE_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return None


def describe_end(code):
    if code is None:
        return f"did not end within {SUITE_SECONDS_MAX} s"
    return f"ended by signal {-code}" if code < 0 else f"ended with code {code}"


def run_gtest(name, program, wrapper, reports, env):
    outcome, start = Outcome(name), time.monotonic()
    report, log = reports / f"{name}.json", reports / f"{name}.log"
    report.unlink(missing_ok=True)
    command = [*wrapper, str(program), f"--gtest_output=json:{report}", "--gtest_brief=1"]
    code = run_command(command, log, env)
    if report.exists():
        count_gtest(report, outcome)
    if code != 0 and outcome.failed == 0:
        outcome.failed += 1
        outcome.notes.append(f"failed: {name} {describe_end(code)}")
    if code == 0 and outcome.passed + outcome.skipped == 0:
        outcome.failed += 1
        outcome.notes.append(f"failed: {name} ran no test")
    outcome.seconds = time.monotonic() - start
    return outcome


def run_script(name, script, reports, env):
    outcome, start = Outcome(name), time.monotonic()
    log = reports / f"{name}.log"
    code = run_command([str(script)], log, env)
    lines = log.read_text(errors="replace").splitlines()
    match = COUNTS.match(lines[-1].strip()) if lines else None
    if match:
        outcome.passed, outcome.failed, outcome.skipped = map(int, match.groups())
        outcome.notes += [line for line in lines if line.startswith("skipped")]
    else:
        outcome.notes.append(f"failed: {name} did not print its counts; it {describe_end(code)}")
    if code != 0 and outcome.failed == 0 or not match:
        outcome.failed += 1
        outcome.notes.append(f"failed: {name} {describe_end(code)}")
    outcome.seconds = time.monotonic() - start
    return outcome


def show(outcome, reports):
    word = "FAILED" if outcome.failed else "ok"
    print(f"{word:7} {outcome.name:24} {outcome.passed:5} passed {outcome.failed:3} failed "
          f"{outcome.skipped:3} skipped {outcome.seconds:7.1f} s")
    for note in outcome.notes:
        print(f"          {note}")
    if outcome.failed:
        lines = (reports / f"{outcome.name}.log").read_text(errors="replace").splitlines()
        for line in lines[-LINES_SHOWN_MAX:]:
            print(f"        | {line}")
    sys.stdout.flush()


def tsan_wrapper(build):
    """TSan of GCC 12 can't place its shadow under a kernel's widest randomisation of addresses."""
    cache = (build / "CMakeCache.txt").read_text()
    if not re.search(r"^STELE_SANITIZE:\w+=.*thread", cache, re.MULTILINE):
        return []
    tried = subprocess.run(["setarch", "-R", "true"], capture_output=True, check=False)
    return ["setarch", "-R"] if tried.returncode == 0 else []


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--programs-only", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    build = args.build.resolve()
    reports = build / "reports"
    reports.mkdir(exist_ok=True)
    env = dict(os.environ, STELE_TEST_BIN=str(build / "bin" / "stele"), STELE_TEST_BUILD=str(build))
    wanted = lambda name: not args.names or any(part in name for part in args.names)

    total = Outcome("total")
    outcomes = []
    wrapper = tsan_wrapper(build)
    programs = [p for p in gtest_programs(build) if wanted(p[0])]
    jobs = int(os.environ.get("STELE_TEST_JOBS", os.cpu_count() or 1))
    with concurrent.futures.ThreadPoolExecutor(max_workers=jobs) as pool:
        running = [pool.submit(run_gtest, name, path, wrapper, reports, env)
                   for name, path in programs]
        for done in concurrent.futures.as_completed(running):
            outcomes.append(done.result())
            show(outcomes[-1], reports)
    if not args.programs_only:
        for name, script in script_suites():
            if wanted(name) and (args.names or name not in ONLY_WHEN_NAMED):
                outcomes.append(run_script(name, script, reports, env))
                show(outcomes[-1], reports)
    for outcome in outcomes:
        total.passed += outcome.passed
        total.failed += outcome.failed
        total.skipped += outcome.skipped
    if not outcomes:
        print(f"no suite has a name that contains one of: {' '.join(args.names)}")
        total.failed = 1
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
