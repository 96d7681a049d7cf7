"""The emulator's console, as the fleet asks it: devices to be made, and what has arrived."""

from __future__ import annotations

import json
import os
import secrets
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from ..client.devices_csv import Triple
from ..terminal.failures import NETWORK, CommandError

_TIMEOUT_S = 30.0
PRODUCT_KEY = "a1LinkpostF"


class Console:
    """An emulator's console at that address.

    The password, where it needs one, comes from $LINKPOST_CONSOLE_PASSWORD.
    """

    def __init__(self, url: str):
        self.url = url.rstrip("/")
        self._made: list[str] = []
        # Whatever proxy this machine has, it is not for a console.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def about(self) -> dict[str, str]:
        """Return the emulator's `platform` (host:port) and `ca` (PEM)."""
        return self._call("GET", "/api/about")

    def add_devices(self, count: int) -> list[Triple]:
        """Register that many throw-away devices."""
        run = secrets.token_hex(3)
        triples = []
        for number in range(1, count + 1):
            new = {"product_key": PRODUCT_KEY, "device_name": f"fleet-{run}-{number:05d}"}
            made = self._call("POST", "/api/devices", new)
            self._made.append(made["device"])
            triples.append(Triple(PRODUCT_KEY, made["device_name"], made["device_secret"]))
        return triples

    def remove_devices(self) -> None:
        """Delete those that `add_devices` has registered, with what arrived from them."""
        while self._made:
            self._call("DELETE", f"/api/devices/{urllib.parse.quote(self._made[-1])}")
            self._made.pop()

    def arrived(self, device: str, stream: str) -> dict[str, int]:
        """Return `received`, `duplicates`, `missing` and `last` of a board's stream."""
        path = f"/api/devices/{urllib.parse.quote(device)}/streams"
        for found in self._call("GET", path):
            if found["name"] == stream:
                return found
        return {"received": 0, "duplicates": 0, "missing": 0, "last": 0}

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json"}
        password = os.environ.get("LINKPOST_CONSOLE_PASSWORD")
        if password:
            headers["Authorization"] = f"Bearer {password}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310  http or https, which the command checks
            self.url + path, data, headers, method=method
        )
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S) as reply:
                return json.loads(reply.read() or b"null")
        except urllib.error.HTTPError as error:
            if error.code == 401:
                raise CommandError(
                    f"{self.url} needs its password; set LINKPOST_CONSOLE_PASSWORD"
                ) from error
            raise CommandError(
                f"{self.url}{path}: HTTP {error.code}; is this an emulator of this version?",
                NETWORK,
            ) from error
        except (OSError, ValueError) as error:
            raise CommandError(
                f"no emulator's console answers at {self.url}; start `linkpost emulator`, or give"
                " --console", NETWORK,
            ) from error  # fmt: skip
