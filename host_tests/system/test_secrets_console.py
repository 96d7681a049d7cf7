"""Marker secrets in all that a careless client may send, and looked for in all that the emulator
keeps and shows: replies, log, database, API, exports, console page and what is sent to it.
"""

import base64
import json
import re
import sqlite3
import urllib.error
import urllib.parse
import urllib.request

import pytest
from console_browser import browser, import_expect  # noqa: F401  a fixture
from emulator_client import (
    auth_fields,
    authenticate,
    encode_auth,
    encode_publish,
    encode_request,
    exchange,
)
from emulator_process import EmulatorProcess
from linkpost_command import run
from markers import CONSOLE_PASSWORD, NEW_SECRET, SECRET, WRONG_SECRET, find

PRODUCT_KEY = "a1B2c3D4e5F"
TRIPLE = (PRODUCT_KEY, "sensor01", SECRET)
DEVICE = f"{PRODUCT_KEY}/sensor01"
TOPIC = f"/{DEVICE}/user/update"
GIVEN_OUT = re.compile(rb'("token":")([0-9a-f]{32})')


class World:
    """An emulator that has had such clients; `tokens` are all it gave out, `replies` the rest."""

    def __init__(self, emulator):
        self.emulator = emulator
        self.token = authenticate(emulator, TRIPLE)
        self.tokens = [self.token]
        self.replies = []
        for request in careless_requests(self.token):
            raw = exchange(emulator, request).raw
            # A token is given out to whoever proves to be the device, and there alone.
            self.tokens += [found[1].decode() for found in GIVEN_OUT.findall(raw)]
            self.replies.append(GIVEN_OUT.sub(rb"\1", raw))

    def find(self, data):
        """Return the secrets that the data shows."""
        return find(data, (SECRET, WRONG_SECRET, CONSOLE_PASSWORD, *self.tokens))

    def ask(self, method, path, body=None, password=CONSOLE_PASSWORD):
        """Return status, headers and text of a call of the console."""
        credentials = base64.b64encode(f"any:{password}".encode()).decode()
        headers = {"Content-Type": "application/json", "Authorization": f"Basic {credentials}"}
        data = None if body is None else json.dumps(body).encode()
        url = self.emulator.console + path
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as reply:
                return reply.status, str(reply.headers), reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, str(error.headers), error.read().decode()


