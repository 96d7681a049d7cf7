"""Texts of the console's page: a device's health, ages, payloads."""

import dataclasses
import json
import shlex

import pytest
from linkpost.errors import SensorError
from linkpost.ports.host import HostPort
from linkpost.sensors import building

from tools import cli
from tools.emulator import faults
from tools.emulator.admin import Admin
from tools.emulator.page import device_health, fault_labels, formatting, new_device
from tools.emulator.queries import DeviceRow

NOW_MS = 1_795_000_000_000
MINUTE_MS = 60_000
WELL = DeviceRow(
    device="a1/sensor01", product_key="a1", device_name="sensor01", state="online", enabled=True,
    last_seen_ms=NOW_MS - 1000, last_code=0, last_reason=None, token_issued_ms=NOW_MS - 5000,
    token_expires_ms=NOW_MS + MINUTE_MS, authentications=1, accepted=9, refused={},
    auth_requests=1, topic_requests=9, duplicates=0, missing=0,
)  # fmt: skip


def assess(*, last_report_ms=NOW_MS - 1000, interval_ms=MINUTE_MS, kinds=(), **changes):
    row = dataclasses.replace(WELL, **changes)
    return device_health.assess(row, NOW_MS, last_report_ms, interval_ms, list(kinds))


@pytest.mark.parametrize(
    ("changes", "status", "explanation"),
    [
        ({}, "ok", "Reports every 60 s."),
        ({"interval_ms": 20}, "ok", "Reports several times a second."),
        ({"interval_ms": None}, "ok", "Its report was accepted."),
        ({"duplicates": 3}, "ok", "Reports every 60 s."),
        ({"enabled": False}, "neutral", "Disabled here: its requests are refused with 20000."),
        ({"last_seen_ms": None}, "neutral", "No request from it yet."),
        (
            {"last_code": 20000, "last_reason": "sign is wrong: check deviceSecret; sign should"},
            "problem",
            "Refused 20000: sign is wrong: check deviceSecret.",
        ),
        (
            {"last_code": 40000},
            "problem",
            "Refused 40000: Too many requests: the board waits and retries.",
        ),
        ({"last_code": 77777}, "problem", "Refused 77777."),
        (
            {"last_code": 20001, "last_reason": "the token expired"},
            "warning",
            "Refused 20001: the token expired.",
        ),
        (
            {"last_report_ms": NOW_MS - 12 * MINUTE_MS},
            "problem",
            "No report for 12 min (expected every 60 s).",
        ),
        (
            {"last_report_ms": NOW_MS - 12 * MINUTE_MS, "kinds": ["stall"]},
            "problem",
            "No report for 12 min (expected every 60 s). A fault is set for it: stall.",
        ),
        ({"last_report_ms": NOW_MS - 14_000, "interval_ms": 500}, "ok", "Reports every 0.5 s."),
        ({"kinds": ["drip"]}, "warning", "A fault is set for it: drip."),
        ({"missing": 1}, "warning", "1 reading is missing (a gap in seq)."),
        ({"missing": 2}, "warning", "2 readings are missing (a gap in seq)."),
        ({"last_report_ms": None}, "warning", "Authenticated, no report yet."),
        (
            {"state": "offline", "interval_ms": None, "last_report_ms": NOW_MS - 9 * MINUTE_MS},
            "neutral",
            "The last report came 9 min ago.",
        ),
    ],
)
def test_health_of_a_device_is_one_plain_sentence(changes, status, explanation):
    health = assess(**changes)
    assert (health.status, health.explanation) == (status, explanation)


@pytest.mark.parametrize(
    ("times_ms", "interval_ms"),
    [
        ([], None),
        ([5000, 4000], None),  # one gap may be anything
        ([9000, 6000, 3000], 3000),
        # A backlog of four in one go, then one a minute.
        ([240_030, 240_020, 240_010, 240_000, 180_000, 120_000, 60_000, 0], 60_000),
        # One a minute, with an hour's outage.
        ([3_780_000, 3_720_000, 3_660_000, 3_600_000, 120_000, 60_000, 0], 60_000),
    ],
)
def test_interval_from_the_times_of_the_last_reports(times_ms, interval_ms):
    assert device_health.interval_ms(times_ms) == interval_ms


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 s"), (400, "0.4 s"), (1600, "2 s"), (119_000, "119 s"), (120_000, "2 min"),
        (3 * 3_600_000, "3 h"), (7 * 86_400_000, "7 d"),
    ],
)  # fmt: skip
def test_duration_in_the_unit_people_use(ms, text):
    assert formatting.duration(ms) == text


