"""All that can be known of a config.json before a board has it, by the firmware's own rules.

`check_config` applies them: keys and values, the board's limits, its pins, the sensors with their
options, and what is only known where a board is made (no network, the example's secret). It gives
the content of the file beside config.json, from which a board sees that this was done.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import sys
import threading
from collections.abc import Collection, Iterator
from types import ModuleType
from typing import Any

from .boards import RP2, Board
from .config_hints import check_rules
from .sensor_types import USER

CONFIG = "config.json"
CHECKED = "config.json.checked"
# What boards/*/config.example.json has in its place.
EXAMPLE_SECRET = "PASTE_THE_DEVICE_SECRET_HERE"  # noqa: S105  no secret
IS_EXAMPLE = "is still the example's: replace it with the device's own"
# Of a Config, what is not in the file: the board takes it from config.json itself.
_SECRET = ("device_secret", "networks")
# Modules of a chip's firmware that sensors ask for.
_DRIVERS = ("dht", "ds18x20", "machine", "onewire")
_LOCK = threading.Lock()


def check_config(
    config: dict[str, Any],
    board: Board,
    text: bytes | None = None,
    user: Collection[str] | None = None,
) -> bytes:
    """Apply every rule to a config for that board; return the content of `CHECKED`.

    Args:
        text: config.json as it is on the board; what `dump_config` gives where not given.
        user: the names in the board's /user ("soil" for soil.py); None: not known here.
    Raises: the firmware's ConfigError, which names the key, with the words the board would have.
    """
    checked = check_rules(config)
    from linkpost.config_rules import check_port
    from linkpost.errors import ConfigError

    if checked.device_secret == EXAMPLE_SECRET:
        raise ConfigError("device_secret", IS_EXAMPLE)
    if not checked.networks:
        raise ConfigError("wifi", f"is missing: a {board.name} has no other network")
    port = _BoardPort(board)
    check_port(checked, port)
    _check_sensors(checked.sensors or [], port, user)
    return render(dump_config(config) if text is None else text, checked, board.name)


def render(text: bytes, checked: Any, board: str) -> bytes:
    """Return the content of `CHECKED` for a config.json and the Config of it.

    Empty, which no board trusts, where a board would not come to the very same values by it.
    Args: board, `sys.implementation._build` there.
    """
    from linkpost.config import Config
    from linkpost.config_file import first_line, trusted

    if text.startswith(codecs.BOM_UTF8):
        return b""  # the rules take the mark off
    public = {key: value for key, value in vars(checked).items() if not key.startswith("_")}
    values = {key: value for key, value in public.items() if key not in _SECRET}
    line = json.dumps(values, separators=(",", ":")).encode()
    again = vars(trusted(Config, json.loads(text), json.loads(line)))
    if {key: value for key, value in again.items() if not key.startswith("_")} != public:
        return b""
    return first_line(text, line, board) + b"\n" + line


def dump_config(config: dict[str, Any]) -> bytes:
    """Return a config.json."""
    return (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode()


class _BoardPort:
    """What the firmware's rules and sensors ask of a port while they are made, by board.toml."""

    can_light_sleep = True

    def __init__(self, board: Board):
        self.board = board
        self.can_deep_sleep = board.can_deep_sleep
        self.watchdog_max_ms = board.watchdog_max_ms

    def pin(self, pin: int | str) -> int | str:
        """Return the pin. Raises: ValueError where the board has none of that name or number."""
        if pin not in (self.board.gpio if isinstance(pin, int) else self.board.pin_names):
            raise ValueError(f"pin {pin}: a {self.board.name} has {_spans(self.board.gpio)}")
        return pin

    def analog(self, pin: int | str) -> Any:
        """See the firmware's Port."""
        number = self._number(self.pin(pin))
        if number not in self.board.adc:
            raise ValueError(
                f"pin {pin}: analog works on {_spans(self.board.adc)} of a {self.board.name}"
            )
        return lambda: 0

    def led(self, pin: int | str) -> Any:
        """See the firmware's Port."""
        if self.pin(pin) in self.board.input_only:
            raise ValueError(f"pin {pin} can only be input")
        return lambda level: None

    def _number(self, pin: int | str) -> int | None:
        # "GP26" of a Pico.
        digits = str(pin).removeprefix("GP")
        return int(digits) if digits.isdigit() else None

    def i2c(self, number: int, freq: int, sda: Any = None, scl: Any = None) -> None:
        """Stand in for `machine.I2C`. Raises: ValueError as the chip does."""
        if number not in range(self.board.i2c_buses):
            raise ValueError(f"I2C({number}) doesn't exist")
        if self.board.port != RP2 or sda is None:
            return
        # Which bus a pin of a Pico can be on is wired: SDA on even numbers, SCL on odd ones.
        for name, pin, odd in (("SDA", sda, 0), ("SCL", scl, 1)):
            at = self._number(pin)
            if at is None or at % 2 != odd or at // 2 % 2 != number:
                raise ValueError(f"bad {name} pin")

    def soft_i2c(self, freq: int, sda: Any, scl: Any) -> None:
        """Stand in for `machine.SoftI2C`, which drives any two pins."""
        for pin in (sda, scl):
            self.led(pin)


def _spans(numbers: Collection[int]) -> str:
    """Return numbers as text: "0 to 22, 26 to 28"."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(f"{a} to {b}" if a != b else str(a) for a, b in spans)


def _check_sensors(
    sensors: list[dict[str, Any]], port: _BoardPort, user: Collection[str] | None
) -> None:
    """Make the sensors on this machine, as the board will: what they refuse is refused here."""
    from linkpost.errors import ConfigError
    from linkpost.sensors import building, i2c

    ours = []
    for number, spec in enumerate(sensors):
        name = spec["type"].removeprefix(USER)
        if name != spec["type"]:
            if user is not None and name not in user:
                raise ConfigError(
                    f"sensors[{number}]", f"user/{name}.py is not included: put it in --user DIR"
                )
            spec = {"type": "simulated"}  # a user's own code is not run here
        ours.append(spec)
    with _LOCK, _chip(port):  # the interpreter's modules are every thread's
        i2c.buses.clear()
        try:
            building.build(ours, port)
        finally:
            i2c.buses.clear()


class _Anything:
    """A driver as far as a sensor that is only made asks for it."""

    def __init__(self, *arguments: Any, **named: Any) -> None: ...

    def __getattr__(self, name: str) -> Any:
        return _Anything()


class _Driver(ModuleType):
    """A module of a chip's firmware: any name in it is a class."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything


@contextlib.contextmanager
def _chip(port: _BoardPort) -> Iterator[None]:
    """Let sensors find a chip's drivers, and its name, on this machine; nothing of it stays."""
    before = {name: sys.modules.pop(name, None) for name in _DRIVERS}
    drivers = {name: _Driver(name) for name in _DRIVERS}
    vars(drivers["machine"]).update(I2C=port.i2c, SoftI2C=port.soft_i2c)
    implementation: Any = sys.implementation
    known = getattr(implementation, "_machine", None)
    sys.modules.update(drivers)
    implementation._machine = f"{port.board.title} with {port.board.chip.upper()}"
    try:
        yield
    finally:
        for name, module in before.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module
        if known is None:
            del implementation._machine
        else:
            implementation._machine = known
