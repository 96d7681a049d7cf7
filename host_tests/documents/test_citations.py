"""What code and pages cite is in the project: pages by name, their sections by heading."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from host_tests.documents import markdown
from host_tests.documents.markdown import ROOT

_ROOMS = ("firmware", "tools", "host_tests", "boards", "docs")
_SUFFIXES = {".py", ".md", ".mjs", ".toml", ".ini", ".css"}
_PAGE = re.compile(r"(?<![\w.$*/-])((?:[a-z_]+/)*[A-Za-z][\w-]*\.md)\b")
_SECTION = re.compile(r"(docs/[\w-]+\.md), \"([^\"]+)\"")
# Pages that were never in the project, by the names that comments had for them.
_UNKNOWN = re.compile(r"\b(?:PLATFORM|PROTOCOL|DESIGN)\b(?!_)")


def cited_files() -> list[Path]:
    """Return every file of the tree in which a person may cite something."""
    found = [path for room in _ROOMS for path in (ROOT / room).rglob("*")]
    found += [path for path in ROOT.iterdir() if path.is_file()]
    return sorted(
        path
        for path in found
        if (path.suffix in _SUFFIXES or path.name == "Makefile")
        and "node_modules" not in path.parts
        and path != Path(__file__)
    )


def wrong_citations(text: str, folder: Path = ROOT) -> list[str]:
    """Return what a text cites that is not there."""
    # A citation may go over the end of a comment's line.
    text = re.sub(r"\s*\n\s*(?:(?:#:?|//|\*|\.\.\.)\s+)?", " ", text)
    wrong = [match[0] for match in _UNKNOWN.finditer(text)]
    wrong += [
        name
        for name in _PAGE.findall(text)
        if not any((base / name).is_file() for base in (folder, ROOT, ROOT / "docs"))
    ]
    for page, heading in _SECTION.findall(text):
        path = ROOT / page
        if path.is_file() and heading not in markdown.headings(path.read_text()):
            wrong.append(f'{page}, "{heading}"')
    return wrong


@pytest.mark.parametrize("path", cited_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_file_cites_is_in_the_project(path):
    assert wrong_citations(path.read_text(errors="replace"), path.parent) == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('# docs/protocol.md, "Topics".', []),
        ('# docs/protocol.md,\n    # "Refused\n    # readings".', []),
        ('# docs/protocol.md, "Topcs".', ['docs/protocol.md, "Topcs"']),
        ("See PROTOCOL.md.", ["PROTOCOL", "PROTOCOL.md"]),
        ("(PLATFORM section 3)", ["PLATFORM"]),
        ("tls.PROTOCOL_TLS_CLIENT", []),
        ("See docs/nothing.md.", ["docs/nothing.md"]),
        ("ui.screen.lt.md and *.md", []),
    ],
)
def test_citation_of_what_is_not_there_is_seen(text, wrong):
    assert wrong_citations(text) == wrong


# Files that are the reader's, or lie on a board.
_THE_READERS = {
    "build/chip/passed.json",
    "firmware/linkpost/sensors/bh1750.py",
    "host_tests/portable/test_sensor_bh1750.py",
    "program.py",
    "free.py",
    "user/free.py",
    "user/NAME.py",
    "main.old.py",
    "boot.py",
    "/boot.py",
    "/chip/boot.py",
    "config.json",
    "template.json",
    "deployed.json",
    "SCRIPT.py",
    "manifest.json",
}
_PATH = re.compile(r"`((?:[\w.*-]+/)*[\w.*-]+\.(?:py|mjs|json|toml|ini|md|der|css))`")


def missing_files(text: str, tree: str) -> list[str]:
    """Return the files that a page names, whole or by their end, and that are not in the tree."""
    missing = []
    for name in _PATH.findall(text):
        pattern = re.escape(name).replace("NAME", r"\w+").replace("X_Y_Z", r"[\d_]+")
        pattern = pattern.replace(r"\*", r"[^/\n]*")
        there = re.search(rf"(?:^|/){pattern}$", tree, re.MULTILINE)
        if not there and name not in _THE_READERS:
            missing.append(name)
    return missing


def tree() -> str:
    """Return every path of the tree, one a line."""
    paths = [path for room in _ROOMS for path in (ROOT / room).rglob("*")] + [*ROOT.iterdir()]
    return "\n".join(str(path.relative_to(ROOT)) for path in paths)


@pytest.mark.parametrize("page", markdown.pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_a_page_names_are_in_the_tree(page):
    if page.name != "CHANGELOG.md":  # it names what was, too
        assert missing_files(page.read_text(), tree()) == []


def test_file_that_is_not_there_is_seen():
    shown = "`outbox.py` `storage/outbox.py` `storage/outbx.py` `net/outbox.py` `flash_X_Y_Z.py`"
    assert missing_files(shown, tree()) == ["storage/outbx.py", "net/outbox.py"]
