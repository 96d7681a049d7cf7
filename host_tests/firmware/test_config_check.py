"""What is wrong with a config for a board is said before the board has it; what is right is shown
to the board, which then needs no rules."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from linkpost import config_file, config_rules
from linkpost.config import Config
from linkpost.errors import ConfigError
from linkpost.version import VERSION

from tools.firmware.boards import boards, folder_of
from tools.firmware.config_check import EXAMPLE_SECRET, check_config, dump_config, render
from tools.virtual_board import put_files, unix_port
from tools.virtual_board.kinds import KINDS

GOOD = {
    "endpoint": "iot.example",
    "product_key": "a1B2c3D4e5F",
    "device_name": "sensor01",
    "device_secret": "0123456789abcdef",
    "wifi": [{"ssid": "lab", "password": "12345678"}, {"ssid": "open"}],
}
ESP32 = "ESP32_GENERIC"
PICO = "RPI_PICO_W"

WRONG = [
    (
        ESP32,
        {"sensors": [{"type": "dht22"}]},
        "sensors[0].pin",
        "missing, unknown or of the wrong type",
    ),
    (PICO, {"sensors": [{"type": "dht22", "pin": "4"}]}, "sensors[0]", "pin 4: a RPI_PICO_W has"),
    (ESP32, {"sensors": [{"type": "dht22", "pin": 99}]}, "sensors[0]", "pin 99: a ESP32_GENERIC"),
    (ESP32, {"sensors": [{"type": "dht22", "pin": 6}]}, "sensors[0]", "pin 6"),  # flash
    (PICO, {"sensors": [{"type": "ds18x20", "pin": 23}]}, "sensors[0]", "pin 23"),  # the radio's
    (ESP32, {"sensors": [{"type": "dht22", "pim": 4}]}, "sensors[0].pim", "options of dht22: pin"),
    (ESP32, {"sensors": [{"type": "dht22", "pin": 4.0}]}, "sensors[0].pin", "wrong type"),
    (ESP32, {"sensors": [{"type": "analog", "pin": 4}]}, "sensors[0]", "analog works on 32 to 39"),
    (PICO, {"sensors": [{"type": "analog", "pin": 4}]}, "sensors[0]", "26 to 28"),
    (
        PICO,
        {"sensors": [{"type": "onchip"}, {"type": "analog", "pin": 26, "digits": 9}]},
        "sensors[1]",
        "digits",
    ),
    (PICO, {"sensors": [{"type": "bme280", "sda": 4}]}, "sensors[0]", "give both or none"),
    (
        PICO,
        {"sensors": [{"type": "bme280", "i2c": 0, "sda": 6, "scl": 7}]},
        "sensors[0]",
        "bad SDA",
    ),
    (PICO, {"sensors": [{"type": "bme280", "i2c": 7}]}, "sensors[0]", "I2C(7) doesn't exist"),
    (
        ESP32,
        {"sensors": [{"type": "bme280", "sda": 34, "scl": 22}]},
        "sensors[0]",
        "only be input",
    ),
    (ESP32, {"sensors": [{"type": "bme280", "address": "0x20"}]}, "sensors[0]", "expected 0x7"),
    (
        ESP32,
        {"sensors": [{"type": "ds18x20", "pin": 4, "roms": {"a": "x"}}]},
        "sensors[0]",
        "16 hex",
    ),
    (ESP32, {"led_pin": 35}, "led_pin", "only be input"),
    (ESP32, {"led_pin": "LED"}, "led_pin", "pin LED"),
    (PICO, {"led_pin": "D5"}, "led_pin", "pin D5"),
    (PICO, {"led_pin": -1}, "led_pin", "pin -1"),
    (PICO, {"led_pin": 2.0}, "led_pin", "pin 2.0"),
    (PICO, {"led_pin": [1]}, "led_pin", "unhashable"),
    (PICO, {"sleep": "deep"}, "sleep", "has no deep sleep"),
    (PICO, {"watchdog_s": 9}, "watchdog_s", "at most"),
    (PICO, {"wifi": []}, "wifi", "no other network"),
    (PICO, {"device_secret": EXAMPLE_SECRET}, "device_secret", "the example's"),
    (PICO, {"intervall_s": 5}, "intervall_s", "no such key"),
]


@pytest.mark.parametrize(("board", "changes", "key", "words"), WRONG)
def test_config_that_would_stop_the_board_is_refused_by_its_key(board, changes, key, words):
    with pytest.raises(ConfigError) as caught:
        check_config({**GOOD, **changes}, boards()[board])
    assert caught.value.key == key
    assert words in str(caught.value)
    assert "0123456789" not in str(caught.value) and "12345678" not in str(caught.value)


def test_persons_own_sensor_has_to_go_along_where_that_is_known():
    config = {**GOOD, "sensors": [{"type": "onchip"}, {"type": "user.soil", "pin": 34}]}
    board = boards()[ESP32]
    assert check_config(config, board)
    assert check_config(config, board, user=["soil"])
    with pytest.raises(ConfigError, match=r"sensors\[1\]: user/soil.py is not included"):
        check_config(config, board, user=["wind"])


@pytest.mark.parametrize("name", sorted(boards()))
def test_boards_own_example_is_right_but_for_its_secret(name):
    example = json.loads((folder_of(name) / "config.example.json").read_text())
    assert example["device_secret"] == EXAMPLE_SECRET
    assert check_config({**example, "device_secret": "x" * 32}, boards()[name])


@pytest.mark.parametrize("name", sorted(boards()))
def test_usual_pins_of_a_board_are_pins_for_every_sensor(name):
    pins = boards()[name].pins
    sensors = [
        {"type": "dht11", "pin": pins["dht"]},
        {"type": "ds18x20", "pin": pins["onewire"]},
        {"type": "analog", "pin": pins["analog"]},
        {"type": "bme280"},
        {"type": "sht3x", "sda": pins["sda"], "scl": pins["scl"]},
    ]
    assert check_config({**GOOD, "sensors": sensors}, boards()[name])


def test_nothing_of_a_chip_stays_on_this_machine():
    before = {name: sys.modules.get(name) for name in ("dht", "machine", "onewire", "ds18x20")}
    config = {**GOOD, "sensors": [{"type": "bme280"}, {"type": "dht22", "pin": 4}]}
    check_config(config, boards()[ESP32])
    assert {name: sys.modules.get(name) for name in before} == before
    assert not hasattr(sys.implementation, "_machine")
    assert not sys.modules["linkpost.sensors.i2c"].buses


def _on_board(monkeypatch, tmp_path, text: bytes, beside: bytes, build: str) -> Config:
    """Load the config as that board would, where the rules may not be asked."""

    class Build:
        _build = build
        name = "cpython"

    class Sys:
        implementation = Build
        platform = "linux"

    def asked(*_):
        raise AssertionError("the rules were asked")

    (tmp_path / "config.json").write_bytes(text)
    (tmp_path / "config.json.checked").write_bytes(beside)
    monkeypatch.setattr(config_file, "sys", Sys)
    monkeypatch.setattr(config_rules, "fill", asked)
    monkeypatch.setattr(config_rules, "check_port", asked)
    return Config.load(str(tmp_path / "config.json"))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"wifi": {"ssid": "lab"}, "country": "cn", "hostname": "h1"},
        {"format": "alink", "interval_s": 0.5, "send_s": 600, "watchdog_s": 8, "led_pin": "LED"},
        {"endpoint": " https://iot.example:8443/ ", "ntp": [], "outbox": {"batch_bytes": 4096}},
        {"sensors": [{"type": "analog", "pin": 26, "scale": 0.1, "name": "\u00e4"}]},
    ],
)
def test_board_takes_from_it_what_the_rules_would_give(monkeypatch, tmp_path, changes):
    if "sensors" in changes:
        changes = {"sensors": [{**changes["sensors"][0], "name": "soil"}]}
    config = {**GOOD, **changes}
    wanted = vars(Config(config))
    beside = check_config(config, boards()[PICO])
    got = vars(_on_board(monkeypatch, tmp_path, dump_config(config), beside, PICO))
    assert {k: v for k, v in got.items() if k[0] != "_"} == {
        k: v for k, v in wanted.items() if k[0] != "_"
    }
    Config.check_port(_on_board(monkeypatch, tmp_path, dump_config(config), beside, PICO), None)


def test_no_secret_stands_in_it():
    beside = check_config(GOOD, boards()[PICO])
    assert b"0123456789abcdef" not in beside and b"12345678" not in beside
    assert beside.startswith(f"{VERSION} {PICO} ".encode())


def test_values_that_a_board_would_take_otherwise_are_not_offered_to_it():
    # As if a rule changed a password on the way: the board reads it from config.json as it is.
    checked = Config(GOOD)
    checked.networks = [("lab", "87654321")]
    assert render(dump_config(GOOD), checked, PICO) == b""


def test_version_of_the_rules_is_the_releases():
    assert config_file._RULES == VERSION


def test_virtual_boards_build_is_the_one_it_is_checked_for():
    pytest.importorskip("micropython_run")
    ask = "import sys; print(sys.implementation._build)"
    command = [sys.executable, "-I", unix_port.__file__, "-c", ask]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == put_files._UNIX_BUILD


def test_virtual_boards_config_is_loaded_without_the_rules(monkeypatch, tmp_path):
    config = tmp_path / "config.json"
    config.write_bytes(dump_config({**GOOD, "wifi": []}))
    setup = SimpleNamespace(flash=tmp_path / "flash", kind=KINDS[ESP32], runtime="cpython")
    put_files.put_files(setup, config, None)
    beside = (tmp_path / "flash" / "config.json.checked").read_bytes()
    _on_board(monkeypatch, tmp_path, config.read_bytes(), beside, sys.platform)
    for changes in ({"sleep": "deep"}, {"led_pin": 2}):  # the board says what is wrong
        config.write_bytes(dump_config({**GOOD, **changes}))
        setup.kind = KINDS[PICO]
        monkeypatch.undo()
        put_files.put_files(setup, config, None)
        assert (tmp_path / "flash" / "config.json.checked").read_bytes() == b""


def test_config_with_a_byte_order_mark_is_left_to_the_boards_rules(tmp_path):
    text = b"\xef\xbb\xbf" + dump_config(GOOD)
    assert check_config(GOOD, boards()[PICO], text) == b""
    (tmp_path / "config.json").write_bytes(text)
    assert Config.load(str(tmp_path / "config.json")).device_name == GOOD["device_name"]


def test_configs_are_checked_side_by_side():
    config = {**GOOD, "sensors": [{"type": "dht22", "pin": 4}]}

    def check_often(name: str) -> set[bytes]:
        return {check_config(config, boards()[name]) for _ in range(60)}

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(check_often, (ESP32, PICO) * 2))
    finally:
        sys.setswitchinterval(before)
    assert [len(contents) for contents in found] == [1] * 4
