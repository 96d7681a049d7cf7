"""What is measured, and where: each function runs real parts and returns numbers."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .. import firmware
from ..emulator.process import RunningEmulator
from ..firmware import board_files
from ..terminal.failures import CommandError
from ..virtual_board import unix_port
from .proxy import CountingProxy, Counts

_HERE = Path(__file__).parent
_ON_MICROPYTHON = _HERE / "on_micropython"
_WEAR = _HERE.parent.parent / "host_tests" / "power"
_TRIPLE = ("a1B2c3D4e5F", "sensor01", "0123456789abcdef0123456789abcdef")
_TIMEOUT_S = 300
# What most people run, and what the budgets speak of: readings as JSON, the chip's own sensors.
CONFIG: dict[str, Any] = {
    "product_key": _TRIPLE[0],
    "device_name": _TRIPLE[1],
    "device_secret": _TRIPLE[2],
    "interval_s": 0,
    "sensors": [{"type": "onchip"}],
}


def run_on_micropython(
    script: Path, folder: Path, path: list[Path], options: Any = None, heap: str = "16M"
) -> list[Any]:
    """Run a script on the unix port, in `folder`; return the JSON values it prints, a line each.

    Raises: CommandError with what it said where it fails.
    """
    environment = {
        **os.environ,
        "MICROPYPATH": ":".join([*map(str, path), ".frozen"]),
        "LINKPOST_OPTIONS": json.dumps(options),
    }
    command = [sys.executable, "-I", unix_port.__file__, "-X", f"heapsize={heap}", str(script)]
    done = subprocess.run(  # noqa: S603  our own command
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S
    )
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(("{", "["))]
    # A script that ends in a traceback ends with 0 where the unix port does.
    if done.returncode or not found:
        raise CommandError(f"{script.name} failed: {(done.stdout + done.stderr)[-2000:]}", 1)
    return found


@contextmanager
def emulator() -> Iterator[tuple[RunningEmulator, Path]]:
    """Run an emulator that keeps connections; yield it, and a folder with its CA in certs."""
    with tempfile.TemporaryDirectory(prefix="linkpost-bench-") as name:
        folder = Path(name)
        (folder / "certs").mkdir()
        with RunningEmulator(folder, [_TRIPLE]) as platform:
            for path, der in board_files.root_certificates(platform.ca).items():
                if path.startswith(board_files.CA_PREFIX):
                    (folder / path).write_bytes(der)
            yield platform, folder


def reports(
    folder: Path, port: int, rounds: int, kinds: tuple[str, ...] = ("theirs", "fresh", "kept")
) -> dict[str, Any]:
    """Report in turns over that port: theirs, ours on fresh and ours on kept connections."""
    config = {**CONFIG, "endpoint": f"localhost:{port}"}
    options = {"config": config, "rounds": rounds, "kinds": kinds}
    path = [firmware.package_dir().parent]
    return run_on_micropython(_ON_MICROPYTHON / "reports.py", folder, path, options)[0]


def on_the_wire(platform: RunningEmulator, folder: Path) -> dict[str, dict[str, int]]:
    """Return records and bytes that one report of each kind sends, the handshake's included."""
    found = {}
    for kind in ("theirs", "fresh"):
        with CountingProxy(platform.port) as proxy:
            reports(folder, proxy.port, 2, (kind,))
        last = proxy.connections[-1]
        found[kind] = {"records": last.application_records, "bytes_up": last.bytes_up}
    # All over one connection, which also authenticated: four reports more make the difference.
    few, many = (_kept_connection(platform, folder, rounds) for rounds in (2, 6))
    found["kept"] = {
        "records": (many.application_records - few.application_records) // 4,
        "bytes_up": (many.bytes_up - few.bytes_up) // 4,
    }
    return found


def _kept_connection(platform: RunningEmulator, folder: Path, rounds: int) -> Counts:
    with CountingProxy(platform.port) as proxy:
        reports(folder, proxy.port, rounds, ("kept",))
    (only,) = proxy.connections
    return only


def latency(platform: RunningEmulator, folder: Path, delay_ms: int) -> dict[str, float]:
    """Return the median seconds of a report of each kind, each direction that late."""
    with CountingProxy(platform.port, delay_ms / 1000) as proxy:
        runs = reports(folder, proxy.port, 5)["runs"]
    return {name: statistics.median(us for us, _ in runs[name]) / 1e6 for name in runs}


