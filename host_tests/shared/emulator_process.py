"""A real `linkpost emulator` process for tests: started, asked, disturbed, killed."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from tools.emulator.lasting_port import lasting_port

_ROOT = Path(__file__).parent.parent.parent
_START_S = 30.0
_STOP_S = 15.0
_API_S = 30.0
_POLL_S = 0.02

PRODUCT_KEY = "a1B2c3D4e5F"
DEVICE_NAME = "sensor01"
DEVICE_SECRET = "0123456789abcdef0123456789abcdef"
TRIPLE = (PRODUCT_KEY, DEVICE_NAME, DEVICE_SECRET)


class EmulatorProcess:
    """The emulator in a process and a directory of its own; use it in a `with` block.

    Args: devices are (product key, device name, secret); options are further ones of the command
    line. The ports are free ones, and stay the same over `restart`.

    `platform` is "localhost:PORT", `console` the API's URL, `ca` the path of the CA's PEM, `log`
    what the process has printed on standard error.
    """

    def __init__(self, devices=(TRIPLE,), options=()):
        self.devices_given = list(devices)
        self.options = [str(option) for option in options]
        self.directory = Path(tempfile.mkdtemp(prefix="linkpost-emulator-"))
        self.ca = str(self.directory / "certs" / "ca.pem")
        self.db = str(self.directory / "emulator.db")
        self.platform = ""
        self.console = ""
        self.process: subprocess.Popen | None = None
        self._ports = (str(lasting_port()), str(lasting_port()))

    def __enter__(self) -> EmulatorProcess:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *details) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def log(self) -> str:
        path = self.directory / "stderr"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def output(self) -> str:
        path = self.directory / "stdout"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def port(self) -> int:
        """The platform's port."""
        return int(self._ports[0])

    def start(self) -> None:
        """Start the process and wait until both ports listen."""
        ready_file = self.directory / "ready.json"
        command = [sys.executable, "-m", "tools", "emulator", "--ready-file", str(ready_file)]
        command += ["--port", self._ports[0], "--console-port", self._ports[1]]
        command += ["--db", self.db, "--cert-dir", str(self.directory / "certs")]
        for triple in self.devices_given:
            command += ["--device", ",".join(triple)]
        with (
            open(self.directory / "stdout", "ab") as out,
            open(self.directory / "stderr", "ab") as err,
        ):
            self.process = subprocess.Popen(
                [*command, *map(str, self.options)],
                cwd=_ROOT,
                env={**os.environ, "PYTHONPATH": _python_path()},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        end = time.monotonic() + _START_S
        while not ready_file.exists():
            if time.monotonic() > end:
                raise AssertionError(f"the emulator was not ready in {_START_S} s:\n{self.log}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self.process.wait(_POLL_S)
                raise AssertionError(f"the emulator ended with {code}:\n{self.log}")
        ready = json.loads(ready_file.read_text())
        self.platform, self.console = ready["platform"], ready["console"]
        self._ports = (self.platform.rpartition(":")[2], self.console.rpartition(":")[2])

    def stop(self) -> int:
        """End the process with SIGTERM; return its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(_STOP_S)

    def kill(self) -> None:
        """End the process as a power cut would, with SIGKILL. Its files stay."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(_STOP_S)
        (self.directory / "ready.json").unlink(missing_ok=True)

    def restart(self) -> None:
        """End the process and start it again, on the same files and ports."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
        self.start()

    def messages(self, device=None, topic=None) -> list[dict]:
        """Return every accepted message, oldest first; `payload` is its bytes."""
        found: list[dict] = []
        while True:
            query = {"device": device, "topic": topic, "after": found[-1]["id"] if found else 0}
            page = self.api("GET", "/api/messages", query=query)
            if not page:
                break
            found += page
        for message in found:
            message["payload"] = base64.b64decode(message["payload_b64"])
        return found

    def devices(self) -> dict[str, dict]:
        """Return each device's counters by "PK/DN"; the codes of `refusals` are integers."""
        views = self.api("GET", "/api/devices")
        for view in views:
            view["refusals"] = {int(code): n for code, n in view["refusals"].items()}
        return {view["device"]: view for view in views}

    def totals(self) -> dict:
        """Return what was counted since the process started: handshakes, requests, ..."""
        return self.api("GET", "/api/totals")

    def fault(self, *, endpoint=None, kind, times=None, device=None, **more) -> dict:
        """Let something go wrong; see /docs of the console for kinds and what they need."""
        fault = {"endpoint": endpoint, "kind": kind, "times": times, "device": device, **more}
        return self.api("POST", "/api/faults", fault)

    def faults(self) -> list[dict]:
        """Return the faults that still wait or last."""
        return self.api("GET", "/api/faults")

    def clear_faults(self) -> None:
        self.api("DELETE", "/api/faults")

    def expire_tokens(self, device) -> int:
        """Let every token of the device ("PK/DN") be expired; return how many."""
        return self.api("POST", f"/api/devices/{device}/expire-tokens")["expired"]

    def set_enabled(self, device, enabled) -> None:
        self.api("POST", f"/api/devices/{device}/{'enable' if enabled else 'disable'}")

    def add_names(self, product_key, names) -> int:
        """Make devices of a product, to be registered; return how many are new."""
        return self.api("POST", f"/api/products/{product_key}/names", {"names": names})["added"]

    def keep_alive(self, on) -> None:
        """Let the platform keep connections from now on, or close after each reply."""
        self.api("PUT", "/api/settings", {"keep_alive": on})

    def api(self, method, path, body=None, *, query=None):
        """Return the JSON of one call of the console's API; AssertionError where it refuses."""
        wanted = {name: value for name, value in (query or {}).items() if value is not None}
        url = f"{self.console}{urllib.parse.quote(path)}"
        if wanted:
            url += "?" + urllib.parse.urlencode(wanted)
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310  the console is plain HTTP on loopback
            url, data, {"Content-Type": "application/json"}, method=method
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_API_S) as reply:
                text = reply.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()!r}") from error
        return json.loads(text) if text else None


def _python_path() -> str:
    return os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
