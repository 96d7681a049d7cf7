"""What `linkpost provision` asks, and how each answer is checked: by the firmware's own rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import firmware
from ..firmware.config_check import EXAMPLE_SECRET, IS_EXAMPLE
from ..firmware.config_hints import check_rules

# Stands in for what has not been asked yet, so that one answer can be checked by itself.
_STAND_IN = {
    "endpoint": "localhost",
    "product_key": "a1B2c3D4e5F",
    "device_name": "sensor01",
    "device_secret": "x",
}
# The end of a secret as the platform issues it tells two of them apart; of a short one it would
# give too much away.
_ENDING_FROM = 16
_ENDING = 4


@dataclass(frozen=True)
class Question:
    """One question. `path` is the key in config.json; a hidden one is not echoed."""

    path: tuple[str, ...]
    text: str
    default: Any = None
    hidden: bool = False
    parse: Callable[[str], Any] = str
    optional: bool = False  # an empty answer leaves the key out


def _number(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text  # the rules say what was expected


def _sensors(text: str) -> Any:
    """Return a list of sensors: JSON, or `dht22 pin=4, onchip`."""
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            return text
    sensors = []
    for part in text.split(","):
        words = part.split()
        if not words:
            continue
        sensor: dict[str, Any] = {"type": words[0]}
        for word in words[1:]:
            key, _, value = word.partition("=")
            sensor[key] = _number(value)
        sensors.append(sensor)
    return sensors


def show_sensors(sensors: Any) -> str:
    """Return sensors as they may be typed; what has no such form stays JSON."""
    parts = []
    for sensor in sensors:
        words = [str(sensor.get("type"))]
        for key, value in sensor.items():
            if key == "type":
                continue
            if not isinstance(value, (int, float, str)) or " " in str(value) or "," in str(value):
                return json.dumps(sensors)
            words.append(f"{key}={value}")
        parts.append(" ".join(words))
    return ", ".join(parts)


IDENTITY = (
    Question(("endpoint",), "Endpoint, as the console shows it for the instance"),
    Question(("product_key",), "ProductKey"),
    Question(("device_name",), "DeviceName"),
    Question(("device_secret",), "DeviceSecret", hidden=True),
)
WIFI = (
    Question(("wifi", "ssid"), "Wi-Fi name (2.4 GHz)"),
    Question(
        ("wifi", "password"), "Wi-Fi password, empty where it has none", hidden=True, optional=True
    ),
)
INTERVAL = Question(("interval_s",), "Seconds between readings", 60, parse=_number)


def sensors_question(has_temperature: bool) -> Question:
    """Return the question for sensors; what it offers is what the board takes by default."""
    default = [{"type": "onchip" if has_temperature else "system"}]
    return Question(("sensors",), "Sensors, e.g. onchip, dht22 pin=4", default, parse=_sensors)


def problem_of(path: tuple[str, ...], value: Any, config: dict[str, Any]) -> str:
    """Return what is wrong with one answer, by the firmware's rules; "" where it is good."""
    firmware.enable_imports()
    from linkpost.errors import ConfigError

    key = path[0]
    trial: dict[str, Any] = {**_STAND_IN, key: value}
    if len(path) > 1:
        trial[key] = {"ssid": "x", **_first_network(config), path[1]: value}
    try:
        check_rules(trial)
    except ConfigError as error:
        return str(error)
    return ""


def check(config: dict[str, Any]) -> Any:
    """Return the firmware's Config of it. Raises: ConfigError."""
    checked = check_rules(config)
    from linkpost.errors import ConfigError

    if checked.device_secret == EXAMPLE_SECRET:
        raise ConfigError("device_secret", IS_EXAMPLE)
    return checked


def value_at(config: dict[str, Any], path: tuple[str, ...]) -> Any:
    """Return what a config has there, None where it has nothing."""
    if path[0] == "wifi":
        return _first_network(config).get(path[1])
    return config.get(path[0])


def put(config: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set a value; of several networks, the first. Another network's password does not stay."""
    if path[0] != "wifi":
        config[path[0]] = value
        return
    network = {**_first_network(config), path[1]: value}
    if path[1] == "ssid" and value != _first_network(config).get("ssid"):
        network.pop("password", None)
    wifi = config.get("wifi")
    # A new list: the board's own config is compared with it.
    config["wifi"] = [network, *wifi[1:]] if isinstance(wifi, list) and wifi else network


def _first_network(config: dict[str, Any]) -> dict[str, Any]:
    wifi = config.get("wifi") or {}
    if isinstance(wifi, list):
        wifi = wifi[0] if wifi else {}
    return wifi if isinstance(wifi, dict) else {}


def masked(config: dict[str, Any]) -> dict[str, Any]:
    """Return a copy that may be shown: secrets by their ends, passwords not at all."""
    shown = json.loads(json.dumps(config))
    if "device_secret" in shown:
        secret = str(shown["device_secret"])
        shown["device_secret"] = (
            f"..{secret[-_ENDING:]}" if len(secret) >= _ENDING_FROM else "(set)"
        )
    networks = shown.get("wifi")
    for network in networks if isinstance(networks, list) else [networks]:
        if isinstance(network, dict) and network.get("password"):
            network["password"] = "(set)"  # noqa: S105  what is shown for one
    return shown
