"""`make screenshots`: each view of the console page, as PNGs in docs/images.

Devices that work and devices that do not, made by a real emulator and raw requests; the times
of one are moved into the past in its database, for a report that is overdue.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "shared"))  # as pytest finds these

from console_browser import DESKTOP, PHONE, launch  # noqa: E402
from emulator_client import RawClient, auth_fields, encode_auth, encode_publish  # noqa: E402
from emulator_process import EmulatorProcess  # noqa: E402
from interruptible import end_quietly  # noqa: E402

_IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
_PRODUCT = "a1B2c3D4e5F"
_NAMES = ("greenhouse", "cellar", "roof", "front-door", "spare")
_SECRET = "0123456789abcdef0123456789abcdef"
_MINUTE_MS = 60_000


def main() -> int:
    _IMAGES.mkdir(parents=True, exist_ok=True)
    triples = [(_PRODUCT, name, _SECRET) for name in _NAMES]
    options = ["--keep-alive", "--product", f"{_PRODUCT},throw-away"]
    with EmulatorProcess(triples, options) as emulator:
        _let_things_happen(emulator)
        with tempfile.TemporaryDirectory() as profile, launch(Path(profile)) as browser:
            _take_all(browser, emulator)
    for path in sorted(_IMAGES.glob("console-*.png")):
        print(f"{path.relative_to(_IMAGES.parent.parent)}  {path.stat().st_size // 1024} KB")
    return 0


def _let_things_happen(emulator) -> None:
    now_ms = time.time_ns() // 1_000_000
    roof = [_reading("5b1e07d2", seq, now_ms - (32 - seq) * _MINUTE_MS) for seq in range(1, 21)]
    _publish(emulator, "roof", roof)
    readings = [_reading("9f2c41aa", seq, now_ms - (180 - seq) * 19_000) for seq in range(1, 181)]
    _publish(emulator, "greenhouse", readings)
    emulator.stop()
    _move_into_the_past(emulator.db, "roof", 12 * _MINUTE_MS, _MINUTE_MS)
    _move_into_the_past(emulator.db, "greenhouse", 0, 19_000)
    emulator.start()
    wrong = (_PRODUCT, "cellar", "f" * 32)
    with RawClient(emulator) as client:
        client.send(encode_auth(auth_fields(wrong)))
        assert client.read_reply().code == 20000
    _publish(emulator, "front-door", [{"seq": 1, "stream": "77ab01cd", "door": True}])
    emulator.set_enabled(f"{_PRODUCT}/front-door", False)


def _reading(stream: str, seq: int, time_ms: int) -> dict:
    turn = time_ms / (20 * _MINUTE_MS)
    return {
        "stream": stream,
        "seq": seq,
        "time": time_ms,
        "temperature": round(21 + 3 * math.sin(turn) + 0.2 * math.sin(17 * turn), 2),
        "humidity": round(55 - 8 * math.sin(turn + 0.6) + 0.5 * math.cos(23 * turn), 1),
        "light": round(600 + 500 * math.sin(turn / 2) + 5 * math.sin(31 * turn)),
    }


def _publish(emulator, name: str, readings: list[dict]) -> None:
    topic = f"/{_PRODUCT}/{name}/user/update"
    with RawClient(emulator) as client:
        client.send(encode_auth(auth_fields((_PRODUCT, name, _SECRET))))
        token = client.read_reply().json["info"]["token"]
        for reading in readings:
            client.send(encode_publish(topic, token, json.dumps(reading).encode()))
            assert client.read_reply().code == 0


def _move_into_the_past(database: str, name: str, ago_ms: int, interval_ms: int) -> None:
    """Let the device's messages have come at that interval, the last that long ago."""
    with sqlite3.connect(database) as db:
        (device,) = db.execute("SELECT id FROM device WHERE device_name = ?", (name,)).fetchone()
        ids = [row[0] for row in db.execute(
            "SELECT id FROM message WHERE device_id = ? ORDER BY id DESC", (device,))]  # fmt: skip
        last_ms = time.time_ns() // 1_000_000 - ago_ms
        for place, message in enumerate(ids):
            db.execute("UPDATE message SET time_ms = ? WHERE id = ?",
                       (last_ms - place * interval_ms, message))  # fmt: skip
        db.execute("UPDATE device SET last_seen_ms = ?, proven_ms = ? WHERE id = ?",
                   (last_ms, last_ms, device))  # fmt: skip
    db.close()


def _take_all(browser, emulator) -> None:
    greenhouse = f"/device/{_PRODUCT}/greenhouse"
    fault = {"kind": "code", "code": 40000, "endpoint": "topic", "device": f"{_PRODUCT}/spare"}
    emulator.fault(**fault)
    views = {"devices": "/", "device": greenhouse, "messages": "/messages", "faults": "/faults",
             "new": "/new", "products": "/products"}  # fmt: skip
    for looks, scheme, viewport in (
        ("light", "light", DESKTOP), ("dark", "dark", DESKTOP), ("phone", "light", PHONE)
    ):  # fmt: skip
        for view, path in views.items():
            if looks == "dark" and not view.startswith("device"):
                continue  # two are enough to see how it looks
            with browser.open(emulator.console + path, viewport, scheme) as page:
                page.get_by_role("heading", level=1).wait_for()
                if view == "device":
                    page.get_by_text(re.compile(r"^\d+ points")).wait_for()
                if view == "new":
                    page.get_by_role("button", name="Create device").click()
                    page.get_by_text("Download config.json").wait_for()
                _settle(page)
                page.screenshot(path=_IMAGES / f"console-{view}-{looks}.png")


def _settle(page) -> None:
    """Wait until two pictures in a row are the same: fonts are there, nothing moves."""
    before = b""
    for _ in range(50):
        now = page.screenshot()
        if now == before:
            return
        before = now
        page.wait_for_timeout(150)


if __name__ == "__main__":
    end_quietly(main)
