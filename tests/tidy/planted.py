"""Plants one violation of each rule in an otherwise clean little tree, and asks that the rule finds
it there and nothing in the clean one."""

import pathlib
import tempfile

import headers
import rules

CLEAN = {
    "include/stele/error.h": "// Module: base\n#pragma once\n#include <string>\n",
    "include/stele/event.h": "// Module: event\n#pragma once\n#include \"stele/error.h\"\n",
    "src/event/json.cpp": "#include <boost/json.hpp>\n#include \"stele/event.h\"\nint f() {\n"
                          "  return 1;\n}\n",
    "src/log/log.h": "#pragma once\n#include \"stele/event.h\"\n",
    "src/store/store.cpp": "#include \"log/log.h\"\n",
    "src/serve/server.cpp": "#include <boost/beast/core.hpp>\n",
    "apps/stele/main.cpp": "#include <CLI/CLI.hpp>\n#include \"stele/event.h\"\n",
}

LONG_FUNCTION = "int f() {\n" + "  g();\n" * 70 + "  return 1;\n}\n"
MARKER = "// TO" + "DO: later\n"

# The rule, what is planted where, and what the finding must name.
PLANTED = [
    ("an include against the flow", rules.include_edges,
     {"src/log/log.h": "#include \"store/store.h\"\n", "src/store/store.h": "\n"}, "log.h:1"),
    ("a public include against the flow", rules.include_edges,
     {"include/stele/error.h": "// Module: base\n#include \"stele/event.h\"\n"}, "error.h:2"),
    ("an include of an application", rules.include_edges,
     {"src/event/x.cpp": "#include \"bank/bank.h\"\n", "apps/bank/bank.h": "\n"}, "x.cpp:1"),
    ("a module without a rule", rules.include_edges, {"src/stuff/x.cpp": "\n"}, "stuff"),
    ("a vendor's header in a public header", rules.vendors_in_their_place,
     {"include/stele/event.h": "// Module: event\n#include <fmt/format.h>\n"}, "event.h:2"),
    ("a private header in a public header", rules.public_headers_stay_public,
     {"include/stele/event.h": "// Module: event\n#include \"log/log.h\"\n"}, "event.h:2"),
    ("a vendor's header out of its place", rules.vendors_in_their_place,
     {"src/log/log.h": "#include <boost/json.hpp>\n"}, "log.h:1"),
    ("JSON outside of its files", rules.vendors_in_their_place,
     {"src/event/mapping.cpp": "#include <boost/json/value.hpp>\n"}, "mapping.cpp:1"),
    ("SQLite outside of its driver", rules.vendors_in_their_place,
     {"src/projection/sink.cpp": "#include <sqlite3.h>\n"}, "sink.cpp:1"),
    ("Beast in a fourth file", rules.vendors_in_their_place,
     {f"src/serve/{n}.cpp": "#include <boost/asio.hpp>\n" for n in "abc"}, "4 files"),
    ("a function of 73 lines", rules.short_functions, {"src/log/x.cpp": LONG_FUNCTION}, "73 lines"),
    ("a file of 601 lines", rules.short_files, {"src/log/x.cpp": "int x;\n" * 601}, "601"),
    ("a test of 1,001 lines", rules.short_files, {"src/log/x_test.cpp": "int x;\n" * 1001}, "1001"),
    ("a line of 101 columns", rules.short_lines, {"src/log/x.cpp": "x" * 101 + "\n"}, "101"),
    ("a marker in code", rules.no_markers, {"src/log/x.cpp": MARKER}, "x.cpp:1"),
    ("a marker in a page", rules.no_markers, {"docs/page.md": MARKER}, "page.md:1"),
    ("a catch-all folder", rules.no_catch_all_folders, {"src/log/util/x.h": "\n"}, "util"),
    ("a header without its module", rules.first_lines,
     {"include/stele/new.h": "// What it is.\n"}, "new.h"),
    ("a header of a module that is not", rules.first_lines,
     {"include/stele/new.h": "// Module: stuff\n"}, "new.h"),
]

ALLOWED = [
    ("a long comment at a file's top", rules.short_files,
     {"src/log/x.cpp": "// Format.\n" * 300 + "int x;\n" * 600}),
    ("a test of 1,000 lines", rules.short_files, {"src/log/x_test.cpp": "int x;\n" * 1000}),
    ("a vendor's header in its place", rules.vendors_in_their_place,
     {"src/store/x.cpp": "#include <zstd.h>\n", "src/service/c.cpp": "#include <toml++/toml.h>\n"}),
]


def plant(root, contents):
    for name, text in contents.items():
        path = pathlib.Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def findings_in(rule, contents):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder).resolve()
        plant(root, CLEAN)
        plant(root, contents)
        return rule(root)


def run():
    """Yields (name of the case, findings)."""
    for rule in rules.ALL:
        yield f"nothing in a clean tree: {rule.__name__}", findings_in(rule, {})
    for name, rule, contents, expected in PLANTED:
        found = findings_in(rule, contents)
        missing = [] if any(expected in finding for finding in found) else \
            [f"It was not found; the rule said {found}."]
        yield name, missing
    for name, rule, contents in ALLOWED:
        yield f"allowed: {name}", findings_in(rule, contents)
    with tempfile.TemporaryDirectory() as folder:
        plant(folder, {"include/stele/lame.h": "// Module: base\nstd::string name();\n"})
        errors = headers.compile_alone(pathlib.Path(folder), "stele/lame.h")
        yield "a header that does not compile alone", [] if errors else ["It was not found."]