def careless_requests(token):
    """Return requests with secrets where they belong and where they do not."""
    signed = auth_fields(TRIPLE)
    secret = SECRET.encode()
    own = {b"Content-Type": b"application/octet-stream", b"password": token.encode()}
    quoted = urllib.parse.quote(SECRET).encode()
    return (
        encode_auth(signed),
        encode_auth({**signed, "deviceSecret": SECRET}),
        encode_auth({**signed, "sign": SECRET}),
        encode_auth({**signed, "clientId": SECRET}),
        encode_auth({**signed, "signmethod": SECRET}),
        encode_auth({**signed, "timestamp": SECRET}),
        encode_auth({**signed, SECRET: "x"}),
        encode_auth(auth_fields((*TRIPLE[:2], WRONG_SECRET))),
        encode_auth(auth_fields((*TRIPLE[:2], SECRET + "\n"))),
        encode_auth(signed, target=b"/auth?secret=" + quoted),
        encode_publish(TOPIC, token, b'{"n": 1}'),
        encode_publish(TOPIC, SECRET),
        encode_publish(TOPIC, token[:-1] + "g"),
        encode_publish(TOPIC, None, Authorization=b"Bearer " + token.encode()),
        encode_publish(TOPIC, token, content_type=secret),
        encode_publish(TOPIC, token, content_type=token.encode()),
        encode_publish(TOPIC, token, X_Any=secret + b" " + token.encode()),
        encode_publish(f"/{PRODUCT_KEY}/other/{SECRET}", token),
        encode_publish(f"/{PRODUCT_KEY}/other/{token}", token),
        encode_request(b"/topic" + TOPIC.encode() + b"?token=" + token.encode(), own, b"x"),
        encode_request(b"/" + token.encode(), own, b"x", method=b"GET"),
        b"POST /auth HTTP/1.1\r\npassword " + token.encode() + b"\r\n\r\n",
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("markers")
    devices = folder / "devices.csv"
    rows = f"sensor01,{SECRET},{PRODUCT_KEY}\nsensor02,{SECRET},{PRODUCT_KEY}\n"
    devices.write_text("DeviceName,DeviceSecret,ProductKey\n" + rows)
    password = folder / "password"
    password.write_text(f"{CONSOLE_PASSWORD}\n")
    with EmulatorProcess(
        [], ["--devices", devices, "--console-password-file", password]
    ) as emulator:
        yield World(emulator)


def test_replies_and_log_of_the_platform_hold_no_secret(world):
    codes = set(re.findall(rb'"code":(\d+)', b"".join(world.replies)))
    assert {b"0", b"10001", b"20000", b"20002", b"20003", b"30001"} <= codes
    assert [reply for reply in world.replies if world.find(reply)] == []
    assert "20000" in world.emulator.log
    assert world.find(world.emulator.log + world.emulator.output) == []


def test_database_has_the_secret_in_one_column_and_no_token(world):
    places = {}
    db = sqlite3.connect(f"file:{world.emulator.db}?mode=ro", uri=True)
    try:
        listed = "SELECT name FROM sqlite_master WHERE type = 'table'"
        tables = [row[0] for row in db.execute(listed)]
        for table in tables:
            cursor = db.execute(f"SELECT * FROM {table}")  # noqa: S608  names of our own
            columns = [column[0] for column in cursor.description]
            for row in cursor:
                for column, value in zip(columns, row, strict=True):
                    found = world.find(value if isinstance(value, bytes) else str(value))
                    if found:
                        places.setdefault(f"{table}.{column}", []).append((found, value))
    finally:
        db.close()
    assert {"message", "wire", "authentication", "device", "token"} <= set(tables)
    assert places.pop("device.secret") == [([SECRET], SECRET)] * 2
    assert places == {}
    for suffix in ("", "-wal"):  # what was deleted or written over, too
        with open(world.emulator.db + suffix, "rb") as file:
            assert set(world.find(file.read())) <= {SECRET}


def test_every_answer_of_the_api_is_without_secrets(world):
    status, _, text = world.ask("GET", "/openapi.json")
    assert status == 200
    known = {"product_key": PRODUCT_KEY, "device_name": "sensor01"}
    paths = [
        re.sub(r"{(\w+)}", lambda found: known[found[1]], path)
        for path, methods in json.loads(text)["paths"].items()
        if "get" in methods and path.startswith("/api/")
    ]
    assert len(paths) >= 6
    paths += [f"/api/messages?format={name}&refused=true" for name in ("csv", "ndjson")]
    paths += [f"/api/messages?device={DEVICE}", "/docs"]
    for path in paths:
        status, headers, text = world.ask("GET", path)
        assert status == 200, path
        assert world.find(headers + text) == [], path


@pytest.mark.parametrize("name", ["csv", "ndjson"])
def test_export_is_without_secrets(world, tmp_path, name):
    out = tmp_path / "out"
    given = ("emulator", "export", "--db", world.emulator.db, "--format", name, "--refused")
    done = run(*given, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "30001" in out.read_text()
    assert world.find(out.read_bytes()) == []


def test_secret_of_a_new_device_is_given_out_once_and_repeated_by_no_refusal(world):
    new = {"product_key": PRODUCT_KEY, "device_name": "brand-new", "device_secret": NEW_SECRET}
    status, _, text = world.ask("POST", "/api/devices", new)
    assert (status, json.loads(text)["device_secret"]) == (201, NEW_SECRET)
    for body in (
        new,  # it is there already
        {**new, "device_name": 5},
        {**new, "device_secret": f"{NEW_SECRET} and"},
        {**new, "device_secret": [NEW_SECRET]},
        {"device_secret": NEW_SECRET},
        {**new, "more": NEW_SECRET},
        [new],
        NEW_SECRET,
    ):
        status, headers, text = world.ask("POST", "/api/devices", body)
        assert 400 <= status < 500, text
        assert find(headers + text, (NEW_SECRET,)) == [], text
    assert find(world.emulator.log + world.emulator.output, (NEW_SECRET,)) == []


def test_console_says_nothing_to_who_has_not_its_password(world):
    # Fewer than after which it holds this machine off, and the tests after this one.
    for path in ("/", "/api/devices", f"/device/{DEVICE}", "/openapi.json"):
        status, headers, text = world.ask("GET", path, password=WRONG_SECRET)
        assert status == 401
        assert len(text) < 200
        assert world.find(headers + text) == []


def test_console_page_shows_no_secret_and_is_sent_none(world, browser):  # noqa: F811
    expect = import_expect()
    login = {"username": "me", "password": CONSOLE_PASSWORD}
    seen = []
    with browser.open("about:blank", http_credentials=login) as page:

        def listen(socket):
            socket.on("framereceived", lambda frame: seen.append(frame))

        def look():
            seen.extend((page.content(), page.inner_text("body"), page.title(), page.url))

        page.on("websocket", listen)
        for path in ("/", "/messages", "/faults", "/new", f"/device/{DEVICE}"):
            page.goto(world.emulator.console + path)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            look()
        page.get_by_role("tab", name="Authentications").click()
        refused = page.locator("tbody tr").filter(has_text="20000")
        refused.first.wait_for()
        for place in range(min(refused.count(), 4)):
            refused.nth(place).get_by_role("button").click()
            expect(page.get_by_text("POST /auth").first).to_be_visible()
            look()
            page.get_by_role("button", name="Close").click()
            expect(page.locator("pre")).to_have_count(0)
        assert page.seen.hosts == {world.emulator.console.removeprefix("http://")}
    frames = [one if isinstance(one, bytes) else str(one).encode() for one in seen]
    assert len(frames) > 25, "nothing came over the websocket"
    assert [found for found in map(world.find, frames) if found] == []
