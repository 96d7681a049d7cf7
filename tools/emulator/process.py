"""The emulator as a process of its own: started, asked, killed, started again as it was."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from ..terminal.failures import NETWORK, CommandError
from ..terminal.own_command import own_command
from ..virtual_board import runtimes
from .lasting_port import lasting_port
from .platform import TOKEN_TTL_S

_PASSWORD_VARIABLE = "LINKPOST_CONSOLE_PASSWORD"  # noqa: S105  the name of it
_START_S = 30.0
_STOP_S = 15.0
_API_S = 30.0


class RunningEmulator:
    """`linkpost emulator` in a folder of its own; the ports stay the same over restarts.

    Args: folder, for its files; triples, (product key, device name, secret) of each device;
    token_ttl_s, how long its tokens last; options, further ones of the command.
    Attributes: endpoint, "localhost:PORT"; console, its URL; ca, the path of the CA's PEM.
    """

    def __init__(
        self,
        folder: Path,
        triples: list[tuple[str, str, str]],
        token_ttl_s: int = TOKEN_TTL_S,
        options: tuple[str, ...] = ("--keep-alive",),
    ):
        self.endpoint = ""
        self.ca = folder / "certs" / "ca.pem"
        self.log = folder / "emulator.log"
        self._folder = folder
        self._triples = triples
        self._token_ttl_s = token_ttl_s
        self._options = options
        self.console = ""
        self._ports = (str(lasting_port()), str(lasting_port()))
        self._process: subprocess.Popen[bytes] | None = None
        # Whatever proxy this machine has, the console is on this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @property
    def port(self) -> int:
        """Return the platform's port on this machine."""
        return int(self.endpoint.rpartition(":")[2])

    def __enter__(self) -> RunningEmulator:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, and wait until both ports listen. Raises: CommandError where it does not."""
        ready_file = self._folder / "ready.json"
        ready_file.unlink(missing_ok=True)
        command = own_command("emulator", *self._options)
        command += ["--ready-file", str(ready_file), "--token-ttl", str(self._token_ttl_s)]
        command += ["--port", self._ports[0], "--console-port", self._ports[1]]
        command += ["--db", str(self._folder / "platform.db")]
        command += ["--cert-dir", str(self.ca.parent)]
        for triple in self._triples:
            command += ["--device", ",".join(triple)]
        with self.log.open("ab") as log:
            self._process = runtimes.start_child(
                command,
                # Who runs it asks without a password, whatever the user has set for their own.
                {name: value for name, value in os.environ.items() if name != _PASSWORD_VARIABLE},
                cwd=Path(__file__).parent.parent.parent,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError, ValueError):  # not there, or not whole yet
                ready = json.loads(ready_file.read_text())
                self.endpoint, self.console = ready["platform"], ready["console"]
                self._ports = (self.endpoint.split(":")[-1], self.console.split(":")[-1])
                return
            time.sleep(0.05)
        said = self.log.read_text(errors="replace").strip().rpartition("\n")[2]
        raise CommandError(f"the emulator did not start; its log, {self.log}: {said}", NETWORK)

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_STOP_S)

    def kill(self) -> None:
        """End it as a power cut would. Its files stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_STOP_S)

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Return the JSON of one call of the console's API, None where it returns nothing.

        Raises: CommandError where the emulator is gone; urllib's HTTPError where it refuses.
        """
        url = f"{self.console}{path}?{urllib.parse.urlencode(query)}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310  plain HTTP on loopback
            url, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with self._opener.open(request, timeout=_API_S) as reply:
                text = reply.read()
        except urllib.error.HTTPError:
            raise
        except OSError as error:
            raise CommandError(
                f"the emulator does not answer ({error}); its log: {self.log}", NETWORK
            ) from error
        return json.loads(text) if text else None

    def messages_after(self, newest_id: int) -> list[dict[str, Any]]:
        """Return all accepted messages above that id, oldest first."""
        found: list[dict[str, Any]] = []
        while page := self.call("GET", "/api/messages", after=newest_id):
            found += page
            newest_id = page[-1]["id"]
        return found
