"""Who may use the console: pages and programs of this machine, or anyone with the password.

An ASGI layer around page and API, so that nothing behind it, the page's websocket included, is
reached without permission:

- Bound to loopback there is no password. But a web page from anywhere, open in a browser on this
  machine, can send requests here too: so the Host has to be a name of this machine (a stranger's
  name that points here could read all), and what changes something has to come from our page.
- Bound elsewhere, or where a password was chosen, each request needs it: `Authorization: Basic`
  with any user name, or `Bearer`. A browser gets a cookie for it, because not every browser sends
  Basic credentials with a websocket.
- Passwords are compared in constant time; an address that guesses is held off.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import http.cookies
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_COOKIE = "linkpost-console"
_BODY_MAX = 1024 * 1024
_FAILURES_MAX = 5  # of one address, in
_WINDOW_S = 60.0
_ADDRESSES_MAX = 1000
_SAFE = ("GET", "HEAD", "OPTIONS")
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


class AccessControl:
    """Lets requests through to `app`, or not.

    Args: password, None where the console is bound to loopback alone; names, what this machine is
    called, looked at only without a password.
    """

    def __init__(
        self,
        app: ASGIApp,
        password: str | None,
        names: tuple[str, ...] = LOCAL_NAMES,
        now_s: Callable[[], float] = time.monotonic,
    ):
        self._app = app
        self._password = password
        self._names = {name.lower() for name in names}
        self._session = secrets.token_urlsafe(32)
        self._now_s = now_s
        # By address: how many failures, and since when. The oldest are forgotten.
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if not self._is_from_here(scope, headers):
            await _refuse(scope, receive, send, 403, "this request does not come from the console")
            return
        status, is_new = self._admit(scope, headers)
        if status:
            await _refuse(scope, receive, send, status, _WORDS[status])
            return
        if _too_long(headers):
            await _refuse(scope, receive, send, 413, f"at most {_BODY_MAX} bytes")
            return
        bounded = _bound(receive) if scope["type"] == "http" else receive
        await self._app(scope, bounded, self._with_cookie(send) if is_new else send)

    def _is_from_here(self, scope: Scope, headers: dict[bytes, str]) -> bool:
        host = headers.get(b"host", "")
        if self._password is None and _name(host) not in self._names:
            return False
        origin = headers.get(b"origin")
        if origin is None or (scope["type"] == "http" and scope["method"] in _SAFE):
            return True
        return urlsplit(origin).netloc.lower() == host.lower()

    def _admit(self, scope: Scope, headers: dict[bytes, str]) -> tuple[int, bool]:
        """Return the status of a refusal, 0 for none; and whether a cookie is to be given."""
        if self._password is None or self._has_session(headers):
            return 0, False
        given = _password(headers.get(b"authorization", ""))
        if given is None:
            return 401, False
        address = scope["client"][0] if scope.get("client") else ""
        count, since_s = self._failures.get(address, (0, self._now_s()))
        if self._now_s() - since_s > _WINDOW_S:
            count, since_s = 0, self._now_s()
        if count >= _FAILURES_MAX:
            return 429, False
        if hmac.compare_digest(given.encode(), self._password.encode()):
            self._failures.pop(address, None)
            return 0, scope["type"] == "http"
        self._failures[address] = (count + 1, since_s)
        while len(self._failures) > _ADDRESSES_MAX:
            self._failures.popitem(last=False)
        return 401, False

    def _has_session(self, headers: dict[bytes, str]) -> bool:
        try:
            cookies = http.cookies.SimpleCookie(headers.get(b"cookie", ""))
        except http.cookies.CookieError:
            return False
        morsel = cookies.get(_COOKIE)
        return morsel is not None and hmac.compare_digest(
            morsel.value.encode(), self._session.encode()
        )

    def _with_cookie(self, send: Send) -> Send:
        cookie = f"{_COOKIE}={self._session}; HttpOnly; SameSite=Strict; Path=/"

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", []), (b"set-cookie", cookie.encode())]
                message = {**message, "headers": headers}
            await send(message)

        return send_with_cookie


_WORDS = {
    401: "the console needs its password: user name of your choice, or Authorization: Bearer",
    429: "too many wrong passwords; wait a minute",
}


def _name(host: str) -> str:
    """Return the name in a Host header, without port and brackets, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _password(authorization: str) -> str | None:
    """Return what an Authorization header says the password is; None where it says none."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return None
    try:
        user_and_password = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return user_and_password.partition(":")[2]


def _too_long(headers: dict[bytes, str]) -> bool:
    length = headers.get(b"content-length", "0")
    return (
        not length.isascii() or not length.isdigit() or len(length) > 9 or int(length) > _BODY_MAX
    )


def _bound(receive: Receive) -> Receive:
    seen = 0

    async def receive_bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        return message if seen <= _BODY_MAX else {"type": "http.disconnect"}

    return receive_bounded


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, detail: str) -> None:
    if scope["type"] == "websocket":
        await receive()  # websocket.connect; closed before it is accepted, it is HTTP 403
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(b"content-type", b"application/json")]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="linkpost emulator", charset="UTF-8"'))
    if status == 429:
        headers.append((b"retry-after", b"60"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"detail": detail}).encode()})
