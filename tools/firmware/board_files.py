"""Which files a board gets: one answer for the virtual board, deploy and images."""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from .. import firmware
from ..files.json_files import read_object
from ..terminal.failures import CommandError
from . import deploy_record
from .config_hints import check_rules
from .copies import copies
from .mpy import compile_mpy
from .name_scan import is_rare
from .sensor_types import TYPES, USER, USER_FILE

# What the tools put on a board. A file in there that is not in `files_for` is an old one of ours
# and goes; everything else on the flash (token, outbox, user) is not ours.
OWNED_FOLDERS = ("lib/linkpost", "certs")
CA_PREFIX = "certs/ca-"  # of what --ca adds

_PURE_DIGESTS = "protocol/digests.py"


def load_config(path: Path) -> tuple[bytes, dict[str, Any]]:
    """Return a config.json as it is, and parsed, checked by the firmware's own rules.

    Raises: the firmware's ConfigError; CommandError for a file that cannot be read.
    """
    text, parsed = read_object(path, "--config")
    check_rules(parsed)
    return text, parsed


def files_for(
    config: dict[str, Any],
    *,
    chip: str,
    native_digests: bool,
    byte_code: bool = True,
    ca: Path | None = None,
    with_aio: bool = False,
) -> dict[str, bytes]:
    """Return content by path on the flash ("lib/linkpost/app.mpy"), without the config itself.

    Args:
        config: from `load_config`; what it does not use is left out.
        chip: whose port file goes along: "esp32", "rp2" or "host".
        native_digests: the board's hashlib has md5 and sha1, so ours are left out.
        byte_code: .mpy files; else the sources, for CPython.
        ca: a PEM file of further root certificates.
        with_aio: `linkpost.aio` too, which the app does not use and a user's program may: every
            board gets it; what is measured of the app is without it.
    Raises: CommandError for a CA file that is missing or holds no certificate.
    """
    files = {"main.py": firmware.main_py().read_bytes()}
    modules = _modules_for(config, chip, native_digests, with_aio)
    if byte_code:
        modules = firmware_byte_code(modules)
    files.update({f"lib/linkpost/{module}": content for module, content in modules.items()})
    files.update(root_certificates(ca))
    files[deploy_record.PATH] = deploy_record.render(files["main.py"])
    return files


def firmware_byte_code(
    modules: Iterable[str] | None = None, kept: Iterable[str] = ()
) -> dict[str, bytes]:
    """Return the .mpy of modules of the firmware by their path in `lib/linkpost` on a board.

    It is the same whatever else goes along.

    Args: modules: like "net/wifi.py"; None: all. kept: as of `short_names.shorten`, for tests.
    """
    if modules is None:
        modules = sources()
    short, loaded = byte_code_sources(kept)
    files = {}
    for module in modules:
        called = traceback_name(module, module in loaded)
        files[f"{module[:-3]}.mpy"] = compile_mpy(short[module], called, tight=True)
    return files


def byte_code_sources(kept: Iterable[str] = ()) -> tuple[dict[str, bytes], set[str]]:
    """Return what the byte code is made of by module, and which modules are loaded (`copies`)."""
    return copies(tuple(sources().items()), frozenset(kept))


def traceback_name(module: str, is_loaded: bool) -> str:
    """Return what tracebacks call a module of the firmware: app, and of the loaded ones net.wifi.

    That is what its package has it as, or what `load` is called with: the board has it in heap.
    """
    name = module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return name if is_loaded else name.replace("__init__", "linkpost").rpartition(".")[2]


def root_certificates(ca: Path | None = None) -> dict[str, bytes]:
    """Return the root certificates, DER by path on the flash: ours, and those of a PEM file."""
    folder = firmware.package_dir() / "certs"
    files = {f"certs/{path.name}": path.read_bytes() for path in sorted(folder.glob("*.der"))}
    if ca is not None:
        for der in _read_pem(ca):
            files[f"{CA_PREFIX}{hashlib.sha256(der).hexdigest()[:8]}.der"] = der
    return files


def _modules_for(
    config: dict[str, Any], chip: str, native_digests: bool, with_aio: bool
) -> dict[str, bytes]:
    """Return source by path in the package: what is used, and all that this imports at once."""
    whole = sources()
    optional = {module for module in whole if module.startswith(("ports/", "sensors/"))}
    optional -= {"ports/__init__.py", f"ports/{chip}.py"}
    optional -= {module for module in whole if is_rare(module) and module != "ports/host_rare.py"}
    optional -= {"sensors/__init__.py", "sensors/building.py"}
    sensors = config.get("sensors") or [{"type": "onchip"}]
    optional -= {f"sensors/{name}.py" for name in sensor_files(sensors)}
    # What else a chip has of its own: esp32_heap, rp2_analog.
    optional -= {module for module in whole if module.startswith(f"ports/{chip}_")}
    if not with_aio:
        optional.add("aio.py")
    if native_digests:
        optional.add(_PURE_DIGESTS)
    found = whole.keys() - optional
    left = list(found)
    while left:
        module = left.pop()
        needed = _imported_at_once(module, whole[module]) & whole.keys() - found
        found |= needed
        left += needed
    # A folder has an __init__ where there is something in it: MicroPython imports from it 14 ms
    # sooner than with an empty one.
    return {module: source for module, source in whole.items() if module in found}


def sources() -> dict[str, bytes]:
    """Return the firmware's modules by path in the package, "net/wifi.py"."""
    package = firmware.package_dir()
    return {
        path.relative_to(package).as_posix(): path.read_bytes()
        for path in sorted(package.rglob("*.py"))
        if path.parent.name != "certs"  # a package only for our own wheel
    }


def _imported_at_once(module: str, source: bytes) -> set[str]:
    """Return the paths that a module's own import imports, and some that are no module.

    An import inside a function, or in a `try` for what may be missing, is not among them.
    """
    paths = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = PurePosixPath(module).parents[node.level - 1]
            target = folder.joinpath(*(node.module or "").split("."))
            paths.add(f"{target}.py")
            paths.update(f"{target / name.name}.py" for name in node.names)
    return paths


def sensor_files(specs: list[dict[str, Any]]) -> set[str]:
    """Return the files of `sensors`, without suffix, that the config's `sensors` need.

    `system` is always one: the app reports it at each boot.
    """
    kinds = [spec["type"] for spec in specs]
    return {"system"} | {USER_FILE if kind.startswith(USER) else TYPES[kind][0] for kind in kinds}


def _read_pem(path: Path) -> list[bytes]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CommandError(f"--ca: cannot read {path}: {error.strerror}") from error
    try:
        with warnings.catch_warnings():
            # Old roots bend rules (serial numbers) that newer parsers warn of; boards accept them.
            warnings.simplefilter("ignore")
            certificates = x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise CommandError(f"--ca: {path} holds no PEM certificate") from error
    return [certificate.public_bytes(Encoding.DER) for certificate in certificates]
