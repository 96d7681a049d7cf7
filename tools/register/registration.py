"""A device's secret by its product's: one `POST /auth/register/device`, verified as `send` is.

Source: docs/protocol.md, "Registration". The firmware's own transport and parser carry it; what is
asked runs on this machine only, and no board ever sees the product's secret.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
import secrets
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import firmware
from ..client.authenticate import MemoryRoots
from ..client.tls_messages import explain
from ..firmware import board_files
from ..firmware.config_hints import check_rules
from ..terminal import failures
from ..terminal.failures import CommandError
from .secret_list import is_secret

HOST = "iot-auth.cn-shanghai.aliyuncs.com"
METHOD = "hmacsha256"  # the vendor's own client has no other

_REGISTERED = 200
_DEADLINE_MS = 30_000
_REPLY_BYTES = 2048  # at once
_THROTTLED = (429, 40000)
# Said to be of the system and not of the request.
_FOR_A_MOMENT = (400, 500, 6760, 10000)
# Of the product, so of every name.
_PRODUCT = (5005, 6250)
_PRODUCT_OURS = {6288: failures.REFUSED, 6600: failures.AUTH_REFUSED}
_WORDS_MAX = 120


class Refused(Exception):
    """The platform gives no secret for this name; the text is its message and code."""

    def __init__(self, code: int, message: str):
        super().__init__(f"{message} ({code})")
        self.code = code


class Throttled(Exception):
    """Too many requests, or a trouble of the moment: ask again later. Nothing was given out."""


class NotSent(Exception):
    """The request did not leave: nothing was given out. `error` is the firmware's."""

    def __init__(self, error: Exception):
        super().__init__(str(error))
        self.error = error


class Lost(Exception):
    """The request left, and no secret came: one may have been given out. The text says why."""


class Registrar:
    """Asks for the secrets of one product's devices.

    Args: host: name, or name:port; ca: a PEM file of further root certificates.
    Raises: CommandError for a CA file, the firmware's ConfigError for a host, that is none.
    """

    def __init__(self, host: str, product_key: str, product_secret: str, ca: Path | None):
        self.has_sent = False  # the request of the last `ask` has left
        self._product_key = product_key
        self._product_secret = product_secret.encode()
        self._roots = board_files.root_certificates(ca)
        firmware.enable_imports()
        from linkpost.ports.host import HostPort

        self._config: Any = check_rules(
            {"endpoint": host, "product_key": "x", "device_name": "xxxx", "device_secret": "x"}
        )
        self._port: Any = HostPort()

    @property
    def host(self) -> str:
        """The host's name."""
        return self._config.host

    def ask(self, device_name: str) -> str:
        """Return the secret that the platform gives the device now.

        Raises: Refused, Throttled, NotSent, Lost; CommandError for what is wrong for all names.
        """
        status, body = self._post(self._form(device_name))
        if status != 200:
            return self._take_status(status)
        return self._take_body(body, device_name)

    def _form(self, device_name: str) -> bytes:
        random = secrets.token_hex(8)
        content = f"deviceName{device_name}productKey{self._product_key}random{random}"
        sign = hmac.new(self._product_secret, content.encode(), hashlib.sha256).hexdigest()
        fields = {
            "productKey": self._product_key,
            "deviceName": device_name,
            "random": random,
            "sign": sign.upper(),
            "signMethod": METHOD,
        }
        return urllib.parse.urlencode(fields).encode()

    def _post(self, body: bytes) -> tuple[int, bytes]:
        """Return status and body of the reply. Raises: NotSent, Lost."""
        from linkpost.client import drive
        from linkpost.errors import LinkpostError
        from linkpost.net import Connection
        from linkpost.protocol import read

        config = self._config
        connection = Connection(
            config.host, config.port_number, self._port, lambda: MemoryRoots(self._roots)
        )
        head = (
            f"POST /auth/register/device HTTP/1.1\r\nHost: {config.host_header}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )

        def steps() -> Iterator[int]:
            yield from connection.connect()
            # Until this is over, a part of the request is the most that can have left.
            yield from connection.request(head.encode() + body)
            self.has_sent = True
            return (yield from read(connection.receive, bytearray(_REPLY_BYTES)))

        self.has_sent = False
        try:
            status, _, _, content = drive(steps(), connection, self._port, _DEADLINE_MS)
        except LinkpostError as error:
            if self.has_sent:
                raise Lost(str(error)) from error
            raise NotSent(error) from error
        finally:
            connection.close()
        return status, content

    def _take_status(self, status: int) -> str:
        if status in (429, 503):
            raise Throttled(f"HTTP {status}")
        if status >= 500:
            raise Lost(f"the reply is HTTP {status}")
        raise CommandError(
            f"{self.host} answers HTTP {status}, so it registers no devices: check --host",
            failures.REFUSED,
        )

    def _take_body(self, body: bytes, device_name: str) -> str:
        try:
            found = json.loads(body)
            code = found["code"]
            message = str(found.get("message") or "no reason given")
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise Lost("the reply is not the platform's") from error
        if not isinstance(code, int):
            raise Lost("the reply is not the platform's")
        if code == _REGISTERED:
            return self._take_data(found.get("data"), device_name)
        message = "".join(c if c.isprintable() else " " for c in message)[:_WORDS_MAX]
        if code in _THROTTLED or code in _FOR_A_MOMENT:
            raise Throttled(f"{message} ({code})")
        if code in _PRODUCT:
            raise CommandError(
                f"the platform does not know the product {self._product_key}: {message} ({code}). "
                "Check --product-key",
                failures.REFUSED,
            )
        if code in _PRODUCT_OURS:
            raise CommandError(
                f"refused for the whole product: {message} ({code}). Check the product's secret, "
                "and that its dynamic registration is on in the console",
                _PRODUCT_OURS[code],
            )
        raise Refused(code, message)

    def _take_data(self, data: Any, device_name: str) -> str:
        secret = data.get("deviceSecret") if isinstance(data, dict) else None
        if not isinstance(secret, str) or not is_secret(secret):
            raise Lost("the reply has no secret that a device can use")
        mine = {"deviceName": device_name, "productKey": self._product_key}
        for name, value in mine.items():
            if data.get(name, value) != value:
                raise Lost(f"the reply is for another {name}")
        return secret


def check_clock() -> None:
    """Raise CommandError where this computer's clock cannot be right: certificates go by it."""
    firmware.enable_imports()
    from linkpost.version import CLOCK_CEILING_UNIX_MS, RELEASED_UNIX_MS

    if not RELEASED_UNIX_MS <= time.time() * 1000 < CLOCK_CEILING_UNIX_MS:
        now = f"{datetime.datetime.now():%Y-%m-%d %H:%M}"
        raise CommandError(f"this computer's clock says {now}, which cannot be: set it")


def failure_of(error: NotSent, ca: Path | None) -> CommandError:
    """Return what to say of a request that could not be sent."""
    message = explain(str(error), getattr(error.error, "reason", None), ca)
    return CommandError(message, failures.exit_code_of(type(error.error).__name__))


def is_tls(error: NotSent) -> bool:
    """Tell whether trying again cannot help: the peer is not who it should be."""
    from linkpost.errors import TLSError

    return isinstance(error.error, TLSError)
