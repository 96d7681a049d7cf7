"""What `mpremote mip install` installs as byte code: all of the firmware, or a `Client` alone.

The same .mpy files that `linkpost deploy` writes, for every board at once: all ports and sensors
are there, and the digests that some builds' hashlib lacks.
"""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from .. import firmware
from ..firmware.board_files import firmware_byte_code

WHOLE = "linkpost"
CLIENT = "linkpost-client"
# What a program of a Client imports; `ports` are named by the chip, not by an import.
_CLIENT_ROOTS = ("__init__.py", "aio.py", "client.py", "config.py", "errors.py", "version.py")


def build(out: Path) -> list[Path]:
    """Write both packages anew into folders of `out`; return their package.json files."""
    return [_write(out / WHOLE, _modules()), _write(out / CLIENT, client_modules())]


def _write(folder: Path, modules: set[str]) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    roots = firmware.package_dir().joinpath("certs").glob("*.der")
    files = {f"linkpost/certs/{path.name}": path.read_bytes() for path in roots}
    for path, content in firmware_byte_code(sorted(modules)).items():
        files[f"linkpost/{path}"] = content
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    package = {
        "version": firmware.version(),
        "deps": [],
        "urls": [[path, path] for path in sorted(files)],
    }
    listing = folder / "package.json"
    listing.write_text(json.dumps(package, indent=1) + "\n")
    return listing


def _modules() -> set[str]:
    """Return the path of each module, "net/wifi.py"."""
    package = firmware.package_dir()
    return {path.relative_to(package).as_posix() for path in package.rglob("*.py")}


def client_modules() -> set[str]:
    """Return the modules of a `Client`: what it imports and loads, now or later, and all ports."""
    modules = _modules()
    found: set[str] = set()
    left = {*_CLIENT_ROOTS, *(path for path in modules if path.startswith("ports/"))}
    while left:
        module = left.pop()
        found.add(module)
        source = (firmware.package_dir() / module).read_bytes()
        left |= set(_used(module, source)) & modules - found
    return found


def _used(module: str, source: bytes) -> Iterator[str]:
    """Yield the paths that a module imports or loads, wherever in it, and some that are none."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = PurePosixPath(module).parents[node.level - 1]
            target = folder.joinpath(*(node.module or "").split("."))
            yield from (f"{target}.py", f"{target}/__init__.py")
            yield from (f"{target / name.name}.py" for name in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "load":
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    path = argument.value.replace(".", "/")
                    yield from (f"{path}.py", f"{PurePosixPath(path).parent}/__init__.py")
