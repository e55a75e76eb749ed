"""The rules. Each takes the root of a tree and returns its findings, one sentence each."""

import json
import pathlib
import re
import subprocess

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 600
TEST_FILE_LINES_MAX = 1000
LINE_COLUMNS_MAX = 100

CODE_FOLDERS = ("include", "src", "apps", "tests", "scripts", "fuzz", "bench")
CPP = (".h", ".cpp")
FORBIDDEN_FOLDERS = {"util", "utils", "common", "core", "helpers", "helper", "misc"}
# Split so that this file does not find itself. The third one in quotes is a currency of ISO 4217.
MARKERS = re.compile(r"\b(TO" r"DO|FIX" r"ME|(?<!\")XX" r"X(?!\")|HA" r"CK|WI" r"P)\b")

# What a module may include directly; what those may include follows. The flow is the tree.
EDGES = {
    "base": [],
    "observe": ["base"],
    "drivers": ["observe"],
    "event": ["observe"],
    "log": ["event"],
    "store": ["log"],
    "consumer": ["store"],
    "decide": ["store"],
    "projection": ["store", "drivers"],
    "query": ["projection"],
    "serve": ["decide", "query", "consumer"],
    "service": ["serve"],
    "bench": ["service"],
    "apps": ["service", "bench"],
}

# A vendor's headers, and the only places that may include them.
VENDORS = {
    "Boost.JSON": (r"boost/json", r"src/event/json[^/]*\.(cpp|h)|src/serve/.*"),
    "simdjson": (r"simdjson", r"src/event/json[^/]*\.(cpp|h)|src/serve/.*"),
    "zstd": (r"zstd", r"src/(log|store)/.*"),
    "xxhash": (r"xxhash|xxh3", r"src/(log|store)/.*"),
    "sqlite3": (r"sqlite3", r"src/drivers/sqlite/.*"),
    "date": (r"date/", r"src/(event|serve)/.*"),
    "Beast and Asio": (r"boost/(beast|asio)", r"src/serve/.*"),
    "spdlog": (r"spdlog", r"apps/stele/.*"),
    "prometheus-cpp": (r"prometheus/", r"apps/stele/.*"),
    "CLI11": (r"CLI/", r"apps/stele/.*"),
    "toml++": (r"toml\+\+|toml\.hpp", r"(apps/stele|src/service)/.*"),
    "fmt": (r"fmt/", r".*\.cpp"),
    "GoogleTest": (r"gtest/|gmock/", r".*_(test|crash)\.cpp|.*/testing/.*"),
    "rapidcheck": (r"rapidcheck", r".*_(test|crash)\.cpp|.*/testing/.*"),
    "any other of Boost": (r"boost/(?!json|beast|asio)", r"src/serve/.*"),
}
BEAST_FILES_MAX = 3

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def files(root, suffixes, folders=CODE_FOLDERS):
    found = []
    for folder in folders:
        found += [p for p in (root / folder).rglob("*") if p.is_file() and p.suffix in suffixes]
    return sorted(found)


def text_files(root):
    """Every file of the tree that people write, with the scripts that have no suffix."""
    found = files(root, (".h", ".cpp", ".py", ".sh", ".txt", ".cmake", ".toml"))
    for path in [root / "dev", *sorted((root / "scripts").glob("*")), *root.glob("tests/*/run"),
                 *sorted((root / ".ci").glob("*")), *sorted((root / "cmake").glob("*"))]:
        if path.is_file() and path not in found:
            found.append(path)
    return [path for path in found if "data" not in path.relative_to(root).parts]


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()


def is_test(path):
    return path.stem.endswith(("_test", "_crash", "_fuzz", "_bench")) or "testing" in path.parts \
        or "tests" in path.parts


def includes(path):
    """(line, is quoted, name) of each include directive."""
    for number, line in enumerate(lines_of(path), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1) == '"', match.group(2)


def reachable(module):
    seen, open_modules = set(), [module]
    while open_modules:
        current = open_modules.pop()
        if current not in seen:
            seen.add(current)
            open_modules += EDGES.get(current, [])
    return seen


def public_module(path):
    """The module that a public header names in its first line, or None."""
    first = lines_of(path)[:1]
    match = re.fullmatch(r"// Module: ([a-z]+)", first[0]) if first else None
    return match.group(1) if match else None


def module_of(root, path):
    parts = path.relative_to(root).parts
    if parts[0] == "include":
        return public_module(path)
    if parts[0] == "src":
        return parts[1]
    return "apps" if parts[0] == "apps" else None


def module_of_include(root, name):
    """The module of a quoted include, or None when it is a file beside the includer."""
    if name.startswith("stele/") and (root / "include" / name).is_file():
        return public_module(root / "include" / name)
    if (root / "src" / name).is_file() and "/" in name:
        return name.split("/")[0]
    if (root / "apps" / name).is_file() and "/" in name:
        return "apps"
    return None


