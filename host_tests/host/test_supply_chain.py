"""What is installed is what was looked at: every package pinned, with the hash of its content."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from tools.chip import node

ROOT = Path(__file__).parent.parent.parent
REQUIREMENTS = sorted(ROOT.glob("requirements*.txt"))
WEBASSEMBLY = ROOT / "tools" / "bench" / "webassembly"
MAKEFILE = (ROOT / "Makefile").read_text()

# One entry, its continuation lines joined: name, ==version, maybe a marker, and then only hashes.
_ENTRY = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[a-z0-9,]+\])?==(?P<version>[A-Za-z0-9.+!]+)"
    r"( ; [^@#]+?)?(?P<hashes>( --hash=sha256:[0-9a-f]{64})+)"
)


def entries(text: str) -> list[str]:
    """Return the entries of a requirements file, each on one line, comments left out."""
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [re.sub(r"\s+", " ", line).strip() for line in lines if line.split("#")[0].strip()]


def flaws(text: str) -> list[str]:
    """Return the entries that let something else in than one content of one version."""
    return [entry for entry in entries(text) if not _ENTRY.fullmatch(entry)]


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_every_requirement_is_one_version_with_hashes_and_from_no_place_of_its_own(path):
    text = path.read_text()
    assert flaws(text) == []
    assert entries(text)
    names = [plain(_ENTRY.fullmatch(entry)["name"]) for entry in entries(text)]
    assert len(set(names)) == len(names)
    assert "://" not in text


@pytest.mark.parametrize(
    "line",
    [
        "click",
        "click==8.1.7",
        "click>=8 --hash=sha256:" + "0" * 64,
        "click==8.* --hash=sha256:" + "0" * 64,
        "click==8.1.7 --hash=md5:" + "0" * 32,
        "click @ https://example.com/click.whl --hash=sha256:" + "0" * 64,
        "--index-url https://example.com/simple",
        "--extra-index-url=https://example.com/simple",
        "-i https://example.com/simple",
        "-f wheels",
        "-e .",
        "-r more.txt",
        "--trusted-host example.com",
        "--pre",
    ],
)
def test_requirement_that_lets_something_else_in_is_noticed(line):
    assert flaws(line + "\n") == [line]


def test_everything_that_the_project_asks_for_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = list(project["project"]["dependencies"]) + list(project["build-system"]["requires"])
    for extra in project["project"]["optional-dependencies"].values():
        wanted += extra
    text = (ROOT / "requirements.txt").read_text()
    pinned = {plain(_ENTRY.fullmatch(entry)["name"]) for entry in entries(text)}
    asked = {plain(re.match(r"[A-Za-z0-9._-]+", one)[0]) for one in wanted}
    assert asked - pinned == set()
    assert not [one for one in wanted if "@" in one or "://" in one]


@pytest.mark.parametrize("folder", [WEBASSEMBLY, node.EMULATOR], ids=lambda path: path.name)
def test_node_package_is_one_version_with_its_integrity(folder):
    asked = json.loads((folder / "package.json").read_text())
    lock = json.loads((folder / "package-lock.json").read_text())
    assert lock["lockfileVersion"] >= 2
    packages = dict(lock["packages"])
    assert packages.pop("")["dependencies"] == asked["dependencies"]
    assert not {"scripts", "devDependencies", "optionalDependencies"} & asked.keys()
    for name, version in asked["dependencies"].items():
        assert re.fullmatch(r"\d+(\.\d+)+", version), f"{name} {version} is a range"
        assert packages[f"node_modules/{name}"]["version"] == version
    for name, package in packages.items():
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package["integrity"]), name
        assert "resolved" not in package, f"{name} comes from a place of its own"
        assert "hasInstallScript" not in package, name
    # `npm ci` takes what the lock says or fails; `npm install` may change it.
    assert '[npm, "ci"' in Path(node.__file__).read_text()


def commands(word: str) -> list[str]:
    """Return the commands of the Makefile that hold that word, each on one line."""
    lines = re.sub(r"\\\n\s*", " ", MAKEFILE).splitlines()
    return [line.strip() for line in lines if line.startswith("\t") and word in line]


def test_makefile_installs_nothing_whose_hash_is_not_required():
    installs = commands("pip install") + commands("pip3 install")
    assert len(installs) >= 3
    for line in installs:
        for part in line.split("pip install")[1:]:
            # Our own package, built by what is installed already, brings nothing else along.
            ours = part.split()[-2:] == ["-e", "."] and {
                "--no-deps", "--no-build-isolation"
            } <= set(part.split())  # fmt: skip
            assert "--require-hashes" in part or ours, line


def test_makefile_asks_for_known_vulnerabilities_of_exactly_what_is_pinned():
    assert re.search(r"^audit:.*## ", MAKEFILE, re.MULTILINE)
    (line,) = commands("pip-audit")
    assert "--require-hashes" in line
    assert "-r requirements.txt" in line


def test_lock_is_made_with_hashes():
    assert all("--generate-hashes" in line for line in commands("uv pip compile"))
    assert len(commands("uv pip compile")) == len(REQUIREMENTS)


def test_no_program_of_ours_installs_python_packages():
    for path in sorted((ROOT / "tools").rglob("*.py")) + sorted((ROOT / "firmware").rglob("*.py")):
        text = path.read_text()
        assert not re.search(r"""["'](pip3?|mip)["'],\s*["']install["']""", text), path
        assert not re.search(r"^\s*(import|from) (pip|ensurepip|mip)\b", text, re.MULTILINE), path
