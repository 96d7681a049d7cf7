"""The tables of docs/errors.md, each from the one place in the code that decides it.

Classes and what they mean: the firmware's errors.py. Pauses: backoff.py. Codes: the firmware's
refusals.py, asked; their names: the emulator's rules.py. Exit codes: tools/terminal/failures.py.
What a person does next is said here, once for each class.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from linkpost import backoff, errors, version
from linkpost.net import connecting
from linkpost.net import failures as net_failures
from linkpost.protocol import refusals

from tools.emulator import rules
from tools.terminal import failures

_SECRET = "0123456789abcdef0123456789abWXYZ"
_MESSAGE = "MESSAGE"
_TOPIC = "/TOPIC"
_HANDSHAKE = 2

# What a person does, by class. `None`: nothing, the board goes on by itself.
NEXT = {
    "ConfigError": "correct the key that the message names: `linkpost provision`",
    "StorageError": "look at the free flash: `linkpost status`; smaller `outbox.max_bytes`",
    "SensorError": "check wiring, power, pin and address; the reading has it under `error`",
    "LowMemoryError": "[take less memory](hardware.md#memory-left-for-your-own-code) in your own "
    "code; fewer sensors",
    "NetworkError": "nothing for an outage; else check Wi-Fi and endpoint",
    "DeadlineError": "nothing for an outage; else look for a proxy or a firewall in between",
    "DNSError": "check the endpoint letter by letter, and that this network reaches the internet",
    "TLSError": "[by its reason](#tls-reasons)",
    "ProtocolError": "look for a proxy in between: something else than the platform answers",
    "ServiceError": "nothing, if it passes; else look the code up in the vendor's list",
    "TokenError": "nothing: a dead token alone costs one authentication. If it stays, two boards "
    "share one device's credentials",
    "AuthError": "`linkpost provision --check` proves the credentials from the laptop",
    "ThrottledError": "raise `interval_s` or `send_s`, or set `outbox.batch_bytes`",
    "RejectedError": "check that the topic exists and that this device may publish to it; "
    "`linkpost outbox --quarantined` shows what was refused",
}

_TLS_NEXT = {
    "untrusted": "`linkpost certs --check --endpoint HOST` tells whether the endpoint is another, "
    "a proxy is in between, or the board's root certificates are old",
    "wrong host": "check the endpoint, letter by letter",
    "not yet valid": "set the clock: allow UDP 123, or name a server inside your network in `ntp`",
    "expired": "the same; if the clock is right, the platform's certificate has expired",
    "no anchor": "`linkpost deploy` puts the root certificates on the board",
    "handshake": "check host and port: the peer must speak TLS 1.2",
    "memory": "[take less memory](hardware.md#memory-left-for-your-own-code) in your own code. "
    "Five in a row reset the board once; if that does not help, it goes on storing and tries "
    "every 15 to 20 minutes",
}


def error_classes() -> list[type]:
    """Return every error class, in the order of errors.py."""
    found = [
        item
        for item in vars(errors).values()
        if inspect.isclass(item) and issubclass(item, errors.LinkpostError)
    ]
    return [item for item in found if item is not errors.LinkpostError]


def _words(ms: int) -> str:
    if ms < 60_000:
        return f"{ms // 1000} s"
    return f"{ms // 60_000} min" if ms < 3_600_000 else f"{ms // 3_600_000} h"


def pause(retry: str) -> str:
    """Return when a board tries again after an error of that `retry`, as backoff.py decides."""
    error = errors.LinkpostError()
    error.retry = retry

    def longest(attempts: int) -> int:
        # The jitter's random number is taken modulo its bound + 1: try every bound's last.
        return max(
            backoff.pause_ms(
                error, attempts, lambda length, number=number: number.to_bytes(3, "big")
            )
            for number in (2_000, 30_000, 300_000, 3_600_000)
        )

    if retry == "slowly":
        shortest = backoff.pause_ms(error, 0, lambda length: b"\x00\x00\x00")
        return f"every {_words(shortest)} to {_words(longest(0))}"
    return f"after a random pause of up to {_words(longest(0))}, doubling to {_words(longest(30))}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def class_table() -> str:
    """Return the table of classes: when, what the board does, the exit code, what you do."""
    lines = [
        _row("error", "when", "what the board does", "exit code", "what you do"),
        "|---|---|---|---:|---|",
    ]
    for item in error_classes():
        when = " ".join(re.split(r"(?<=\.)\s", item.__doc__.strip())[0].split())
        if item.retry == "never":
            board = "[quarantines the reading](protocol.md#refused-readings)"
        elif item.__name__ == "ConfigError":
            board = "stops at the REPL, at boot"
        elif item.__name__ == "SensorError":
            board = "goes on with the other sensors"
        else:
            board = f"keeps the reading, tries again {pause(item.retry)}"
        code = failures.exit_code_of(item.__name__)
        lines.append(_row(f"`{item.__name__}`", when, board, str(code), NEXT[item.__name__]))
    return "\n".join(lines)


def _on_auth(code: int) -> Any:
    try:
        return refusals.token_of({"code": code, "message": _MESSAGE}, _SECRET)
    except errors.LinkpostError as error:
        return error


def code_names() -> dict[int, str]:
    """Return the platform's codes and their names, as the emulator has them."""
    found = {}
    for name, value in vars(rules).items():
        if name.isupper() and isinstance(value, int) and 10_000 <= value <= 99_999:
            found.setdefault(value, name.lower().replace("_", " "))
    return dict(sorted(found.items()))


