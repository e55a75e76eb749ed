"""The command line: help, what was meant, exit codes, problems, completion."""

import json
import os
import pty
import shutil
import subprocess

from harness import Server, free_port, program
from verb import VerbCase, one_event

VERBS = ("serve", "append", "read", "tail", "stream", "projection", "consumer", "import", "export",
         "verify", "repair", "doctor", "bench", "completion")


class CommandLine(VerbCase):
    def test_help_names_every_verb_and_every_verb_has_help(self):
        told = self.must("--help").stdout
        for verb in VERBS:
            self.assertIn(f"\n  {verb} ", told)
            self.assertIn("Usage", self.must(verb, "--help").stdout)

    def test_an_unknown_verb_or_flag_names_the_nearest(self):
        for words, nearest in ((("exprt",), '"export"'), (("bench", "reed"), '"read"'),
                               (("projection", "lst"), '"list"'), (("read", "--limt", "3"),
                                                                    "--limit")):
            done = self.verb(*words)
            self.assertEqual(done.returncode, 2)
            self.assertIn(nearest, done.stderr)
            self.assertIn("--help`", done.stderr)

    def test_a_wrong_usage_is_a_problem_object_with_json(self):
        for words in (("nope",), ("read", "--after", "minus"), ("append", "only-stream"),
                      ("import", "f"), ("import", "--restore", "f"), ("read", "--nope"),
                      ("export", "--resume", "--data", "d")):
            done = self.verb(*words, "--json")
            self.assertEqual(done.returncode, 2, words)
            problem = self.problem(done)
            self.assertEqual(problem["status"], 400)
            self.assertEqual(problem["type"], "/problems/" + problem["code"])
            self.assertEqual(done.stdout, "")

    def test_every_client_verb_refuses_a_variable_that_nobody_knows(self):
        for words in (("read",), ("export",), ("verify",), ("append", "a-1", "T")):
            done = self.verb(*words, "--data", "d", variables={"STELE_ULR": "x"})
            self.assertEqual(done.returncode, 2)
            self.assertIn("the nearest is STELE_URL", done.stderr)

    def test_the_exit_code_says_what_happened(self):
        self.append("d", one_event("account-1"))
        codes = {
            3: ("append", "account-1", "T", "--expected", "none", "--data", "d"),
            4: ("stream", "nobody-1", "--data", "d"),
            2: ("append", "account-1", "T", "not JSON", "--data", "d"),
            0: ("stream", "account-1", "--data", "d"),
            10: ("read", "--url", f"http://127.0.0.1:{free_port()}"),
        }
        for code, words in codes.items():
            done = self.verb(*words, "--json")
            self.assertEqual(done.returncode, code, words)
            if code in (2, 3, 10):
                self.assertIn("status", self.problem(done))
        self.assertEqual(self.verb("read", "--data", "none-here").returncode, 4)
        path, = (self.folder / "d/log").glob("*.seg")
        data = bytearray(path.read_bytes())
        data[20] ^= 1
        path.write_bytes(bytes(data))
        self.assertEqual(self.verb("verify", "--data", "d").returncode, 6)
        self.assertEqual(self.verb("read", "--data", "d").returncode, 6)

    def test_a_folder_that_is_held_names_the_process(self):
        server = Server()
        self.addCleanup(server.close)
        for words in (("serve", "--listen", "127.0.0.1:0"), ("read",), ("export",), ("verify",),
                      ("append", "a-1", "T")):
            done = self.verb(*words, "--data", server.data)
            self.assertEqual(done.returncode, 5, words)
            self.assertIn(str(server.process.pid), done.stderr)

    def test_serve_refuses_a_port_that_is_taken_and_a_folder_that_is_not_ours(self):
        server = Server()
        self.addCleanup(server.close)
        done = self.verb("serve", "--data", "d", "--listen", f"127.0.0.1:{server.port}")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"127.0.0.1:{server.port}", done.stderr)
        (self.folder / "other/log").mkdir(parents=True)
        (self.folder / "other/log/syslog").write_text("x")
        done = self.verb("serve", "--data", "other", "--listen", "127.0.0.1:0")
        self.assertEqual(done.returncode, 2)
        self.assertIn("is not a log's folder", done.stderr)

    def test_a_bar_is_drawn_on_a_terminal(self):
        self.append("d", *[one_event("account-1", {"x": "y" * 2000}) for _ in range(2000)])
        shown = self.on_terminal("export", "--data", "d", "--out", "f.ndjson")
        self.assertIn("%", shown)
        self.assertIn("events", shown)
        self.assertIn("/s", shown)

    def on_terminal(self, *words):
        """What a terminal on standard error would show."""
        master, slave = pty.openpty()
        process = subprocess.Popen([program(), *words], cwd=self.folder, stderr=slave,
                                   stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        os.close(slave)
        shown = b""
        while True:
            try:
                piece = os.read(master, 4096)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        os.close(master)
        self.assertEqual(process.wait(60), 0)
        return shown.decode(errors="replace")


class Completion(VerbCase):
    def complete(self, *words):
        """What bash offers for the last word."""
        script = ('source <("$0" completion bash); COMP_WORDS=("$0" "$@"); COMP_CWORD=$#; '
                  '_stele; printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "-c", script, program(), *words], capture_output=True,
                              text=True, cwd=self.folder, timeout=60)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_verbs_and_flags(self):
        self.assertEqual(self.complete("ex"), ["export"])
        self.assertEqual(set(self.complete("")), set(VERBS))
        self.assertEqual(self.complete("projection", "reb"), ["rebuild"])
        self.assertEqual(self.complete("export", "--res"), ["--resume"])
        self.assertEqual(self.complete("bench", ""), ["append", "read"])

    def test_values(self):
        self.assertEqual(self.complete("append", "a-1", "T", "--expected", "n"), ["none"])
        self.assertEqual(self.complete("completion", ""), ["bash", "fish", "zsh"])
        (self.folder / "backup.ndjson").write_text("")
        (self.folder / "backups").mkdir()
        self.assertEqual(set(self.complete("import", "back")), {"backup.ndjson", "backups"})
        self.assertEqual(self.complete("read", "--data", "back"), ["backups"])

    def test_names_of_a_running_server(self):
        server = Server()
        self.addCleanup(server.close)
        url = f"http://127.0.0.1:{server.port}"
        names = {one["name"] for one in json.loads(
            self.must("projection", "list", "--url", url, "--json").stdout)["items"]}
        self.assertGreater(len(names), 0)
        self.assertEqual(set(self.complete("projection", "status", "--url", url, "")), names)

    def test_every_script_is_good_in_its_shell(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.must("completion", shell).stdout
            self.assertIn("__complete", script)
            if shutil.which(shell) is None:
                continue
            done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
