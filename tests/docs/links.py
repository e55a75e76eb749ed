"""The links of the pages: each leads to a file of the tree, and to a heading that exists; and every
page of docs/ can be reached from the README."""

import re

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def pages_of(root):
    """The README, the pages of docs/ and of apps/, and the two beside the README."""
    beside = [root / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [page for page in [*beside, root / "tests" / "README.md",
                              *sorted((root / "docs").rglob("*.md")),
                              *sorted((root / "apps").rglob("*.md"))] if page.is_file()]


def anchors_of(text):
    """The names that a forge gives to the headings."""
    names = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        names.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return names


def links_of(page):
    return LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))


def findings_of(root, page):
    found = []
    for link in links_of(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or not target.is_relative_to(root):
            found.append(f"The link \"{link}\" leads nowhere.")
        elif anchor and anchor not in anchors_of(target.read_text(encoding="utf-8")):
            found.append(f"The link \"{link}\" names a heading that is not there.")
    return found


def unreached(root, pages):
    """The pages of docs/ that no chain of links from the README leads to."""
    reached, waiting = set(), [root / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for link in links_of(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if not re.match(r"[a-z]+:", link) and target.suffix == ".md" and target.is_file():
                waiting.append(target)
    return [f"{page.relative_to(root)} can't be reached from the README."
            for page in pages if page.is_relative_to(root / "docs") and page not in reached]


def run(root):
    """Yields (name of the case, findings)."""
    pages = pages_of(root)
    for page in pages:
        yield f"the links of {page.relative_to(root)}", findings_of(root, page)
    yield "every page of docs/ can be reached from the README", unreached(root, pages)
