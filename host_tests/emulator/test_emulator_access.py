"""Who may use the console: by its port alone, as a program, as a browser, from a foreign page."""

from __future__ import annotations

import asyncio
import base64
import os
import stat
from urllib.parse import urlsplit

import httpx
import pytest
from emulator_process import EmulatorProcess

from tools.emulator.access import AccessControl

PASSWORD = "correct horse"


async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        return
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in %d" % len(body)})


class Clock:
    def __init__(self):
        self.s = 1000.0

    def __call__(self):
        return self.s


def ask(guard, method="GET", address="192.0.2.1", **more):
    """One request of a client of that address, by name `console.example`."""

    async def run():
        transport = httpx.ASGITransport(guard, client=(address, 5555))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://console.example:8080"
        ) as client:
            return await client.request(method, "/api/devices", **more)

    return asyncio.run(run())


def basic(password, user="anyone"):
    text = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


def bearer(password):
    return {"Authorization": f"Bearer {password}"}


def websocket(guard, headers):
    """Return the first event that a client gets that opens a websocket."""
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message["type"])

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "websocket", "path": "/", "headers": raw, "client": ("192.0.2.1", 1)}
    asyncio.run(guard(scope, receive, send))
    return sent[0]


def test_password_given_as_basic_or_bearer_lets_in():
    guard = AccessControl(app, PASSWORD)
    assert ask(guard, headers=basic(PASSWORD)).text == "in 0"
    assert ask(guard, headers=bearer(PASSWORD)).text == "in 0"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("wrong"),
        basic(""),
        bearer(""),
        bearer(PASSWORD + "x"),
        {"Authorization": "Basic %%%"},
        {"Authorization": "Basic"},
        {"Authorization": f"Digest {PASSWORD}"},
        {"Cookie": "linkpost-console="},
        {"Cookie": "linkpost-console=" + PASSWORD},
        {"Cookie": "linkpost-console=\u00e9; ;;="},
    ],
)
def test_request_without_the_password_is_refused_with_401(headers):
    reply = ask(AccessControl(app, PASSWORD), headers={k: v.encode() for k, v in headers.items()})
    assert reply.status_code == 401
    assert "Basic" in reply.headers["www-authenticate"]
    assert "set-cookie" not in reply.headers
    assert PASSWORD not in reply.text


def test_cookie_of_an_admitted_browser_opens_websocket_too():
    guard = AccessControl(app, PASSWORD)
    host = {"Host": "console.example"}
    assert websocket(guard, host) == "websocket.close"
    cookie = ask(guard, headers=basic(PASSWORD)).headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=Strict"):
        assert part in cookie
    assert PASSWORD not in cookie
    kept = {"Cookie": cookie.partition(";")[0]}
    assert ask(guard, headers=kept).text == "in 0"
    assert websocket(guard, host | kept) == "websocket.accept"
    assert websocket(guard, host | kept | {"Origin": "http://evil.example"}) == "websocket.close"
    assert websocket(guard, host | kept | {"Origin": "http://console.example"}) == (
        "websocket.accept"
    )
    assert (
        websocket(AccessControl(app, PASSWORD), host | kept) == "websocket.close"
    )  # of another process


def test_address_that_guesses_is_held_off_and_others_are_not():
    clock = Clock()
    guard = AccessControl(app, PASSWORD, now_s=clock)
    for _ in range(5):
        assert ask(guard, headers=bearer("guess")).status_code == 401
    assert ask(guard, headers=bearer("guess")).status_code == 429
    assert ask(guard, headers=bearer(PASSWORD)).status_code == 429  # nor by luck
    assert ask(guard, headers=bearer(PASSWORD), address="192.0.2.2").status_code == 200
    clock.s += 61
    assert ask(guard, headers=bearer(PASSWORD)).status_code == 200
    assert ask(guard).status_code == 401  # no password given is no guess


def test_addresses_that_guess_are_forgotten_in_bounds():
    guard = AccessControl(app, PASSWORD)
    for number in range(1100):
        scope = {"client": (f"192.0.2.{number}", 1), "type": "http"}
        guard._admit(scope, {b"authorization": "Bearer guess"})
    assert len(guard._failures) == 1000


def test_loopback_console_answers_to_its_own_names_only():
    guard = AccessControl(app, None)
    for host in ("localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST"):
        assert ask(guard, headers={"Host": host}).status_code == 200, host
    for host in ("evil.example", "evil.example:8080", "127.0.0.1.evil.example", ""):
        assert ask(guard, headers={"Host": host}).status_code == 403, host
    assert ask(AccessControl(app, None, ("console.example",))).status_code == 200


def test_foreign_page_cannot_change_anything():
    guard = AccessControl(app, None)
    host = {"Host": "localhost:8080"}
    for origin in ("http://evil.example", "null", "http://localhost:9999"):
        assert ask(guard, "POST", headers=host | {"Origin": origin}).status_code == 403
        assert websocket(guard, host | {"Origin": origin}) == "websocket.close"
    assert ask(guard, "POST", headers=host | {"Origin": "http://localhost:8080"}).is_success
    assert ask(guard, "POST", headers=host).is_success  # curl says no Origin


def test_body_beyond_the_limit_is_refused_or_cut():
    guard = AccessControl(app, None, ("console.example",))
    assert ask(guard, "POST", content=b"x" * 1024 * 1024).text == "in 1048576"
    assert ask(guard, "POST", content=b"x" * (1024 * 1024 + 1)).status_code == 413
    for length in ("9" * 5000, "-1", "1e3", ""):
        assert ask(guard, "POST", headers={"Content-Length": length}).status_code == 413, length

    async def pieces():
        for _ in range(40):
            yield b"x" * 65536

    with pytest.raises(ConnectionResetError):  # what the application sees: the client is gone
        ask(guard, "POST", content=pieces())


def test_console_away_from_loopback_prints_a_password_once_and_needs_it(tmp_path):
    with EmulatorProcess(options=["--console-host", "0.0.0.0"]) as emulator:  # noqa: S104
        lines = [line for line in emulator.output.splitlines() if line.startswith("password: ")]
        assert len(lines) == 1
        password = lines[0].split()[1]
        assert len(password) >= 16
        url = f"http://127.0.0.1:{urlsplit(emulator.console).port}"
        for path in ("/", "/api/devices", "/docs", "/openapi.json", "/api/messages?format=csv"):
            assert httpx.get(url + path, trust_env=False).status_code == 401, path
            reply = httpx.get(url + path, auth=("x", password), trust_env=False, timeout=30)
            assert reply.is_success, path
        assert password not in emulator.log
        if os.name == "posix":
            mode = (emulator.directory / "ready.json").stat().st_mode
            assert stat.S_IMODE(mode) == 0o600
        file = tmp_path / "password"
        file.write_text("chosen by me\nsecond line\n")
        emulator.options = ["--console-password-file", str(file)]
        emulator.restart()
        assert httpx.get(url + "/api/devices", trust_env=False).status_code == 401
        headers = bearer("chosen by me")
        assert httpx.get(url + "/api/devices", headers=headers, trust_env=False).is_success
        assert "chosen by me" not in emulator.output + emulator.log
