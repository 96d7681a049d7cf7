"""What `linkpost provision` makes of answers: checked by the firmware, shown without secrets."""

import json
import re
from types import SimpleNamespace

import pytest

from tools.firmware import sensor_types
from tools.provision.answers import (
    IDENTITY,
    INTERVAL,
    WIFI,
    check,
    masked,
    problem_of,
    put,
    sensors_question,
    show_sensors,
    value_at,
)
from tools.provision.outage import outage_text

GOOD = {
    "endpoint": "iot.example.com",
    "product_key": "a1B2c3D4e5F",
    "device_name": "sensor01",
    "device_secret": "0123456789abcdef0123456789ABCDEF",
    "wifi": {"ssid": "lab", "password": "correct horse"},
}
SENSORS = sensors_question(True)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("endpoint",), "http://x", "HTTPS only"),
        (("endpoint",), "https://iot.example.com/", ""),
        (("product_key",), "a b", "character 2 is a space"),
        (("device_name",), "abc", "4 to 32"),
        (("device_secret",), "with space", "character 5 is a space"),
        (("wifi", "ssid"), "x" * 33, "wifi.ssid"),
        (("wifi", "password"), "short", "wifi.password"),
        (("wifi", "password"), "long enough", ""),
        (("interval_s",), "often", "a number from 0"),
        (("interval_s",), 30, ""),
        (("sensors",), [{"type": "dht23"}], "must be one of"),
        (("sensors",), [{"type": "dht22", "pin": 4}], ""),
    ],
)
def test_answer_is_checked_by_itself(path, value, words):
    problem = problem_of(path, value, {})
    assert words in problem
    assert bool(problem) == bool(words)


def test_each_question_is_one_of_the_config():
    config = {}
    for question in (*IDENTITY, *WIFI, INTERVAL, SENSORS):
        put(
            config,
            question.path,
            value_at({**GOOD, "interval_s": 5, "sensors": []}, question.path),
        )
    config["sensors"] = [{"type": "onchip"}]
    check(config)


@pytest.mark.parametrize(
    ("text", "sensors"),
    [
        ("onchip", [{"type": "onchip"}]),
        ("dht22 pin=4, onchip", [{"type": "dht22", "pin": 4}, {"type": "onchip"}]),
        ("dht22 pin=4 name=room", [{"type": "dht22", "pin": 4, "name": "room"}]),
        ('[{"type": "analog", "pin": 34}]', [{"type": "analog", "pin": 34}]),
    ],
)
def test_sensors_as_a_person_types_them(text, sensors):
    assert SENSORS.parse(text) == sensors
    assert SENSORS.parse(show_sensors(sensors)) == sensors


def test_sensors_that_are_offered_are_the_boards_default():
    assert SENSORS.default == [{"type": "onchip"}]
    assert sensors_question(False).default == [{"type": "system"}]


@pytest.mark.parametrize("text", ["[{", ", ,", "dht22 pin"])
def test_sensors_that_make_no_sense_are_refused_in_words(text):
    value = SENSORS.parse(text)
    assert problem_of(("sensors",), value, {}) or value == [{"type": "dht22", "pin": ""}]


def test_number_is_one():
    assert INTERVAL.parse("60") == 60
    assert INTERVAL.parse("0.5") == 0.5


def test_masked_config_shows_ends_only():
    text = json.dumps(masked(GOOD))
    assert "..CDEF" in text
    assert "0123456789" not in text
    assert "correct horse" not in text
    assert masked({**GOOD, "device_secret": "short"})["device_secret"] == "(set)"
    several = masked({**GOOD, "wifi": [GOOD["wifi"], {"ssid": "open"}]})
    assert several["wifi"] == [{"ssid": "lab", "password": "(set)"}, {"ssid": "open"}]
    assert GOOD["wifi"]["password"] == "correct horse"


def test_several_networks_keep_those_that_were_not_asked_for():
    networks = [{"ssid": "one", "password": "12345678"}, {"ssid": "two"}]
    config = {"wifi": networks}
    put(config, ("wifi", "password"), "abcdefgh")
    assert config["wifi"] == [{"ssid": "one", "password": "abcdefgh"}, {"ssid": "two"}]
    assert networks[0]["password"] == "12345678"


def test_password_stays_with_its_network_and_goes_with_another():
    config = {"wifi": {"ssid": "one", "password": "12345678"}}
    put(config, ("wifi", "ssid"), "one")
    assert config["wifi"] == {"ssid": "one", "password": "12345678"}
    put(config, ("wifi", "ssid"), "three")
    assert config["wifi"] == {"ssid": "three"}


def test_outage_is_told_by_what_the_outbox_holds():
    # 1,100,000 bytes less 8,192 for quarantine; 21 of {"temperature": 31.5} and 24 a reading.
    config = check({**GOOD, "outbox": {"max_bytes": 1_100_000}})
    assert outage_text(config, 0) == "an outage may last about 404 hours (24,262 readings)"
    assert "24,262 readings" in outage_text(check(GOOD), 2_200_000)
    assert outage_text(check(GOOD), 0) == ""
    assert outage_text(check({**GOOD, "interval_s": 0}), 10**6) == ""


@pytest.mark.parametrize("kind", sorted({*sensor_types.TYPES, "user.soil"}))
def test_outage_is_told_for_each_type_of_sensor(kind):
    spec = {"type": kind, "name": "one"}
    config = SimpleNamespace(interval_ms=60_000, outbox_max_bytes=10**6, sensors=[spec])
    assert re.fullmatch(r"an outage may last about [\d,]+ hours \([\d,]+ readings\)",
                        outage_text(config, 0))  # fmt: skip
