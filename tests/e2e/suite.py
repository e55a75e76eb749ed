"""Runs a folder of test cases, for the suites that are written in Python."""

import os
import sys
import unittest

from harness import program


def cases(suite):
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from cases(each)
        else:
            yield each


def run_cases(folder, names):
    """Runs the cases of `folder` whose name contains one of `names` (all, if there is none), and
    prints the counts. The suite's exit code."""
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    if not program().exists():
        print(f"skipped: there is no program at {program()}; build it with ./dev build")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    found = unittest.defaultTestLoader.discover(str(folder))
    wanted = [case for case in cases(found)
              if not names or any(name in case.id() for name in names)]
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(
        unittest.TestSuite(wanted))
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    for case, reason in result.skipped:
        print(f"skipped: {case.id()}: {reason}")
    print(f"{result.testsRun - failed - len(result.skipped)} passed, {failed} failed, "
          f"{len(result.skipped)} skipped")
    return 1 if failed else 0
