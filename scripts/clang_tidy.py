#!/usr/bin/env python3
"""Runs clang-tidy-19 over every .cpp of the build's list, and remembers what it found clean.

A file's key is a hash over its bytes, the bytes of every header of ours that it includes (directly
or not), its compile command without the tree's own path, .clang-tidy and the tool's version. A key
that was found clean once is clean for ever, in any clone: the memory is a folder of empty files,
${DEV_CACHE:-~/.cache/stele}/clang-tidy.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOL = "clang-tidy-19"
INCLUDE = re.compile(rb'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
SEARCH = [ROOT / "include", ROOT / "src", ROOT / "apps", *(ROOT / "apps").glob("*/"), ROOT]


def closure(source):
    """The file and every header of ours that it reaches."""
    seen, open_files = set(), [source]
    while open_files:
        path = open_files.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in INCLUDE.findall(path.read_bytes()):
            for folder in [path.parent, *SEARCH]:
                header = folder / os.fsdecode(name)
                if header.is_file():
                    open_files.append(header.resolve())
                    break
    return sorted(seen)


def key_of(source, command, version):
    digest = hashlib.sha256()
    digest.update(version)
    digest.update((ROOT / ".clang-tidy").read_bytes())
    digest.update(command.replace(str(ROOT), ".").encode())
    for path in closure(source):
        digest.update(os.fsencode(path.relative_to(ROOT)) + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def analyse(source, build):
    done = subprocess.run([TOOL, "-p", str(build), "--quiet",
                           "--extra-arg=-Wno-unknown-warning-option", str(source)],
                          capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("names", nargs="*", help="only files whose path contains one of these")
    args = parser.parse_args()
    home = os.environ.get("DEV_CACHE") or os.path.expanduser("~/.cache/stele")
    memory = pathlib.Path(home) / "clang-tidy"
    memory.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([TOOL, "--version"], capture_output=True, check=True).stdout

    work, clean = [], 0
    for entry in json.loads((args.build / "compile_commands.json").read_text()):
        source = pathlib.Path(entry["file"]).resolve()
        if not source.is_relative_to(ROOT) or source.is_relative_to(ROOT / "build"):
            continue
        if args.names and not any(name in str(source) for name in args.names):
            continue
        key = memory / key_of(source, entry["command"], version)
        if key.exists():
            clean += 1
        else:
            work.append((source, key))

    bad = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=args.jobs) as pool:
        running = {pool.submit(analyse, source, args.build): (source, key) for source, key in work}
        for done in concurrent.futures.as_completed(running):
            source, key = running[done]
            good, text = done.result()
            if good:
                key.touch()
            else:
                bad += 1
                print(f"--- {source.relative_to(ROOT)}\n{text}", flush=True)
    print(f"clang-tidy: {clean + len(work)} files, {clean} known to be clean, "
          f"{len(work)} looked at, {bad} with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
