"""The wheel, as people install it: away from the source tree, in an environment of its own.

What it needs comes from this environment, and of that only what the wheel asks for, by links in a
folder that a .pth file names: no index is asked, and what is not declared is missing.
LINKPOST_WHEEL=index (`make test-wheel`) lets pip install it from the package index instead, in the
versions of requirements.txt.
"""

from __future__ import annotations

import csv
import email
import importlib.metadata
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tools.cli import linkpost
from tools.package import wheel
from tools.virtual_board import runtimes

ROOT = Path(__file__).parent.parent.parent
OURS = {"linkpost", "linkpost_board", "linkpost_boards", "linkpost_tools"}
FROM_INDEX = os.environ.get("LINKPOST_WHEEL") == "index"
SECRET = "secret-of-somebody-who-worked-in-this-tree"
TRIPLE = ("a1B2c3D4e5F", "sensor01", "0123456789abcdef0123456789abcdef")
needs_micropython = pytest.mark.skipif(
    not runtimes.has_micropython(), reason="the MicroPython wheel is not here"
)
posix_only = pytest.mark.skipif(os.name != "posix", reason="links, and the folders of a venv")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the source archive of a tree in which somebody has worked."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("tools", "firmware", "boards"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for folder in ("", "boards/ESP32_GENERIC", "firmware", "firmware/linkpost", "tools/factory"):
        for name in ("config.json", "devices.csv", "board.img"):
            (tree / folder / name).write_text(SECRET)
    (tree / "build" / "lib" / "tools").mkdir(parents=True)
    (tree / "build" / "lib" / "tools" / "of_an_older_build.py").write_text("")
    return wheel.build(tmp_path_factory.mktemp("built"), tree)


def content(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def recorded(path: Path) -> set[str]:
    (record,) = (data for name, data in content(path).items() if name.endswith("/RECORD"))
    return {row[0] for row in csv.reader(io.StringIO(record.decode()))}


def test_wheel_has_nothing_outside_our_names(built):
    names = recorded(built[0])
    assert names == content(built[0]).keys()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not re.fullmatch(r"linkpost-[\d.]+\.dist-info", top)} == OURS


def test_wheel_has_every_module_of_the_tools_but_what_packs_it(built):
    found = recorded(built[0])
    paths = [path.relative_to(ROOT / "tools") for path in (ROOT / "tools").rglob("*.py")]
    missing = {
        path.as_posix()
        for path in paths
        # `linkpost bench` needs the source tree.
        if path.parts[0] not in ("package", "bench") and f"linkpost_tools/{path}" not in found
    }
    assert missing == set()


def test_wheel_and_source_archive_have_no_secret_of_the_tree(built):
    assert not [name for name, data in content(built[0]).items() if SECRET.encode() in data]
    with tarfile.open(built[1]) as archive:
        files = [member for member in archive.getmembers() if member.isfile()]
        assert len(files) > 200
        for member in files:
            assert SECRET.encode() not in archive.extractfile(member).read(), member.name


def test_source_archive_makes_the_same_wheel(built, tmp_path):
    with tarfile.open(built[1]) as archive:
        # Python before 3.11.4 has no filters, and takes no argument for them.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(tmp_path / "source")  # noqa: S202  ours, made above
    (source,) = (tmp_path / "source").iterdir()
    again = wheel.build_wheel(source, tmp_path / "out")
    assert again.name == built[0].name
    assert recorded(again) == recorded(built[0])
    assert content(again) == content(built[0])


# -- installed --------------------------------------------------------------------------------


def needed(path: Path) -> set[str]:
    """Return the distributions here that the wheel asks for, and they in turn."""
    (metadata,) = (data for name, data in content(path).items() if name.endswith("/METADATA"))
    of_the_wheel = email.message_from_bytes(metadata).get_all("Requires-Dist")
    found: set[str] = set()
    left = [Requirement("linkpost[micropython]")]
    while left:
        wanted = left.pop()
        asked = importlib.metadata.requires(wanted.name) or () if found else of_the_wheel
        for text in asked:
            one = Requirement(text)
            extras = wanted.extras or {""}
            if one.marker is None or any(one.marker.evaluate({"extra": e}) for e in extras):
                key = f"{one.name}[{','.join(sorted(one.extras))}]"
                if key not in found:
                    found.add(key)
                    left.append(one)
    return {key.partition("[")[0] for key in found}


def link_what_is_needed(folder: Path, path: Path) -> None:
    """Link into a folder what the distributions that a wheel needs have in site-packages."""
    folder.mkdir()
    for name in needed(path):
        distribution = importlib.metadata.distribution(name)
        tops = {path.parts[0] for path in distribution.files or ()} - {"..", "__pycache__"}
        for top in tops:
            source, link = Path(distribution.locate_file(top)), folder / top
            if source.exists() and not link.exists():
                link.symlink_to(source)


