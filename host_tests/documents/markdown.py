"""The parts of a Markdown page that tests look at: headings, anchors, links, code blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_SKIPPED = {".venv", "build", "typings", "node_modules", "images"}
_FENCE = re.compile(r"(?P<indent> *)(?P<fence>```+)(?P<language>\S*)$")
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)")
_PICTURE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)")
_ANCHOR = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")
_HEADING = re.compile(r"^(#{1,6}) +(.+?) *#*$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line that it begins in."""

    language: str
    text: str
    line: int


def pages() -> list[Path]:
    """Return every Markdown page of the tree, README first."""
    found = [
        path
        for path in ROOT.rglob("*.md")
        if not any(
            part in _SKIPPED or (part[0] == "." and part != ".github")
            for part in path.relative_to(ROOT).parts[:-1]
        )
    ]
    return sorted(found, key=lambda path: (path.parent != ROOT, path))


def _parse(text: str) -> tuple[list[Block], list[str]]:
    """Return the fenced blocks, and all lines with those of code empty."""
    found: list[Block] = []
    lines = text.splitlines()
    opened: re.Match[str] | None = None
    is_indented = False
    for number, line in enumerate(lines):
        if opened is not None:
            if line.strip() == opened["fence"]:
                opened = None
            else:
                last = found[-1]
                text = f"{last.text}{line.removeprefix(opened['indent'])}\n"
                found[-1] = Block(last.language, text, last.line)
            lines[number] = ""
            continue
        opened = _FENCE.match(line)
        if opened is not None:
            found.append(Block(opened["language"], "", number + 1))
        starts = number == 0 or not lines[number - 1].strip()
        is_indented = line.startswith("    ") and (is_indented or starts)
        if opened is not None or is_indented:
            lines[number] = ""
    assert opened is None, f"the block of line {found[-1].line} is never closed"
    return found, lines


def blocks(text: str, language: str | None = None) -> list[Block]:
    """Return the fenced blocks of a page, those of one language where it is given."""
    return [block for block in _parse(text)[0] if language in (None, block.language)]


def prose(text: str) -> str:
    """Return the page without its code: the lines of blocks are empty, `spans` are gone."""
    return re.sub(r"(`+)[^`\n]+\1", "", "\n".join(_parse(text)[1]))


def headings(text: str) -> list[str]:
    """Return the headings of a page, as they are read."""
    outside = "\n".join(_parse(text)[1])
    return [match[2].replace("`", "") for match in _HEADING.finditer(outside)]


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(text: str) -> set[str]:
    """Return what `#...` may name on a page: headings, numbered where they repeat, `<a id>`."""
    found: set[str] = set()
    seen: dict[str, int] = {}
    for heading in headings(text):
        name = slug(heading)
        number = seen.get(name, 0)
        seen[name] = number + 1
        found.add(f"{name}-{number}" if number else name)
    return found | set(_ANCHOR.findall(text))


def links(text: str) -> Iterator[str]:
    """Yield the target of each link and picture on a page."""
    outside = prose(text)
    # A picture inside a link is seen as well.
    yield from dict.fromkeys(_LINK.findall(outside) + _PICTURE.findall(outside))


def section(text: str, heading: str) -> str:
    """Return what stands under a heading, up to the next one of its level or above.

    Raises: AssertionError where there is no such heading.
    """
    for match in _HEADING.finditer(text):
        if match[2].replace("`", "") == heading:
            level = len(match[1])
            rest = text[match.end() :]
            following = re.search(rf"^#{{1,{level}}} ", rest, re.MULTILINE)
            return rest[: following.start()] if following else rest
    raise AssertionError(f"no heading {heading!r}")
