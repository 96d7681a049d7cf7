"""What is fuzzed: each target takes bytes that somebody else could have written.

A target returns where the bytes were taken or refused in the way that is promised, and raises
where not: any exception but the ones named there is a finding. Sizes that have a bound are checked
here, time and memory by the fuzzer (run.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

from tools import firmware

firmware.enable_imports()

from linkpost.config import Config  # noqa: E402
from linkpost.errors import ConfigError, LinkpostError, NetworkError, ProtocolError, StorageError  # noqa: E402
from linkpost.net.ntp import parse_reply  # noqa: E402
from linkpost.protocol import id_of, parse, read, refusals  # noqa: E402
from linkpost.storage.outbox import Outbox  # noqa: E402
from linkpost.storage.tokens import TokenStore  # noqa: E402
from linkpost.version import can_be_right  # noqa: E402

from host_tests.fuzz.bench_targets import BENCH_SEEDS, BENCH_TARGETS  # noqa: E402
from host_tests.portable.flash_0_1_0 import FILES  # noqa: E402
from tools.client.devices_csv import check_triple, parse_devices  # noqa: E402
from tools.emulator import rules, wire  # noqa: E402
from tools.firmware.boards import read_board  # noqa: E402
from tools.firmware.outbox_copy import quarantined_readings  # noqa: E402
from tools.terminal.failures import CommandError  # noqa: E402

# Some thousand folders a minute: in RAM, where there is such a place.
_RAM = "/dev/shm"  # noqa: S108
_IN_RAM = _RAM if Path(_RAM).is_dir() else None
_BODY_MAX_BYTES = 1024  # the limit of a reply's body
_IDENTITY = ("a1B2c3D4e5F", "sensor01", "0123456789abcdef", "localhost")


def http_reply(data: bytes) -> None:
    """A reply as it comes from the socket: whole, and once more a byte at a time."""
    results: list[tuple[int, bytes] | None] = []
    for size in (len(data) or 1, 1):
        pieces = [data[i : i + size] for i in range(0, len(data), size)]

        def receive(view, pieces=pieces):
            yield 1
            if not pieces:
                return 0
            piece = pieces[0][: len(view)]
            pieces[0] = pieces[0][len(piece) :]
            if not pieces[0]:
                pieces.pop(0)
            view[: len(piece)] = piece
            return len(piece)

        steps = read(receive, bytearray(2048))
        try:
            while True:
                next(steps)
        except StopIteration as stop:
            status, _, date, body = stop.value
            # Not whether it is kept: what comes behind the reply is seen only when it is there.
            results.append((status, body))
            assert date is None or len(date) == 29
            assert len(body) <= _BODY_MAX_BYTES
        except ProtocolError:
            results.append(None)
    assert results[0] == results[1], "how it is cut changes what it says"


def json_reply(data: bytes) -> None:
    """The body of a reply."""
    try:
        tree = parse(data[:_BODY_MAX_BYTES])
    except ProtocolError:
        return
    assert type(tree["code"]) is int and 0 <= tree["code"] <= 999_999_999
    with contextlib.suppress(ProtocolError):
        found = id_of(tree)
        assert found is None or 1 <= len(found) <= 64
        assert found is None or found.replace("-", "0").isalnum()
    refusals.platform_message(tree).encode()
    with contextlib.suppress(LinkpostError):
        assert len(refusals.token_of(tree, "secret")) <= 512


def token_file(data: bytes) -> None:
    """The token on flash, with a good frame around the bytes half of the time."""
    from linkpost.storage.readings import encode_frame

    if data[:1] == b"T":
        data = encode_frame(0x54, bytes(data[1:60_000]))
    with _folder() as folder:
        path = folder / "token"
        path.write_bytes(data)
        token = TokenStore(str(path), _IDENTITY).load()
    assert token is None or isinstance(token, str)


def outbox(data: bytes) -> None:
    """An outbox of which one file is what the bytes say: opened, read, appended to, emptied.

    The first byte picks the file, the rest is what is in it, with a good frame around it where
    that begins with a frame's kind.
    """
    from linkpost.storage.readings import encode_frame

    names = sorted(name for name in FILES if name.startswith("outbox/"))
    if not data:
        return
    name = names[data[0] % len(names)]
    content = data[1:]
    if content[:1] in (b"R", b"U", b"N", b"C", b"S") and data[0] >= 128:
        content = encode_frame(content[0], content[1:2000])
    with _folder() as folder:
        for path, text in FILES.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content if path == name else bytes.fromhex(text))
        box = Outbox(str(folder / "outbox"), 65536, os.urandom)
        before = box.next_seq
        found = [seq for seq, _, _ in box.readings()]
        assert found == sorted(set(found)), "out of order, or twice"
        list(quarantined_readings(box))
        try:
            seq = box.append({"t": 1}, None)
        except struct.error:
            return  # a seq beyond what a frame holds, which no board gets to
        assert seq == before
        while box.pending:
            oldest = box.oldest()
            if oldest is None:
                break
            box.acknowledge(oldest[0])
        assert box.pending == 0


def config_json(data: bytes) -> None:
    """config.json."""
    with _folder() as folder:
        path = folder / "config.json"
        path.write_bytes(data)
        try:
            config = Config.load(str(path))
        except (ConfigError, StorageError) as error:
            _shows_no_secret(data, str(error))
            return
    # What became part of a request's head holds nothing that would end a line.
    for value in (config.topic, config.host_header, config.client_id):
        assert "\r" not in value and "\n" not in value


def _shows_no_secret(data: bytes, message: str) -> None:
    with contextlib.suppress(ValueError, TypeError, LookupError, RecursionError):
        secret = json.loads(data)["device_secret"]
        if isinstance(secret, str) and len(secret) > 8:
            assert secret not in message


def sntp_reply(data: bytes) -> None:
    """A packet from somebody on port 123."""
    nonce = data[24:32] if data[:1] and data[0] & 1 else b"12345678"
    with contextlib.suppress(NetworkError):
        unix_ms = parse_reply(data, bytes(nonce), can_be_right)
        assert unix_ms is None or 1_735_689_600_000 <= unix_ms < 3_313_526_400_000


class _Stream:
    """What the emulator reads from: the bytes, cut where the first of them says."""

    def __init__(self, data: bytes):
        size = data[0] + 1 if data else 1
        self._pieces = [data[at : at + size] for at in range(1, len(data), size)]
        self.waits_since = None

    async def read(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    async def write(self, data: bytes) -> None:
        pass


def emulator_request(data: bytes) -> None:
    """A request as the emulator reads it; the body of /auth is judged too."""
    bounds = wire.Bounds(idle_s=5, request_s=5)
    try:
        received = asyncio.run(wire.read_request(_Stream(data), b"", bounds))  # type: ignore[arg-type]
    except wire.BadRequestError:
        return
    if received is not None and received.request.body is not None:
        assert len(received.request.body) <= rules.PAYLOAD_MAX_BYTES


def emulator_auth(data: bytes) -> None:
    """The body of /auth, and its signature."""
    secret = "5f0c" + "7e9b" * 7
    auth = rules.parse_auth(data)
    if auth is not None and secret.encode() not in data:
        rules.is_signed_by(auth, secret)
        assert secret not in rules.explain_signature(auth, secret)


def devices_csv(data: bytes) -> None:
    """The console's device list."""
    try:
        devices = parse_devices("devices.csv", data)
    except CommandError:
        return
    assert devices
    for device in devices:
        assert check_triple(device) == ""