class Installed:
    """An environment that has the wheel, and the folder in which a person works."""

    def __init__(self, folder: Path, path: Path):
        self.environment = folder / "environment"
        self.home = folder / "home"
        self.home.mkdir()
        create = [sys.executable, "-m", "venv", *([] if FROM_INDEX else ["--without-pip"])]
        subprocess.run([*create, self.environment], check=True)
        (self.site,) = self.environment.glob("lib/python*/site-packages")
        if FROM_INDEX:
            # pip takes no hashes in a list of constraints.
            pins = re.findall(r"^([\w.-]+==[^\s;\\]+)", self._requirements(), re.MULTILINE)
            (folder / "pins.txt").write_text("\n".join(pins))
            pip = [self.environment / "bin" / "python", "-m", "pip"]
            what = [f"{path}[micropython]", "-c", folder / "pins.txt"]
        else:
            link_what_is_needed(folder / "links", path)
            (self.site / "links.pth").write_text(f"{folder / 'links'}\n")
            pip = [sys.executable, "-m", "pip", "--python", self.environment]
            what = [path, "--no-deps", "--no-index"]
        quiet = ["--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", *quiet, *what], check=True)
        self.before = self._files()

    @staticmethod
    def _requirements() -> str:
        return (ROOT / "requirements.txt").read_text()

    def _files(self) -> set[Path]:
        """Return what stands beside site-packages and in it, but for what Python compiled."""
        found = {*self.site.parent.iterdir(), *self.site.iterdir()}
        return {
            path for path in found | {*self.site.glob("linkpost*/**/*")} if path.suffix != ".pyc"
        }

    def left_behind(self) -> set[Path]:
        """Return what the commands have written where they are installed."""
        return {path for path in self._files() - self.before if path.name != "__pycache__"}

    def start(self, *arguments: object, **variables: str) -> subprocess.Popen[str]:
        """Start a program of the environment, in an empty home."""
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), **variables}
        return subprocess.Popen(
            [self.environment / "bin" / str(arguments[0]), *map(str, arguments[1:])],
            cwd=self.home,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=runtimes.end_with_parent,
        )

    def run(self, *arguments: object, **variables: str) -> str:
        """Run it to its end, which has to be a good one; return its standard output."""
        with self.start(*arguments, **variables) as process:
            output, errors = process.communicate(timeout=90)
        assert process.returncode == 0, (arguments, output, errors)
        return output


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("installed"), built[0])


@posix_only
def test_installed_package_has_our_names_alone(installed):
    ask = "import importlib.util as u; print([n for n in {!r} if u.find_spec(n)])"
    names = ["tools", "host_tests", "firmware", "boards", *sorted(OURS)]
    assert installed.run("python", "-c", ask.format(names)) == f"{sorted(OURS)}\n"
    where = installed.run("python", "-c", "import linkpost_tools; print(linkpost_tools.__file__)")
    assert where.startswith(str(installed.site))


@posix_only
def test_installed_command_knows_its_version_and_every_command(installed):
    assert re.fullmatch(r"linkpost, version [\d.]+\n", installed.run("linkpost", "--version"))
    again = installed.run("python", "-m", "linkpost_tools", "--version")
    assert again == installed.run("linkpost", "--version")
    program = (
        "from linkpost_tools.cli import linkpost\n"
        "for name in linkpost.list_commands(None): print(linkpost.get_command(None, name).name)"
    )
    found = installed.run("python", "-c", program).split()
    assert found == linkpost.list_commands(None)


@posix_only
def test_installed_demo_reports(installed):
    output = installed.run("linkpost", "demo", "--reports", "2")
    assert output.count("accepted: report ") >= 2
    assert re.search(r"^board: [2-9] accepted, 0 quarantined, ", output, re.MULTILINE)
    assert installed.left_behind() == set()


@posix_only
@needs_micropython
def test_installed_image_and_virtual_board_report_to_the_installed_emulator(installed, tmp_path):
    ready_file = tmp_path / "ready.json"
    arguments = ["--port", "0", "--console-port", "0", "--ready-file", ready_file]
    device = ["--device", ",".join(TRIPLE)]
    with installed.start("linkpost", "emulator", *arguments, *device) as emulator:
        try:
            ready = wait_for(ready_file, emulator)
            config = dict(
                zip(("product_key", "device_name", "device_secret"), TRIPLE, strict=True)
            )
            config |= {"endpoint": ready["platform"], "interval_s": 0}
            config |= {"sensors": [{"type": "simulated"}]}
            path = tmp_path / "config.json"
            path.write_text(json.dumps(config))
            board = ["--config", path, "--flash", tmp_path / "board.img", "--ca", ready["ca"]]
            installed.run("linkpost", "board", "run", *board, "--reports", "2")
            chip = {**config, "wifi": {"ssid": "lab", "password": "correct horse"}}
            path.write_text(json.dumps(chip))
            image = ["image", "ESP32_GENERIC", "--config", path, "--out", tmp_path / "images"]
            installed.run("linkpost", *image)
        finally:
            emulator.terminate()
            emulator.communicate(timeout=30)
    manifest = json.loads((tmp_path / "images" / "manifest.json").read_text())
    (entry,) = manifest["images"]
    assert (tmp_path / "images" / entry["file"]).stat().st_size == entry["bytes"]
    assert installed.left_behind() == set()


def wait_for(ready_file: Path, process: subprocess.Popen[str]) -> dict[str, str]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return json.loads(ready_file.read_text())
        except (OSError, ValueError):  # not there, or not whole yet
            time.sleep(0.05)
    process.kill()
    raise AssertionError(process.communicate())
