"""What README and pages claim of the code: names, tables, old anchors, messages."""

from __future__ import annotations

import ast
import datetime
import re

import pytest
from linkpost.sensors import building
from linkpost.version import RELEASED_UNIX_MS, VERSION

from host_tests.documents import markdown
from host_tests.documents.markdown import ROOT
from tools.boards.command import boards_command
from tools.emulator import faults
from tools.firmware import sensor_types
from tools.firmware.boards import boards

README = (ROOT / "README.md").read_text()
DOCS = ROOT / "docs"

# Anchors that others may have linked to, of what was and of what is: found for ever.
ANCHORS = {
    "README.md": (
        "try-it-on-the-desktop",
        "your-first-board-in-five-minutes",
        "three-hundred-boards",
        "when-something-goes-wrong",
        "configjson",
        "commands",
        "errors-and-what-the-board-does",
        "see-the-guarantees-hold",
        "measured",
        "layout",
        "license",
    ),
    "docs/architecture.md": (
        "the-firmware-by-room",
        "a-readings-way-from-sensor-to-socket",
        "rules-that-hold-everywhere",
        "decisions-and-what-was-measured-or-rejected",
        "the-tools-by-room",
    ),
    "docs/chip.md": ("the-parts", "time", "what-is-real", "what-is-not", "another-chip", "tests"),
    "docs/extending.md": (
        "a-sensor-of-your-own",
        "a-sensor-for-everybody",
        "a-program-that-wakes-sends-and-sleeps",
        "a-board",
        "a-code-of-the-platform",
        "a-fault-of-the-emulator",
        "a-figure",
    ),
    "docs/flash-format.md": ("frames", "the-outbox"),
    "docs/protocol.md": ("topics", "registration"),
}


@pytest.mark.parametrize("name", ANCHORS)
def test_headings_that_others_may_link_to_are_found_again(name):
    assert set(ANCHORS[name]) <= markdown.anchors((ROOT / name).read_text())


def test_readme_is_for_five_minutes():
    assert len(README.splitlines()) < 200
    for target in ("make demo", "make test"):
        assert f"    {target}" in README


def test_changelog_has_each_version_with_its_day_and_no_section_twice():
    """The form of Keep a Changelog 1.1.0."""
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    released = datetime.datetime.fromtimestamp(RELEASED_UNIX_MS / 1000, datetime.UTC).date()
    assert f"[{VERSION}] - {released}" in versions
    for version in versions:
        kinds = re.findall(r"^### (.*)$", markdown.section(text, version), re.MULTILINE)
        assert len(kinds) == len(set(kinds))
        assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
        assert version == "[Unreleased]" or kinds


def test_wheel_that_the_readme_names_is_of_this_version():
    assert re.findall(r"linkpost-([\d.]+)-py3", README) == [VERSION]


def table(text: str, heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without its head."""
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in markdown.section(text, heading).splitlines()
        if line.startswith("| ")
    ]
    return rows[1:]


def test_table_of_config_keys_has_every_key_and_no_other():
    rows = table((DOCS / "configuration.md").read_text(), "config.json")
    keys = set(re.findall(r"`(\w+)`", " ".join(row[0] for row in rows)))
    source = (ROOT / "firmware" / "linkpost" / "config_rules.py").read_text()
    assert keys == set(re.findall(r'(?:_take\(\s*left, |left\.pop\()"(\w+)"', source))


def test_table_of_sensors_has_every_type_with_its_options():
    rows = table((DOCS / "configuration.md").read_text(), "Sensors")
    shown = {}
    for cells in rows:
        for kind in re.findall(r"`([\w.]+)`", cells[0]):
            shown[kind] = set(re.findall(r"`(\w+)`", cells[2])) if len(cells) > 2 else set()
    assert set(shown) == {*sensor_types.TYPES, "user.NAME"}
    of_the_row_before: set[str] = set()
    for kind, (file, class_name) in sensor_types.TYPES.items():
        module = __import__(f"linkpost.sensors.{file}", None, None, (class_name,))
        assert building._class_in(module, kind) is getattr(module, class_name)
        options = set(getattr(module, class_name).OPTIONS)
        of_the_row_before = shown["aht20"] if kind == "bme280" else shown[kind]
        assert of_the_row_before == options, kind


def test_table_of_the_firmware_names_every_module_and_no_other():
    section = markdown.section((DOCS / "architecture.md").read_text(), "The firmware, by room")
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    named = set(re.findall(r"`(\w+)`", " ".join(rows)))
    package = ROOT / "firmware" / "linkpost"
    modules = {path.stem for path in package.rglob("*.py")} | {"main"}
    types = {file for file, _ in sensor_types.TYPES.values()}
    assert named == modules - types - {"__init__"}


def test_every_board_has_its_row_in_the_readme():
    for name in boards():
        assert f"(boards/{name}/README.md)" in README
    assert boards_command.name == "boards"


def test_page_of_the_emulator_names_every_fault():
    text = (DOCS / "emulator.md").read_text()
    kinds = re.search(r"^Kinds: (.*?)\.$", text, re.MULTILINE | re.DOTALL)[1]
    assert set(re.findall(r"`(\w+)`", kinds)) == set(faults.PARAMETERS)


def messages_of(source: str) -> list[str]:
    """Return the texts in a module as patterns: what is filled in may be anything."""
    found = []
    tree = ast.parse(source)
    inside = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in node.values}
            parts = [
                re.escape(part.value) if isinstance(part, ast.Constant) else ".+?"
                for part in node.values
            ]
            found.append("".join(parts))
        elif isinstance(getattr(node, "value", None), str) and id(node) not in inside:
            pieces = re.split(r"%[-\d.]*[sdrx]|\{\w*\}", node.value)
            found.append(".+?".join(map(re.escape, pieces)))
    # A pattern without a few letters of its own says nothing.
    return [text for text in found if len(re.sub(r"\\.|\.\+\?|\W", "", text)) >= 8]


def unquoted(quote: str, patterns: list[str]) -> str:
    """Return what is left of a quoted message when every text that the code has is taken out."""
    for pattern in patterns:
        # What is filled in at the end goes to the end.
        quote = re.sub(pattern[:-1] if pattern.endswith(".+?") else pattern, " ", quote)
    return quote


def test_messages_that_the_page_of_errors_quotes_are_those_of_the_code():
    patterns = []
    for room in ("firmware", "tools"):
        for path in (ROOT / room).rglob("*.py"):
            patterns += messages_of(path.read_text())
    patterns.sort(key=len, reverse=True)
    rows = table((DOCS / "errors.md").read_text(), "When something goes wrong")
    assert len(rows) > 10
    for cells in rows:
        quote = re.match(r"`(.*)`", cells[0])[1]
        # What the page leaves out stands for itself, or ends the quote.
        left = unquoted(quote.replace("...", "x"), patterns)
        for piece in left.split(" x ") if "..." in quote else [left]:
            words = re.findall(r"\w{3,}", re.sub(r"\w+=", " ", piece))  # a log line's keys
            known = any(re.escape(piece.strip(" x")) in pattern for pattern in patterns)
            assert len(words) <= 2 or known, f"{quote!r}: not in the code: {piece!r}"


def test_message_that_the_code_does_not_have_is_seen():
    patterns = messages_of('x = f"The port {name} is in use."\ny = "Press its %s button" % z')
    assert not unquoted("The port /dev/ttyUSB0 is in use.", patterns).strip()
    assert not unquoted("Press its RESET button", patterns).strip()
    assert unquoted("Press the RESET button", patterns).strip() == "Press the RESET button"
