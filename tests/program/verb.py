"""Runs verbs of the program in a folder of their own."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from harness import program

VERB_SECONDS_MAX = 120


class VerbCase(unittest.TestCase):
    """`self.folder` is new for each case, and the working directory of its verbs."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="stele-verb-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def verb(self, *words, stdin=None, variables=None, binary=False, **options):
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("STELE_", "LC_", "LANG"))}
        environment.update(variables or {})
        if isinstance(stdin, str):
            stdin = stdin.encode()
        done = subprocess.run([str(program()), *map(str, words)], input=stdin or b"",
                              capture_output=True, cwd=self.folder, env=environment,
                              timeout=VERB_SECONDS_MAX, **options)
        if not binary:
            done.stdout = done.stdout.decode()
        done.stderr = done.stderr.decode(errors="replace")
        return done

    def must(self, *words, **options):
        done = self.verb(*words, **options)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}")
        return done

    def append(self, data, *requests):
        """Appends requests of POST /v1/append to a folder; their answers."""
        lines = "".join(json.dumps(one) + "\n" for one in requests)
        done = self.verb("append", "--ndjson", "--data", data, stdin=lines)
        self.assertIn(done.returncode, (0, 3), done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def problem(self, done):
        return json.loads(done.stderr)


def one_event(stream, data=None, **more):
    return {"streams": [{"stream": stream, "events": [{"type": "Noted", "data": data or {}}]}],
            **more}
