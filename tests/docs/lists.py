"""Lists of the docs against the program: every setting with its default, every metric, every public
header."""

import os
import pathlib
import re
import shutil
import urllib.request

import pages

SETTINGS_PAGE = "docs/operating/settings.md"
HEADERS_PAGE = "docs/start/library.md"
METRICS_PAGE = "docs/operating/monitoring.md"
KNOWN = re.compile(r'Known\{\s*"([a-z_.*]+)",\s*Kind::\w+,\s*"([^"]*)"')
SETTING_ROW = re.compile(r"^\| `([a-z_.*]+)` \| (?:`([^`]*)`)? *\|", re.MULTILINE)
HEADER = re.compile(r"`stele/(\w+\.h)`")
METRIC_ROW = re.compile(r"^\| `(stele_[a-z_]+)` \| (\w+) \|", re.MULTILINE)
METRIC_TYPE = re.compile(r"^# TYPE (stele_\w+) (\w+)$", re.MULTILINE)


def differences(page, written, real, what):
    found = [f"{page} does not list the {what} {name}." for name in sorted(real.keys() - written)]
    found += [f"{page} lists the {what} {name}, which does not exist."
              for name in sorted(written.keys() - real)]
    found += [f"{page} says \"{written[name]}\" of {name}; it is \"{real[name]}\"."
              for name in sorted(written.keys() & real) if written[name] != real[name]]
    return found


def settings(root):
    real = dict(KNOWN.findall((root / "src/service/config.cpp").read_text(encoding="utf-8")))
    written = dict(SETTING_ROW.findall((root / SETTINGS_PAGE).read_text(encoding="utf-8")))
    if not real:
        return ["The settings of src/service/config.cpp were not found."]
    return differences(SETTINGS_PAGE, written, real, "setting")


def headers(root):
    real = {path.name: "" for path in (root / "include/stele").glob("*.h")}
    page = (root / HEADERS_PAGE).read_text(encoding="utf-8")
    return differences(HEADERS_PAGE, {name: "" for name in HEADER.findall(page)}, real, "header")


def metrics(root):
    program = pathlib.Path(os.environ.get("STELE_TEST_BIN", root / "build/release/bin/stele"))
    written = dict(METRIC_ROW.findall((root / METRICS_PAGE).read_text(encoding="utf-8")))
    session = pages.Session(re.compile(""))
    try:
        session.serve(f"{program} serve --data {session.folder}/data "
                      f"--listen 127.0.0.1:{session.port}")
        url = f"http://127.0.0.1:{session.port}"
        consumer = urllib.request.Request(f"{url}/v1/consumers/watched", b'{"start":"beginning"}',
                                          {"Content-Type": "application/json"}, method="PUT")
        for made_visible in (consumer, f"{url}/accounts"):  # Counted apart by their labels.
            urllib.request.urlopen(made_visible).close()
        with urllib.request.urlopen(f"{url}/metrics") as answer:
            real = dict(METRIC_TYPE.findall(answer.read().decode()))
    finally:
        session.close()
        shutil.rmtree(session.folder, ignore_errors=True)
    return differences(METRICS_PAGE, written, real, "metric")


def run(root):
    """Yields (name of the case, findings)."""
    yield "the settings are those of the program", settings(root)
    yield "the public headers are those of the tree", headers(root)
    yield "the metrics are those of the program", metrics(root)