def board_toml(data: bytes) -> None:
    """A board.toml."""
    with contextlib.suppress(CommandError):
        read_board("FUZZED", data)


def http_date(data: bytes) -> None:
    """A Date header."""
    from linkpost.dates import parse_http_date

    with contextlib.suppress(UnicodeDecodeError):
        found = parse_http_date(data.decode())
        assert found is None or isinstance(found, int)


@contextlib.contextmanager
def _folder():
    with tempfile.TemporaryDirectory(dir=_IN_RAM) as name:
        yield Path(name)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        http_reply,
        json_reply,
        token_file,
        outbox,
        config_json,
        sntp_reply,
        emulator_request,
        emulator_auth,
        devices_csv,
        board_toml,
        http_date,
        *BENCH_TARGETS,
    )
}

_REPLY = b'{"code":0,"message":"success","info":{"messageId":1024687529142341632}}'
_AUTH = (
    b'{"version":"default","clientId":"a1B2c3D4e5F.sensor01","signmethod":"hmacmd5","sign":"'
    + b"A" * 32
    + b'","productKey":"a1B2c3D4e5F","deviceName":"sensor01"}'
)
_AUTH_REQUEST = (
    b"\xffPOST /auth HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_AUTH), _AUTH)
)
_CHUNKED = (
    b"\x10POST /topic/a/b HTTP/1.1\r\nHost: x\r\npassword: t\r\nTransfer-Encoding: chunked\r\n"
    b"\r\n3\r\nabc\r\n0\r\n\r\n"
)
# Where each target begins: the good case. What fuzzing found besides is in corpus/TARGET.
SEEDS: dict[str, list[bytes]] = {
    "http_reply": [
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(_REPLY), _REPLY),
        b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n5;x=1\r\nhello\r\n0\r\nA: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    ],
    "json_reply": [
        _REPLY,
        b'{"code":20001,"message":"token expired"}',
        b'{"code":0,"info":{"token":"6944e5bfb92e4d4ea3918d1eda3942f6"}}',
        b'{"code":0,"info":null,"x":[1,-2.5e3,"\\u6e29\\"",{"a":[true,false,null]}]}',
    ],
    "token_file": [bytes.fromhex(FILES["token"]), b"T" + bytes(16) + b"token"],
    "outbox": [
        bytes([i]) + bytes.fromhex(FILES[name])
        for i, name in enumerate(sorted(n for n in FILES if n.startswith("outbox/")))
    ],
    "config_json": [
        json.dumps(
            {
                "endpoint": "localhost:8443",
                "product_key": "a1B2c3D4e5F",
                "device_name": "sensor01",
                "device_secret": "0123456789abcdef",
                "interval_s": 5,
                "send_s": 60,
                "sleep": "light",
                "sensors": [{"type": "dht22", "pin": 4, "name": "room"}],
                "wifi": [{"ssid": "lab", "password": "correct horse"}],
                "ntp": ["pool.ntp.org"],
                "outbox": {"max_bytes": 100_000, "batch_bytes": 4096},
                "topic": "/{product_key}/{device_name}/user/update",
                "watchdog_s": 8,
                "led_pin": "LED",
                "format": "json",
            }
        ).encode()
    ],
    "sntp_reply": [
        bytes([0x25, 1, 6, 0xEC])
        + bytes(8)
        + b"GPS\0"
        + bytes(8)
        + b"12345678"
        + bytes(8)
        + struct.pack(">II", 3_950_000_000, 1 << 31)
    ],
    "emulator_request": [
        _AUTH_REQUEST,
        _CHUNKED,
        b"\x03GET / HTTP/1.0\r\n\r\n",
    ],
    "emulator_auth": [_AUTH],
    "devices_csv": [
        b"DeviceName,DeviceSecret,ProductKey\nsensor01,secret,a1pk\n",
        "\ufeff备注\tDeviceName\tDeviceSecret\tProductKey\r\n仓\tsensor01\t8.67E+14\ta1pk\r\n".encode(),
        'DeviceName;DeviceSecret;ProductKey\n"a\nb";s;p\n'.encode("utf-16"),
    ],
    "board_toml": [
        (Path(__file__).parent.parent.parent / "boards" / name / "board.toml").read_bytes()
        for name in ("ESP32_GENERIC", "RPI_PICO_W")
    ],
    **BENCH_SEEDS,
    "http_date": [b"Sun, 06 Nov 1994 08:49:37 GMT", b"Thu, 29 Feb 2024 23:59:60 GMT"],
}
