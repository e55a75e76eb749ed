"""Compilations: every public header alone, and a user's program within its budget of time."""

import concurrent.futures
import os
import pathlib
import resource
import subprocess

import rules

COMPILER = ["g++", "-std=c++23", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion",
            "-Wsign-conversion", "-Wshadow", "-Wold-style-cast", "-Werror"]
USER_PROGRAM = pathlib.Path(__file__).resolve().parent / "user_program.cpp"
USER_PROGRAM_LINES_MAX = 60
USER_PROGRAM_SECONDS_MAX = 2.0
TRIES = 3


def compile_alone(root, header):
    done = subprocess.run([*COMPILER, "-fsyntax-only", f"-I{root / 'include'}", "-x", "c++", "-"],
                          input=f'#include "{header}"\n', capture_output=True, text=True,
                          check=False)
    return done.stderr.splitlines()[:10] if done.returncode else []


def compile_seconds(root, program):
    """Processor seconds of one compilation, and what the compiler said when it failed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*COMPILER, "-O0", f"-I{root / 'include'}", "-c", str(program), "-o",
                           os.devnull], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return seconds, done.stderr.splitlines()[:10] if done.returncode else []


def user_program(root):
    """The program's lines and the best of three compilations. Processor time, not time on the
    clock: the machine may be busy with other tests."""
    lines = sum(1 for line in rules.lines_of(USER_PROGRAM)
                if line.strip() and not line.startswith("//"))
    if lines > USER_PROGRAM_LINES_MAX:
        return [f"{USER_PROGRAM.name} has {lines} lines of code, at most {USER_PROGRAM_LINES_MAX}."]
    best = float("inf")
    for _ in range(TRIES):
        seconds, errors = compile_seconds(root, USER_PROGRAM)
        if errors:
            return errors
        best = min(best, seconds)
        if best <= USER_PROGRAM_SECONDS_MAX:
            return []
    return [f"It took {best:.2f} s, at most {USER_PROGRAM_SECONDS_MAX:.1f} s are allowed."]


def run(root):
    """Yields (name of the case, findings)."""
    headers = [str(path.relative_to(root / "include"))
               for path in rules.files(root, (".h",), ("include",))]
    yield "a user's program of 60 lines compiles in 2 s", user_program(root)
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        found = pool.map(lambda header: compile_alone(root, header), headers)
        for header, findings in zip(headers, found):
            yield f"{header} compiles alone", findings
