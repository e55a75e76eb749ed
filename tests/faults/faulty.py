"""Servers that are treated badly, and clients that behave badly."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from harness import STOP_SECONDS_MAX, Server, program

EXIT = {"done": 0, "failed": 1, "usage": 2, "not_found": 4, "held": 5, "corrupt": 6,
        "read_only": 8, "sync_failed": 9, "interrupted": 130}


def faults_library():
    build = os.environ.get("STELE_TEST_BUILD")
    folder = pathlib.Path(build) / "bin" if build else program().parent
    return folder / "stele_faults.so"


class FaultyServer(Server):
    """`stele serve` behind `prefix` (such as prlimit), with settings as `variables`. With
    `faults`, its disk and clock obey `fault()`: see faults.cpp."""

    def __init__(self, prefix=(), variables=None, faults=False, flags=(), start=True):
        self.prefix = list(prefix)
        self.variables = dict(variables or {})
        self.faults = faults
        self.more_flags = list(flags)
        self.start_at_once = start
        super().__init__()

    def command(self):
        command = [*self.prefix, *super().command(), *self.more_flags]
        settings = [f"{name}={value}" for name, value in self.environment().items()]
        return ["env", *settings, *command]

    def environment(self):
        settings = dict(self.variables)
        if self.faults:
            settings["LD_PRELOAD"] = str(faults_library())
            settings["FAULTS_FILE"] = str(self.folder / "faults")
        return settings

    def start(self):
        if self.start_at_once:
            super().start()
        self.start_at_once = True

    def close(self):
        if self.process is not None:
            return super().close()
        return shutil.rmtree(self.folder, ignore_errors=True)

    def fault(self, *commands):
        """From now on these commands are in force, and no others."""
        fresh = self.folder / "faults.new"
        fresh.write_text("".join(command + "\n" for command in commands))
        fresh.rename(self.folder / "faults")

    def run_and_fail(self, seconds=STOP_SECONDS_MAX):
        """Starts it where it can't run; its exit code and what it said."""
        self.port = 1
        command = [part if part != "127.0.0.1:1" else "127.0.0.1:0" for part in self.command()]
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                               timeout=seconds, check=False, cwd=self.folder)
        return ended.returncode, ended.stderr

    def wait(self, seconds=STOP_SECONDS_MAX):
        code = self.process.wait(seconds)
        self.process.stdout.close()
        return code

    def memory(self):
        """Resident bytes now."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        for line in text.splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def verb(self, *arguments, seconds=60):
        """Another verb of the program on this folder."""
        return subprocess.run([str(program()), *arguments, "--data", str(self.data)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=seconds, check=False, cwd=self.folder)

    def segments(self):
        return sorted((self.data / "log").glob("*.seg"))

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)


class RawAnswer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def code(self):
        text = self.body.decode("utf-8")
        mark = '"code":"'
        at = text.find(mark)
        return text[at + len(mark):].split('"')[0] if at >= 0 else None

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Raw:
    """A plain connection: bytes out, answers in."""

    def __init__(self, port, seconds=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.kept = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))
        return self

    def fill(self):
        piece = self.socket.recv(65536)
        self.kept += piece
        return bool(piece)

    def until(self, mark):
        while mark not in self.kept:
            if not self.fill():
                return None
        text, self.kept = self.kept.split(mark, 1)
        return text

    def take(self, size):
        while len(self.kept) < size:
            if not self.fill():
                raise ConnectionError("the connection ended inside an answer")
        data, self.kept = self.kept[:size], self.kept[size:]
        return data

    def answer(self):
        """The next answer; None if the connection ended instead."""
        try:
            head = self.until(b"\r\n\r\n")
        except ConnectionResetError:
            return None
        if head is None:
            return None
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip()
                   for line in lines[1:]}
        if status == 100:
            return RawAnswer(100, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while True:
                size = int(self.until(b"\r\n"), 16)
                body += self.take(size)
                self.until(b"\r\n")
                if size == 0:
                    return RawAnswer(status, headers, body)
        return RawAnswer(status, headers, self.take(int(headers.get("content-length", 0))))

    def is_closed(self, seconds=10):
        """Whether the server ends the connection within that time, without another byte."""
        self.socket.settimeout(seconds)
        try:
            return not self.kept and self.socket.recv(65536) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False


def request(method, target, body=b"", *headers):
    lines = [f"{method} {target} HTTP/1.1", "Host: x", *headers]
    if body:
        lines += [f"Content-Length: {len(body)}", "Content-Type: application/json"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def eventually_closed(raw, seconds):
    """Seconds until the server ends the connection, whatever it sends before; None if it does
    not."""
    begin = time.monotonic()
    raw.socket.settimeout(0.2)
    while time.monotonic() - begin < seconds:
        try:
            if raw.socket.recv(1 << 20) == b"":
                return time.monotonic() - begin
        except TimeoutError:
            continue
        except ConnectionResetError:
            return time.monotonic() - begin
    return None
