"""What is installed is what was pinned: exact versions, with hashes, from no index by name."""

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LOCKS = ["requirements.txt", "requirements-stubs.txt"]
NAME = re.compile(r"^([A-Za-z0-9._-]+)(\[[a-z,-]+\])?==([A-Za-z0-9.+!]+)( ; .+)?$")
HASH = re.compile(r"^--hash=sha256:[0-9a-f]{64}$")


def entries(name):
    """Return each requirement of a lock as its parts: name and version, then its hashes."""
    lines = (ROOT / name).read_text().replace("\\\n", "\n").splitlines()
    found = []
    for line in (line.strip() for line in lines):
        if not line or line.startswith("#"):
            continue
        if line.startswith("--hash"):
            found[-1].append(line)
        else:
            found.append([line])
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_each_requirement_has_one_version_and_a_hash(name):
    assert entries(name)
    for pinned, *hashes in entries(name):
        assert NAME.match(pinned), pinned
        assert hashes, pinned
        assert all(HASH.match(each) for each in hashes), pinned


def test_what_the_project_asks_for_is_in_the_lock():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]
    locked = {normal(NAME.match(pinned)[1]) for pinned, *_ in entries("requirements.txt")}
    for each in asked:
        assert normal(re.match(r"[A-Za-z0-9._-]+", each)[0]) in locked, each


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_pip_installs_nothing_without_hashes_but_the_project_itself():
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    installs = [line for line in makefile.splitlines() if "pip install" in line]
    assert installs
    for line in installs:
        assert "--require-hashes" in line or line.endswith(
            "--no-deps --no-build-isolation -e ."
        ), line


def test_node_package_is_pinned_with_its_hash():
    lock = json.loads((ROOT / "tools/bench/webassembly/package-lock.json").read_text())
    package = json.loads((ROOT / "tools/bench/webassembly/package.json").read_text())
    assert all(re.fullmatch(r"[0-9.]+", version) for version in package["dependencies"].values())
    packages = {path: each for path, each in lock["packages"].items() if path}
    assert packages
    for path, each in packages.items():
        assert each["integrity"].startswith("sha512-"), path
