"""package.json and manifest.py: every module of the firmware is there, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

from tools import firmware
from tools.package import package_json

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "firmware" / "linkpost"


def listed() -> dict[str, str]:
    return dict(json.loads((ROOT / "package.json").read_text())["urls"])


def modules() -> set[str]:
    return {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if path.parent.name != "certs"
    }


def test_package_json_is_that_of_the_firmware_as_it_is():
    assert (ROOT / "package.json").read_text() == package_json.render(), (
        "the firmware's files or its version changed; run: python -m tools.package.package_json"
    )


def test_package_json_lists_every_module_and_anchor_by_its_place():
    files = listed()
    wanted = modules() | {f"certs/{path.name}" for path in (PACKAGE / "certs").glob("*.der")}
    assert len([name for name in wanted if name.endswith(".der")]) == 4
    assert files == {f"linkpost/{name}": f"firmware/linkpost/{name}" for name in wanted}
    assert all((ROOT / source).is_file() for source in files.values())


def test_package_json_has_the_version_of_the_firmware():
    assert json.loads((ROOT / "package.json").read_text())["version"] == firmware.version()


class Manifest:
    """What MicroPython's manifestfile.py gives a manifest, as docs/reference/manifest.rst says.

    Stands in for that file, which no package registry has: `package` takes all .py of a folder
    beside the manifest.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self.frozen: dict[str, int] = {}
        self.metadata: dict[str, str] | None = None

    def run(self) -> None:
        source = (self._folder / "manifest.py").read_text()
        names = {"metadata": self._take_metadata, "package": self._take_package}
        exec(compile(source, "manifest.py", "exec"), names)  # noqa: S102  our own file

    def _take_metadata(self, *, description=None, version=None, license=None, author=None):
        assert self.metadata is None and not self.frozen, "metadata comes once, and first"
        self.metadata = {"description": description, "version": version, "license": license}

    def _take_package(self, package_path, files=None, *, base_path=".", opt=None):
        for path in sorted((self._folder / base_path / package_path).rglob("*.py")):
            name = path.relative_to(self._folder / base_path).as_posix()
            if files is None or str(PurePosixPath(name).relative_to(package_path)) in files:
                self.frozen[name] = opt


def test_manifest_freezes_every_module():
    manifest = Manifest(ROOT / "firmware")
    manifest.run()
    assert set(manifest.frozen) == {f"linkpost/{name}" for name in modules()}
    assert set(manifest.frozen.values()) == {2}
    assert manifest.metadata["license"] == "MIT"
    # The version stands in version.py alone.
    assert manifest.metadata["version"] is None
