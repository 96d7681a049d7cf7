"""Fuzz targets of the bench: registration at both ends, and the files that it goes on from."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from pathlib import Path

from tools.emulator import registration
from tools.emulator.masking import mask_form
from tools.outbox import saved_readings
from tools.register import secret_list
from tools.register.registration import Lost, Refused, Registrar, Throttled
from tools.terminal.failures import CommandError

_PRODUCT = "a1B2c3D4e5F"
_SECRET = "PpQqRrSsTtUuVvWw"
_HEADER = b"DeviceName,DeviceSecret,ProductKey\n"


def registration_form(data: bytes) -> None:
    """The body of /auth/register/device, as the emulator takes it and keeps it."""
    form = registration.try_registration(data)
    if form is not None:
        form.is_signed_by(_SECRET)
    assert _SECRET.encode() not in mask_form(data, [_SECRET])


def registration_reply(data: bytes) -> None:
    """The body of its reply: a secret that a device can use, or one of four refusals."""
    try:
        secret = _registrar()._take_body(data, "sensor01")
    except (Refused, Throttled, Lost, CommandError):
        return
    assert secret_list.is_secret(secret)


def readings_file(data: bytes) -> None:
    """What `outbox --save` wrote, and somebody changed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "readings.jsonl")
        path.write_bytes(data)
        with contextlib.suppress(CommandError):
            saved = saved_readings.read(path)
            seqs = [one.seq for one in saved.readings]
            assert seqs == sorted(set(seqs))
            path.write_bytes(saved_readings.encode(saved))
            assert saved_readings.read(path).stream == saved.stream


def register_list(data: bytes) -> None:
    """The list of secrets: opened to what it says, or left byte by byte as it is."""
    content = _HEADER + data[1:] if data[:1] == b"H" else data
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "devices.csv")
        path.write_bytes(content)
        try:
            with secret_list.SecretList(path, _PRODUCT) as listed:
                known = listed.received | listed.lost
        except CommandError:
            assert path.read_bytes() == content
            return
        left = path.read_bytes() if path.exists() else b""
        assert left.count(b"\n") == (len(known) + 1 if known else 0)
        assert content.startswith(left)


@functools.cache
def _registrar() -> Registrar:
    return Registrar("localhost", _PRODUCT, _SECRET, None)


BENCH_TARGETS = (registration_form, registration_reply, readings_file, register_list)
BENCH_SEEDS: dict[str, list[bytes]] = {
    "registration_form": [
        b"productKey=a1B2c3D4e5F&deviceName=sensor01&random=5Yz8&sign="
        + b"C9" * 32
        + b"&signMethod=hmacsha256",
        b"productKey=%61&sign=PpQqRrSsTtUuVvWw&deviceSecret=%50pQqRrSsTtUuVvWw",
    ],
    "registration_reply": [
        (
            b'{"code":200,"data":{"productKey":"a1B2c3D4e5F","deviceName":"sensor01",'
            b'"deviceSecret":"0123456789abcdef0123456789abcdef"},"message":"success"}'
        ),
        b'{"code":6100,"message":"device not found"}',
        b'{"code":429,"data":null}',
    ],
    "readings_file": [
        (
            b'{"device":"a1/b","stream":"9f2c41aa","seq":1,"time":1790000000000,"values":{"t":21.3}}\n'
            b'{"device":"a1/b","stream":"9f2c41aa","seq":2,"time":null,"values":{"on":true}}\n'
        )
    ],
    "register_list": [
        b"H" + b"sensor01,0123456789abcdef0123456789abcdef,a1B2c3D4e5F\n",
        (
            b"H"
            b"sensor01,(asked and not received)        ,a1B2c3D4e5F\n"
            b"sensor02,short                           ,a1B2c3D4e5F\nsens"
        ),
    ],
}