def longest_calls(platform: RunningEmulator, folder: Path) -> dict[str, dict[str, int]]:
    """Return the longest call into the transport by phase, us; also while the peer drips."""
    config = {**CONFIG, "endpoint": platform.endpoint}
    path = [firmware.package_dir().parent]
    found = {}
    for kind in (None, "drip", "drip_record", "drip_handshake"):
        if kind is not None:
            fault = {"kind": kind, "endpoint": "auth", "times": None}
            platform.call("POST", "/api/faults", fault)
        options = {"config": config, "ms": 3000}
        script = _ON_MICROPYTHON / "longest.py"
        found[kind or "no fault"] = run_on_micropython(script, folder, path, options)[0]
        platform.call("DELETE", "/api/faults")
    return found


def aio_blocks(platform: RunningEmulator, folder: Path) -> dict[str, dict[str, int]]:
    """Return the longest block of the loop by linkpost.aio, us, of each kind of work.

    Of three runs the shortest: what else runs on this machine blocks the loop as well.
    """
    config = {**CONFIG, "endpoint": platform.endpoint}
    path = [firmware.package_dir().parent]
    small, large = [80] * 20, [131_072] * 3
    found = {}
    for name, lengths, fresh, fault in (
        ("fresh connections", small, True, None),
        ("kept connection", small, False, None),
        ("128 KB", large, False, None),
        ("drip", small[:1], True, {"kind": "drip", "endpoint": "topic", "interval_ms": 1}),
        ("drip_record", small[:1], True, {"kind": "drip_record", "endpoint": "topic"}),
        ("drip_handshake", small[:1], True, {"kind": "drip_handshake", "endpoint": "topic"}),
    ):
        if fault is not None:
            platform.call("POST", "/api/faults", {**fault, "times": None})
        options = {"config": config, "lengths": lengths, "fresh": fresh, "deadline_ms": 2000}
        script = _ON_MICROPYTHON / "aio_block.py"
        runs = [run_on_micropython(script, folder, path, options)[0] for _ in range(3)]
        found[name] = {
            phase: min(run[phase] for run in runs) for phase in ("connect", "handshake", "request")
        }
        platform.call("DELETE", "/api/faults")
    return found


def digests() -> dict[str, int]:
    """Return bytes per second of each digest, us of each HMAC. Raises where a value is wrong."""
    found = run_on_micropython(
        _ON_MICROPYTHON / "digests.py", _HERE, [firmware.package_dir().parent]
    )[0]
    message = bytes(range(256)) * 64
    key = b"0123456789abcdef0123456789abcdef"
    signed = b"clientIda1B2c3D4e5F.sensor01deviceNamesensor01productKeya1B2c3D4e5F"
    for name, (_, value) in found.items():
        kind, _, digest = name.rpartition(" ")
        if kind == "hmac":
            expected = hmac.new(key, signed, digest).hexdigest()
        else:
            expected = hashlib.new(name.split()[0], message).hexdigest()
        if value != expected:
            raise CommandError(f"{name}: {value} is not {expected}", 1)
    return {name: number for name, (number, _) in found.items()}


def flash() -> list[dict[str, Any]]:
    """Return what the outbox costs the flash, by host_tests/power/wear.py."""
    path = [firmware.package_dir().parent, _WEAR]
    return run_on_micropython(_WEAR / "wear.py", _HERE, path, heap="32M")


def sizes() -> dict[str, int]:
    """Return the bytes of each .mpy that a board with CONFIG gets."""
    files = board_files.files_for(CONFIG, chip="esp32", native_digests=True)
    return {path: len(data) for path, data in files.items() if path.endswith(".mpy")}


def loaded_sizes(modules: Collection[str]) -> dict[str, int]:
    """Return the bytes of the .mpy of these modules ("net.transport", "ports") and of linkpost."""
    files = board_files.files_for(CONFIG, chip="host", native_digests=False)
    found = {}
    for module in ("", *modules):
        place = "/".join(("lib/linkpost", *filter(None, module.split("."))))
        for path in (f"{place}.mpy", f"{place}/__init__.mpy"):
            if path in files:  # an empty package has none
                found[path] = len(files[path])
    return found


def import_ms() -> float:
    """Return the ms that importing the app takes on the unix port, from .mpy; the median of 5."""
    with tempfile.TemporaryDirectory(prefix="linkpost-bench-") as name:
        files = board_files.files_for(CONFIG, chip="host", native_digests=True)
        for path, data in files.items():
            target = Path(name, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        script = _ON_MICROPYTHON / "imports.py"
        runs = [
            run_on_micropython(script, Path(name), [Path(name, "lib")])[0]["us"] for _ in range(5)
        ]
    return statistics.median(runs) / 1000
