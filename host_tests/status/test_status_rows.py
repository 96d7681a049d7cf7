"""What `linkpost status` says of boards in many states."""

import re

import pytest

from tools.firmware.outbox_copy import Contents
from tools.status.board_status import BoardStatus, ask_status
from tools.status.command import rows
from tools.usb.identity import Identity

NOW_MS = 1_790_000_000_000
WHO = Identity(
    platform="esp32",
    machine="Generic ESP32 module with ESP32",
    build="ESP32_GENERIC",
    micropython=(1, 27, 0),
    mpy_version=6,
    native_digests=True,
    free_bytes=1_048_576,
    total_bytes=2_097_152,
    linkpost="0.1.0",
    main_sha256=None,
)
WELL = {
    "ran": True,
    "port": "esp32",
    "uptime_ms": 11_520_000,
    "reset_cause": "power on",
    "heap": {"total": 81_920, "free": 40_960, "idf_free": 61_440, "idf_largest": 51_200},
    "free_at_rest": 30_720,
    "unix_ms": NOW_MS + 1000,
    "clock_right": True,
    "token_age_s": 190_800,
    "has_radio": True,
    "ssid": "lab",
    "rssi": -61,
    "trouble": None,
}
CONFIG = {
    "endpoint": "iot.example.com",
    "product_key": "a1B2c3D4e5F",
    "device_name": "sensor01",
    "device_secret": "..CDEF",
    "wifi": {"ssid": "lab"},
}


def said(label, linkpost="0.1.0", config=CONFIG, is_held=False, outbox=None, **changes):
    who = Identity(**{**WHO.__dict__, "linkpost": linkpost})
    found = rows(
        who,
        BoardStatus(**{**WELL, **changes}),
        outbox or Contents("9f2c41aa", 121, 37, 2, 1),
        config,
        is_held,
        NOW_MS,
    )
    return dict(found)[label]


@pytest.mark.parametrize(
    ("label", "changes", "words"),
    [
        ("board", {}, "Generic ESP32 module with ESP32, MicroPython 1.27.0"),
        ("linkpost", {}, "0.1.0, up 3 h 12 min since power on"),
        ("linkpost", {"reset_cause": "watchdog"}, "up 3 h 12 min since the watchdog reset it"),
        ("linkpost", {"ran": False, "uptime_ms": None}, "0.1.0, not running"),
        ("linkpost", {"is_held": True}, "held by the file `hold`"),
        ("linkpost", {"linkpost": None}, "Run: linkpost deploy"),
        ("device", {}, "a1B2c3D4e5F/sensor01 at iot.example.com"),
        ("device", {"config": {}}, "no config.json yet"),
        ("heap", {}, "40 KB free of 80 KB, while the app is stopped"),
        ("flash", {}, "1,024 KB free of 2,048 KB"),
        ("outbox", {}, "37 waiting, 2 quarantined, 1 dropped"),
        ("outbox id", {}, "9f2c41aa next_seq=121"),
        ("outbox", {"outbox": Contents()}, "No outbox yet"),
        ("token", {}, "2 days 5 h old"),
        ("token", {"token_age_s": None}, "none: the board has not authenticated yet"),
        ("token", {"token_age_s": -1}, "age is not known"),
        ("token", {"clock_right": False}, "age is not known"),
        ("clock", {}, "as this computer's"),
        ("clock", {"unix_ms": NOW_MS - 90_000}, "1 min 30 s behind this computer's"),
        ("clock", {"unix_ms": NOW_MS + 90_000}, "1 min 30 s ahead of this computer's"),
        ("clock", {"clock_right": False}, "not set: it says "),
        ("clock", {"unix_ms": None}, "not known"),
        ("Wi-Fi", {}, "lab, -61 dBm (fair)"),
        ("Wi-Fi", {"rssi": -91}, "(very weak)"),
        ("Wi-Fi", {"rssi": None, "ssid": None}, "not joined"),
        ("Wi-Fi", {"rssi": None, "config": {}}, "not in the config"),
        ("Wi-Fi", {"has_radio": False}, "no radio"),
        ("Wi-Fi", {"port": None}, "not known"),
    ],
)
def test_row_says_how_it_is(label, changes, words):
    assert words in said(label, **changes)


def test_clock_is_shown_as_a_date():
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d, ", said("clock"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (None, "none since this boot"),
        (
            '11518.000 W send failed error=TLSError why="the server is not trusted" again_ms=9000',
            "2 s ago, send: failed: TLSError: the server is not trusted again_ms=9000",
        ),
        ("what no log line is", "what no log line is"),
    ],
)
def test_trouble_is_the_newest_warning_of_the_log(line, words):
    assert said("problem", trouble=line) == words
    assert "does not run" not in said("linkpost", trouble=line)


def test_app_that_cannot_run_is_not_called_up_and_well():
    line = '0.031 E app cannot run error=ConfigError why="config.json: sensors"'
    assert "but the app does not run" in said("linkpost", trouble=line, uptime_ms=1600)
    assert said("problem", trouble=line, uptime_ms=1600) == (
        "1.6 s ago, app: cannot run: ConfigError: config.json: sensors"
    )
    assert "not known" in said("problem", ran=False)


PICO = {"total": 205_568, "free": 160_000, "largest": 98_304}


def test_memory_is_told_with_both_heaps_of_an_esp32():
    assert said("heap") == "40 KB free of 80 KB, while the app is stopped"
    assert said("IDF heap") == "60 KB free, largest block 50 KB, for Wi-Fi and TLS"
    assert said("your code") == "may take about 20 KB beside the app"


def test_memory_of_a_chip_with_one_heap_has_its_largest_block_and_leaves_room_for_tls():
    assert said("heap", heap=PICO).startswith("156 KB free of 200 KB, largest block 96 KB")
    with pytest.raises(KeyError):
        said("IDF heap", heap=PICO)
    assert said("your code", heap=PICO, free_at_rest=150_000) == (
        "may take about 102 KB beside the app"
    )
    assert said("your code", heap=PICO, free_at_rest=46_000).startswith("no memory is left")
    assert "first report" in said("your code", free_at_rest=None)


@pytest.mark.parametrize(("unix_ms", "is_right"), [(NOW_MS, True), (1_609_459_200_835, False)])
def test_clock_that_began_anew_at_a_reset_is_not_right(unix_ms, is_right):
    class Board:
        def ask_value(self, code):
            return tuple({**WELL, "unix_ms": unix_ms}.values())

    assert ask_status(Board(), WHO).clock_right is is_right
