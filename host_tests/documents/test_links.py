"""Every link and anchor of every page leads somewhere, and old anchors are found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from host_tests.documents import markdown
from host_tests.documents.markdown import ROOT

PAGES = markdown.pages()
_ELSEWHERE = ("https://", "http://", "mailto:")


def dead_links(page: Path, text: str) -> list[str]:
    """Return the links of a page that lead nowhere inside the tree."""
    dead = []
    for target in markdown.links(text):
        if target.startswith(_ELSEWHERE):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        inside = path == ROOT or ROOT in path.parents
        if not inside or not path.exists():
            dead.append(target)
        elif anchor:
            there = text if path == page else path.read_text() if path.suffix == ".md" else ""
            dead += [target] * (anchor not in markdown.anchors(there))
    return dead


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_anchors_of_a_page_lead_somewhere(page):
    assert dead_links(page, page.read_text()) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_are_ours_to_show_everywhere(page):
    """No tabs or trailing blanks, and no line that no terminal shows whole but for tables."""
    for number, line in enumerate(page.read_text().splitlines(), 1):
        assert "\t" not in line and line == line.rstrip(), (page.name, number)


def test_every_page_of_docs_is_reached_from_the_readme():
    reached = {ROOT / "README.md"}
    left = list(reached)
    while left:
        page = left.pop()
        for target in markdown.links(page.read_text()):
            path = (page.parent / target.partition("#")[0]).resolve()
            if path.suffix == ".md" and path.is_file() and path not in reached:
                reached.add(path)
                left.append(path)
    assert {page for page in PAGES if page.parent == ROOT / "docs"} <= reached


@pytest.mark.parametrize(
    ("text", "dead"),
    [
        ("[a](#b)\n\n## B\n", []),
        ("[a](#c)\n\n## B\n", ["#c"]),
        ('[a](#c)\n\n<a id="c"></a>\n', []),
        ("## B\n\n## B\n\n[a](#b-1) [c](#b-2)\n", ["#b-2"]),
        ("[a](docs/none.txt)", ["docs/none.txt"]),
        ("[a](docs/protocol.md#topics) [b](docs/protocol.md#topcs)", ["docs/protocol.md#topcs"]),
        ("![picture](docs/images/none.png)", ["docs/images/none.png"]),
        ("`[a](b)` and\n\n    [a](b)\n\n```text\n[a](b)\n```\n", []),
        ("[a](https://example.com/#x) [out](../elsewhere.md)", ["../elsewhere.md"]),
    ],
)
def test_link_that_leads_nowhere_is_seen(text, dead):
    assert dead_links(ROOT / "README.md", text) == dead
