"""A page of the docs as a session: its blocks run in order, in one shell, in a folder of its own.

In a block

    ```console
    $ curl -s localhost:8420/accounts/ada
    {"id":"ada","balance":"100.00",...}
    ```

lines that begin with "$ " are run (a line that ends with a backslash goes on), and the lines under
them are what must be printed; "..." stands for anything. A block of `sh` is run and must end with
0. A command that serves stays in the background once it says "ready". `8420` becomes a free port.
Before a block that a test can't run, the page says why:

    <!-- not run here: it fetches a package -->
"""

import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BLOCK = re.compile(r"^```(console|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_RUN = re.compile(r"<!-- not run here: (.+?) -->\s*$")
COMMAND_SECONDS_MAX = 300
READY_SECONDS_MAX = 600


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Mismatch(Exception):
    pass


class Session:
    """A folder, a shell and the servers that its commands started."""

    def __init__(self, serves, variables=None):
        """`serves` matches the commands that serve; `variables` go to every command."""
        self.serves = serves
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="stele-docs-"))
        self.port = free_port()
        self.servers = []
        self.env = dict(os.environ, STELE_URL=f"http://127.0.0.1:{self.port}", **(variables or {}))
        self.shell = subprocess.Popen(["bash", "--norc"], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      cwd=self.folder, start_new_session=True, bufsize=0,
                                      env=self.env)

    def close(self):
        self.shell.stdin.close()
        for process in [self.shell, *self.servers]:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, command):
        """Runs one command in the shell; returns its output and code."""
        mark = f"--- end {time.monotonic_ns()}"
        text = command.replace("8420", str(self.port))
        self.shell.stdin.write(
            f"{{ {text}\n}} </dev/null\nprintf '\\n%s %s\\n' '{mark}' $?\n".encode())
        deadline = time.monotonic() + COMMAND_SECONDS_MAX
        printed = ""
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self.shell.stdout], [], [], 1.0)
            if not ready:
                continue
            piece = os.read(self.shell.stdout.fileno(), 65536)
            if not piece:
                raise Mismatch(f"the shell ended at: {command}")
            printed += piece.decode(errors="replace")
            end = re.search(f"^{mark} (\\d+)\n", printed, re.MULTILINE)
            if end:
                self.wait_for_killed(command)
                output = printed[:end.start()].replace(str(self.port), "8420")
                return output.strip("\n"), int(end.group(1))
        raise Mismatch(f"took longer than {COMMAND_SECONDS_MAX} s: {command}")

    def wait_for_killed(self, command):
        """A killed process holds its folder until the system has cleared it away."""
        if command.startswith("kill "):
            self.servers[-1].wait(timeout=10)

    def serve(self, command):
        """Starts a server and waits until it says that it is ready."""
        log = self.folder / f"server-{len(self.servers)}.log"
        with log.open("w") as out:
            server = subprocess.Popen(["bash", "-c", command.replace("8420", str(self.port))],
                                      cwd=self.folder, stdout=out, stderr=subprocess.STDOUT,
                                      stdin=subprocess.DEVNULL, start_new_session=True,
                                      env=self.env)
        self.servers.append(server)
        deadline = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < deadline and server.poll() is None:
            for line in log.read_text(errors="replace").splitlines():
                if line.startswith("ready http://"):
                    return line.replace(str(self.port), "8420")
            time.sleep(0.05)
        raise Mismatch("the server did not say that it is ready:\n" +
                       log.read_text(errors="replace")[-2000:])


def matches(expected, actual):
    pattern = ".*?".join(re.escape(part) for part in expected.strip().split("..."))
    return re.fullmatch(pattern, actual.strip(), re.DOTALL) is not None


def steps_of(block):
    """(command, expected output) of each step of a transcript."""
    steps, continues = [], False
    for line in block.splitlines():
        if line.startswith("$ "):
            steps.append([line[2:], []])
        elif continues:
            steps[-1][0] += "\n" + line
        elif steps:
            steps[-1][1].append(line)
        continues = line.endswith("\\") and bool(steps) and not steps[-1][1]
    return [(command, "\n".join(expected)) for command, expected in steps]


def run_console(session, block):
    for command, expected in steps_of(block):
        if session.serves.match(command):
            output = session.serve(command)
        else:
            output, _ = session.run(command)
        if not matches(expected, output):
            raise Mismatch(f"$ {command}\nexpected:\n{expected}\nprinted:\n{output}")


def run_block(session, kind, block):
    if kind == "console":
        run_console(session, block)
        return
    for command in block.replace("\\\n", " ").splitlines():
        if not command.strip() or command.startswith("#"):
            continue
        output, code = session.run(command)
        if code != 0:
            raise Mismatch(f"$ {command}\nended with {code}:\n{output}")


def blocks_of(text):
    """(line, kind, block, why a test can't run it or None) of each block of a page."""
    for match in BLOCK.finditer(text):
        reason = NOT_RUN.search(text[:match.start()])
        line = text.count("\n", 0, match.start()) + 1
        yield line, match.group(1), match.group(2), reason.group(1) if reason else None
