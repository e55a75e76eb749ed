"""A server under test, and a client that holds every answer against /openapi.json."""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
READY_SECONDS_MAX = 20
STOP_SECONDS_MAX = 20
REQUEST_SECONDS_MAX = 70  # Above the longest deadline that a request may ask for.


def program():
    """The program under test: of the test run's build, or of the release build."""
    built = ROOT / "build" / "release" / "bin" / "stele"
    return pathlib.Path(os.environ.get("STELE_TEST_BIN", built))


def scale():
    return float(os.environ.get("STELE_TEST_SCALE", "1"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """`stele serve` on a folder of its own. Started at once; `kill` and `start` as often as one
    likes; the folder goes with `close`."""

    def __init__(self):
        self.flags = []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="stele-e2e-"))
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.process = None
        self.start()

    def command(self):
        return [str(program()), "serve", "--data", str(self.data), "--listen",
                f"127.0.0.1:{self.port}", *self.flags]

    def start(self):
        self.port = free_port()
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("STELE_")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log, text=True,
                                            cwd=self.folder, env=environment)
        watchdog = threading.Timer(READY_SECONDS_MAX, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline().strip()
        watchdog.cancel()
        if line != f"ready http://127.0.0.1:{self.port}":
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"the server said {line!r} instead of ready; its log ends:\n"
                               + self.log_end())

    def log_end(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self, number=signal.SIGTERM):
        """Asks the server to end; returns its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(STOP_SECONDS_MAX)
        self.process.stdout.close()
        return code

    def restart(self):
        self.kill()
        self.start()

    def close(self):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self):
        return Client(self.port)


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json.get("code")

    def __getitem__(self, name):
        return self.json[name]

    def __repr__(self):
        return f"{self.status} {self.body[:600]!r}"


class Contract:
    """/openapi.json, as a judge of answers."""

    def __init__(self, document):
        self.document = document
        self.resolver = jsonschema.RefResolver.from_schema(document)
        self.patterns = []
        for pattern, operations in document["paths"].items():
            expression = re.sub(r"\{[^}]+\}", "[^/]+", pattern)
            self.patterns.append((re.compile(expression + "$"), pattern.count("{"), operations))
        self.patterns.sort(key=lambda each: each[1])  # A literal segment goes before a parameter.

    def operation(self, method, path):
        for expression, _, operations in self.patterns:
            if expression.match(path):
                return operations.get(method.lower())
        return None

    def check(self, method, path, answer):
        media_type = answer.headers.get("Content-Type", "").split(";")[0]
        if answer.status >= 400 and method != "HEAD":
            self.check_problem(answer, media_type)
        operation = self.operation(method, path)
        if operation is None:
            return
        documented = operation["responses"].get(str(answer.status))
        if documented is None:
            # What any route may answer, before it is even looked at.
            assert answer.status in (405, 413, 415, 431), f"undocumented: {method} {path} {answer}"
            return
        content = documented.get("content", {})
        if not content or method == "HEAD":
            return
        assert media_type in content, f"{media_type} is not documented for {method} {path}"
        if media_type.endswith("json"):
            jsonschema.Draft202012Validator(content[media_type]["schema"],
                                            resolver=self.resolver).validate(answer.json)

    def check_problem(self, answer, media_type):
        assert media_type == "application/problem+json", answer
        problem = answer.json
        schema = self.document["components"]["schemas"]["Problem"]
        jsonschema.Draft202012Validator(schema, resolver=self.resolver).validate(problem)
        assert problem["status"] == answer.status, answer
        assert problem["type"] == "/problems/" + problem["code"], answer
        if answer.status == 503:
            assert "Retry-After" in answer.headers, answer


class Client:
    """One connection that stays open. Not for two threads."""

    contracts = {}  # By port.

    def __init__(self, port, checked=True):
        self.port = port
        self.checked = checked
        self.connection = http.client.HTTPConnection("127.0.0.1", port,
                                                     timeout=REQUEST_SECONDS_MAX)

    def close(self):
        self.connection.close()

    def contract(self):
        if self.port not in Client.contracts:
            document = json.loads(self.raw("GET", "/openapi.json").body)
            Client.contracts[self.port] = Contract(document)
        return Client.contracts[self.port]

    def raw(self, method, target, body=None, headers=None):
        self.connection.request(method, target, body=body, headers=headers or {})
        answer = self.connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    def request(self, method, target, body=None, headers=None):
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        if isinstance(body, str):
            body = body.encode()
        answer = self.raw(method, target, body, headers)
        if self.checked:
            self.contract().check(method, target.split("?")[0], answer)
        return answer

    def get(self, target, headers=None, **query):
        if query:
            target += "?" + urllib.parse.urlencode(query)
        return self.request("GET", target, headers=headers)

    def post(self, target, body=None, headers=None, key=None):
        headers = dict(headers or {})
        if key is not None:
            headers["Idempotency-Key"] = key
        return self.request("POST", target, body if body is not None else {}, headers)

    # The bank, in short.

    def open(self, **body):
        body.setdefault("ownerName", "Ada")
        return self.post("/accounts", body)

    def new(self, deposit=None, **body):
        """Opens an account and returns its id."""
        if deposit is not None:
            body["initialDeposit"] = deposit
        answer = self.open(**body)
        assert answer.status == 201, answer
        return answer["id"]

    def deposit(self, account, amount, key=None, **body):
        return self.post(f"/accounts/{account}/deposit", {"amount": amount, **body}, key=key)

    def withdraw(self, account, amount, key=None, **body):
        return self.post(f"/accounts/{account}/withdraw", {"amount": amount, **body}, key=key)

    def transfer(self, account, to, amount, key=None, **body):
        return self.post(f"/accounts/{account}/transfer", {"to": to, "amount": amount, **body},
                         key=key)

    def shut(self, account, **body):
        return self.post(f"/accounts/{account}/close", body)

    def account(self, account, **query):
        return self.get(f"/accounts/{account}", **query)

    def history(self, account, **query):
        return self.get(f"/accounts/{account}/transactions", **query)

    def fresh(self, answer):
        """The account that a command's answer is about, as new as that command."""
        return self.account(answer["id"], token=answer["token"])

    def pages(self, target, **query):
        """Every item of a list, and how many pages there were."""
        items, count, cursor = [], 0, None
        while True:
            page = self.get(target, **query, **({"cursor": cursor} if cursor else {}))
            assert page.status == 200, page
            items += page["items"]
            count += 1
            cursor = page["next"]
            if cursor is None:
                return items, count


class ServerCase(unittest.TestCase):
    """A case with a client of its own, of the server that its module has started:
    `setUpModule` and `tearDownModule` call `start_server` and `stop_server`."""

    server = None  # One for all cases of a module.

    def setUp(self):
        self.client = ServerCase.server.client()

    def tearDown(self):
        self.client.close()

    def refused(self, answer, status, code, **members):
        self.assertEqual((answer.status, answer.code), (status, code), answer)
        for name, value in members.items():
            self.assertEqual(answer[name], value, answer)

    def shows(self, answer, **members):
        self.assertEqual(answer.status, 200, answer)
        for name, value in members.items():
            self.assertEqual(answer[name], value, (name, answer))


def start_server():
    ServerCase.server = Server()
    return ServerCase.server


def stop_server():
    ServerCase.server.close()
    ServerCase.server = None


def eventually(check, seconds=10):
    """Calls `check` until it gives something true; returns that."""
    end = time.monotonic() + seconds
    while True:
        result = check()
        if result or time.monotonic() > end:
            return result
        time.sleep(0.02)
