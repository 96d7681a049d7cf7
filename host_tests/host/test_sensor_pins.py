"""The I2C pins that the firmware takes by itself are those that boards/ tells a person to wire."""

from __future__ import annotations

import tomllib

import pytest
from linkpost.sensors.i2c import PINS

from tools.boards import boards, folder_of


@pytest.mark.parametrize("name", sorted(boards()))
def test_usual_pins_are_those_of_the_board(name):
    pins = tomllib.loads((folder_of(name) / "board.toml").read_text())["pins"]
    assert PINS[boards()[name].chip.upper()] == (pins["sda"], pins["scl"])
