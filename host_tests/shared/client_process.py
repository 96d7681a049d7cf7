"""Starts `client_driver.py` on CPython or on real MicroPython, and speaks with it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

ROOT = Path(__file__).parent.parent.parent
_DRIVER = Path(__file__).parent / "client_driver.py"
_ANSWER_TIMEOUT_S = 60


def write_anchor(folder: Path, ca: Path | str) -> None:
    """Put a CA where the firmware looks for anchors in that folder."""
    certificate = x509.load_pem_x509_certificate(Path(ca).read_bytes())
    (folder / "certs").mkdir(exist_ok=True)
    (folder / "certs" / "ca.der").write_bytes(certificate.public_bytes(Encoding.DER))


class ClientProcess:
    """A client in `folder`, made ready with config and anchor; use it as a context manager."""

    def __init__(
        self,
        runtime: str,
        folder: Path,
        config: dict,
        ca: Path | str | None,
        driver: Path = _DRIVER,
    ):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config))
        if ca is not None:
            write_anchor(folder, ca)
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        firmware = ROOT / "firmware"
        if runtime == "micropython":
            environment["MICROPYPATH"] = f"{firmware}:.frozen"
            program = str(Path(sys.executable).parent / "micropython")
            command = [program, "-X", "heapsize=1M", str(driver)]
        else:
            environment["PYTHONPATH"] = f"{firmware}:{ROOT / 'tools' / 'cpython'}"
            command = [sys.executable, str(driver)]
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._process.stdin and self._process.stdout
        self._in, self._out = self._process.stdin, self._process.stdout
        assert self._line() == "ready"

    def __enter__(self) -> ClientProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def _line(self) -> str:
        ready, _, _ = select.select([self._out], [], [], _ANSWER_TIMEOUT_S)
        assert ready, "the client does not answer"
        line = self._out.readline().decode().rstrip("\n")
        if line != "ready" and not line.startswith("{"):
            time.sleep(0.2)
            self._process.kill()
            raise AssertionError(line + "\n" + self._out.read().decode())
        return line

    def ask(self, do: str, **order: object) -> dict:
        """Give an order; return the answer."""
        self._in.write(json.dumps({"do": do, **order}).encode() + b"\n")
        self._in.flush()
        return json.loads(self._line())

    def publish(self, topic: str, data: str = "x", deadline_ms: int = 10_000, **more) -> dict:
        """Publish; return {"id"} or {"error", "message", "retry", "code", "reason"}."""
        if "zeros" not in more:
            more["data"] = data
        return self.ask("publish", topic=topic, deadline_ms=deadline_ms, **more)