@pytest.mark.parametrize(
    ("then_ms", "text"),
    [
        (None, "never"),
        (NOW_MS, "just now"),
        (NOW_MS + 5000, "just now"),
        (NOW_MS - 2500, "2 s ago"),
    ],
)
def test_ago(then_ms, text):
    assert formatting.ago(then_ms, NOW_MS) == text


@pytest.mark.parametrize(
    ("payload", "names"),
    [
        (b'{"a": 1}', ["JSON", "text", "hex"]),
        (b"hello", ["text", "hex"]),
        (b"\xff\x00", ["hex"]),
        (b"", ["text", "hex"]),
        (b"[" * 20_000, ["text", "hex"]),  # deeper than Python's json goes
    ],
)
def test_payload_is_offered_as_what_it_can_be(payload, names):
    assert list(formatting.payload_views(payload)) == names


def test_payload_that_is_large_is_cut_inside_a_character_and_says_how_much_is_left():
    payload = ("é" * 70_000).encode()
    views = formatting.payload_views(b"x" + payload)
    assert views["text"].endswith("é\n… and 107233 bytes more")
    assert views["hex"].endswith("… and 107233 bytes more")
    assert max(map(len, views.values())) < 200_000


def test_preview_of_a_payload_is_one_line_without_control_characters():
    assert formatting.preview(b"a\nb\x1b[31m", 7) == "a b [31m"
    assert formatting.preview("é".encode()[:1] + b"\xff", 2) == "2 bytes: c3 ff"
    assert formatting.preview(b"abc\xc3", 600) == "abc…"  # the rest of the character is not here
    assert formatting.preview(b"x" * 512, 600) == "x" * 160 + "…"


def test_wire_text_shows_what_is_not_printable():
    assert (
        formatting.wire_text(b"POST /\r\nA: b\x00\xff\x1b\r\n") == "POST /\nA: b\\x00\\xff\\x1b\n"
    )


def test_payload_as_json_keeps_names_and_values():
    value = {"é": [1, None, "</script>"]}
    assert json.loads(formatting.payload_views(json.dumps(value).encode())["JSON"]) == value


def test_every_kind_of_fault_and_each_of_its_parameters_has_a_label():
    assert set(fault_labels.KINDS) == set(faults.PARAMETERS)
    parameters = {name.rstrip("!") for names in faults.PARAMETERS.values() for name in names}
    assert set(fault_labels.PARAMETER_LABELS) == parameters
    for parameters in fault_labels.QUICK.values():
        faults.FaultRequest.model_validate(parameters)


def test_commands_that_the_page_tells_to_type_exist_with_these_options():
    admin = Admin(None, None, None, None, {"platform": "https://localhost:1", "CA": "/a b/ca.pem"})
    assert new_device.endpoint(admin) == "localhost:1"
    told = new_device.desktop_commands(admin, "x.json") + new_device.board_commands(
        admin, "x.json"
    )
    for _, command_line in told:
        program, *arguments = shlex.split(command_line)
        assert program == "linkpost"
        command = cli.linkpost
        while arguments and hasattr(command, "get_command"):
            command = command.get_command(None, arguments.pop(0))
        options = {option for parameter in command.params for option in parameter.opts}
        assert {argument for argument in arguments if argument.startswith("--")} <= options
        assert "/a b/ca.pem" in arguments or "--ca" not in arguments


def test_sensors_offered_for_a_virtual_board_are_those_it_can_read():
    port = HostPort()
    for kind in new_device.VIRTUAL_BOARD_SENSORS:
        ((_, sensor),) = building.build([{"type": kind}], port)
        assert sensor.read()
    ((_, sensor),) = building.build([{"type": "onchip"}], port)
    with pytest.raises(SensorError):
        sensor.read()
