"""What boards/ tells a person to wire and to write is what the firmware takes."""

from __future__ import annotations

import json
import re
import tomllib

import pytest
from linkpost.config import Config
from linkpost.sensors.i2c import PINS

from tools.firmware import sensor_types
from tools.firmware.boards import boards, folder_of

DEVICE = {
    "endpoint": "iot.example",
    "product_key": "a1B2c3D4e5F",
    "device_name": "sensor01",
    "device_secret": "0123456789abcdef",
}


@pytest.mark.parametrize("name", sorted(boards()))
def test_usual_pins_are_those_of_the_board(name):
    pins = tomllib.loads((folder_of(name) / "board.toml").read_text())["pins"]
    assert PINS[boards()[name].chip.upper()] == (pins["sda"], pins["scl"])


@pytest.mark.parametrize("name", sorted(boards()))
def test_sensors_of_the_boards_readme_are_accepted(name):
    shown = re.findall(r'`(\{"type": .*?\})`', (folder_of(name) / "README.md").read_text())
    specs = [json.loads(text) for text in shown]
    assert {"bme280", "dht22"} <= {spec["type"] for spec in specs}
    for spec in Config({**DEVICE, "sensors": specs}).sensors:
        file, class_name = sensor_types.TYPES[spec["type"]]
        module = __import__(f"linkpost.sensors.{file}", None, None, (class_name,))
        options = getattr(module, class_name).OPTIONS
        given = spec.keys() - {"type", "name"}
        assert given <= options.keys()
        assert {option for option, (_, needed) in options.items() if needed} <= given