def include_edges(root):
    """Includes run one way"""
    findings = []
    for path in files(root, CPP, ("include", "src", "apps")):
        module = module_of(root, path)
        if module is None:
            continue  # The rule on first lines reports it.
        if module not in EDGES:
            findings.append(f"{path.relative_to(root)}: the module \"{module}\" is not in the "
                            "include rule (tests/tidy/rules.py).")
            continue
        allowed = reachable(module)
        for number, quoted, name in includes(path):
            target = module_of_include(root, name) if quoted else None
            if target is not None and target not in allowed:
                findings.append(f"{path.relative_to(root)}:{number}: {module} must not include "
                                f"{target} ({name}).")
    return findings


def public_headers_stay_public(root):
    """A public header includes only public headers and the standard library"""
    findings = []
    for path in files(root, CPP, ("include",)):
        for number, quoted, name in includes(path):
            foreign = not quoted and ("/" in name or name.endswith(".h"))
            if foreign or quoted and not name.startswith("stele/"):
                findings.append(f"{path.relative_to(root)}:{number}: includes {name}.")
    return findings


def vendors_in_their_place(root):
    """A vendor's headers stand only in their place"""
    findings, beast = [], []
    for path in files(root, CPP, ("include", "src", "apps")):
        relative = path.relative_to(root).as_posix()
        for number, _, name in includes(path):
            for vendor, (pattern, place) in VENDORS.items():
                if not re.match(pattern, name):
                    continue
                if relative.startswith("include/") or not re.fullmatch(place, relative):
                    findings.append(f"{relative}:{number}: {vendor} ({name}) must not stand here.")
                if vendor == "Beast and Asio" and relative not in beast:
                    beast.append(relative)
    units = [name for name in beast if name.endswith(".cpp")]
    if len(units) > BEAST_FILES_MAX:
        findings.append(f"{len(units)} files include Beast or Asio, at most {BEAST_FILES_MAX} may: "
                        + ", ".join(units))
    return findings


def functions(root, paths):
    """(path, line, name, lines) of each function that Universal Ctags finds."""
    command = ["ctags", "-o", "-", "--output-format=json", "--fields=+neK",
               "--languages=C++,Python", "--langmap=C++:.cpp.h", "--kinds-C++=f",
               "--kinds-Python=fm", "-L", "-"]
    listing = "\n".join(str(path) for path in paths)
    output = subprocess.run(command, input=listing, check=True, capture_output=True, text=True)
    for line in output.stdout.splitlines():
        tag = json.loads(line)
        if tag.get("_type") == "tag" and "end" in tag:
            yield (pathlib.Path(tag["path"]).relative_to(root), tag["line"], tag["name"],
                   tag["end"] - tag["line"] + 1)


def short_functions(root):
    """Functions have at most 70 lines"""
    return [f"{path}:{line}: {name} has {lines} lines, at most {FUNCTION_LINES_MAX} are allowed."
            for path, line, name, lines in functions(root, files(root, (".h", ".cpp", ".py")))
            if lines > FUNCTION_LINES_MAX]


def counted_lines(path):
    """Lines of a file without the comment at its top."""
    lines = lines_of(path)
    top = 0
    while top < len(lines) and (lines[top].startswith(("//", "#!", "# ")) or not lines[top]):
        top += 1
    return len(lines) - top


def short_files(root):
    """Files have at most 600 lines, tests 1,000"""
    findings = []
    for path in files(root, (".h", ".cpp", ".py")):
        limit = TEST_FILE_LINES_MAX if is_test(path.relative_to(root)) else FILE_LINES_MAX
        lines = counted_lines(path)
        if lines > limit:
            findings.append(f"{path.relative_to(root)}: has {lines} lines, at most {limit} are "
                            "allowed.")
    return findings


def short_lines(root):
    """Lines have at most 100 columns"""
    findings = []
    for path in text_files(root):
        for number, line in enumerate(lines_of(path), 1):
            if len(line) > LINE_COLUMNS_MAX:
                findings.append(f"{path.relative_to(root)}:{number}: has {len(line)} columns.")
    return findings


def no_markers(root):
    """No marker of unfinished work"""
    findings = []
    for path in [*text_files(root), *root.glob("*.md"), *(root / "docs").rglob("*.md")]:
        if "tidy" in path.parts and path.suffix == ".py":
            continue
        for number, line in enumerate(lines_of(path), 1):
            match = MARKERS.search(line)
            if match:
                findings.append(f"{path.relative_to(root)}:{number}: says {match.group()}.")
    return findings


def no_catch_all_folders(root):
    """No folder is named as a catch-all"""
    findings = []
    for folder in CODE_FOLDERS:
        for path in (root / folder).rglob("*"):
            if path.is_dir() and path.name in FORBIDDEN_FOLDERS:
                findings.append(f"{path.relative_to(root)}: a folder says what is in it.")
    return findings


def first_lines(root):
    """A public header names its module in its first line"""
    return [f"{path.relative_to(root)}: the first line must be \"// Module: <module>\"."
            for path in files(root, (".h",), ("include",)) if public_module(path) not in EDGES]


ALL = [include_edges, public_headers_stay_public, vendors_in_their_place, short_functions,
       short_files, short_lines, no_markers, no_catch_all_folders, first_lines]