def code_table() -> str:
    """Return the table of the platform's codes: the error on /auth and on a topic."""
    lines = [_row("code", "name", "on `/auth`", "on a topic"), "|---:|---|---|---|"]
    for code, name in code_names().items():
        on_auth = _on_auth(code)
        on_topic = refusals.of_code({"code": code, "message": _MESSAGE}, _TOPIC)
        shown = [f"`{type(error).__name__}`" for error in (on_auth, on_topic)]
        lines.append(_row(str(code), name, *shown))
    return "\n".join(lines)


class _Lost:
    """A connection that has failed for want of memory or another reason, its port and anchors."""

    host = "HOST"
    tight = None
    root = 0

    def __init__(self) -> None:
        self.port = self.anchors = self

    def __call__(self) -> _Lost:
        return self

    def read(self, k: int) -> None:
        return None

    def tls_memory(self) -> tuple[int, int]:
        return 28_000, 15_000

    def unix_ms(self) -> int:
        return version.RELEASED_UNIX_MS


def _no_anchor() -> str:
    try:
        connecting.load_root(_Lost(), None)
    except errors.TLSError as error:
        return str(error)
    raise AssertionError("a root from nowhere")


def tls_table() -> str:
    """Return the table of a TLSError's reasons, with the line that the board logs."""
    lines = [_row("reason", "the line says", "what you do"), "|---|---|---|"]
    said = {
        "untrusted": ValueError("The certificate is not correctly signed by the trusted CA"),
        "wrong host": ValueError(
            "The certificate Common Name (CN) does not match with the expected CN"
        ),
        "not yet valid": ValueError("The certificate validity starts in the future"),
        "expired": ValueError("The certificate validity has expired"),
        "handshake": OSError(-30592, "ERROR"),
        "memory": MemoryError(),
    }
    texts = {
        reason: str(net_failures.explained(_Lost(), _HANDSHAKE, error, 0))
        for reason, error in said.items()
    }
    texts["no anchor"] = _no_anchor()
    for reason, action in _TLS_NEXT.items():
        text = texts[reason]
        lines.append(_row(reason, f"`{text}`", action))
    return "\n".join(lines)


def reply_list() -> str:
    """Return what a ProtocolError may say of a reply's head and body."""
    return "\n".join(f"* {refusals.of_reply(number)}" for number in range(len(refusals._TEXTS)))


def parts() -> dict[str, str]:
    """Return the generated parts of docs/errors.md, by name."""
    return {
        "classes": class_table(),
        "codes": code_table(),
        "tls reasons": tls_table(),
        "replies": reply_list(),
    }
