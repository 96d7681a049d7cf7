"""A config's rules as a person at a terminal needs them: the firmware's own, and what most often
lies behind the one that was broken.

A board says what a key must be. What people paste goes wrong in few ways: the console's spelling
of a key, an endpoint with a path or for MQTT, a space or a character that nobody sees. Those are
known here, where they cost a board nothing.
"""

from __future__ import annotations

import json
import re
from typing import Any

from .. import firmware
from .sensor_types import TYPES, USER

# A module's name.
_USER_TYPE = re.compile(re.escape(USER) + "[A-Za-z_][A-Za-z0-9_]*")
_KEYS = ("device_name", "device_secret", "endpoint", "product_key")


def check_rules(config: Any) -> Any:
    """Return the firmware's Config. Raises: its ConfigError, with more words where known."""
    firmware.enable_imports()
    from linkpost.config import Config
    from linkpost.errors import ConfigError

    values = config if isinstance(config, dict) else {}
    _check_characters(None, json.dumps(config, ensure_ascii=False))
    _check_spelling(values)
    try:
        checked = Config(config)
    except ConfigError as error:
        raise _explained(error, values) from error
    _check_endpoint_is_https("endpoint", checked.host)
    _check_sensors(checked.sensors or [])
    return checked


def check_endpoint(key: str, value: Any) -> str:
    """Return an endpoint as the firmware takes it. Raises: its ConfigError, as `check_rules`."""
    firmware.enable_imports()
    from linkpost import config_rules
    from linkpost.errors import ConfigError

    _check_characters(key, str(value))
    try:
        endpoint = str(config_rules.check_endpoint(key, value))
    except ConfigError as error:
        raise _explained(error, {key: value}) from error
    _check_endpoint_is_https(key, endpoint)
    return endpoint


def odd_character(text: str) -> str:
    """Return words on the first character that a person may not see there; "" for none."""
    for place, character in enumerate(text, 1):
        if not "!" <= character <= "~":
            what = "a space" if character == " " else f"U+{ord(character):04X}"
            return f"; character {place} is {what}"
    return ""


def _check_characters(key: str | None, text: str) -> None:
    # Half a surrogate pair, "\\ud800" in JSON: CPython has it in a text, and no UTF-8 of it.
    from linkpost.errors import ConfigError

    try:
        text.encode()
    except UnicodeEncodeError as error:
        odd = f"U+{ord(text[error.start]):04X}"
        raise ConfigError(key, f"half a character, {odd}, stands in it") from error


def _check_spelling(config: dict[str, Any]) -> None:
    from linkpost.errors import ConfigError

    for key in config:  # the console's own JSON has DeviceName
        for name in _KEYS:
            if key != name and key.replace("_", "").lower() == name.replace("_", ""):
                raise ConfigError(key, f"is called {name} in config.json")


def _check_endpoint_is_https(key: str, endpoint: str) -> None:
    from linkpost.errors import ConfigError

    if "iot-as-mqtt" in endpoint or ".mqtt.iothub." in endpoint:
        raise ConfigError(
            key, "is the one for MQTT; the one for HTTPS has http in its name where this has mqtt"
        )


def _check_sensors(sensors: list[dict[str, Any]]) -> None:
    # A board would find it out when it makes the sensor, and with each reading: two values of one
    # name.
    from linkpost.errors import ConfigError

    seen = []
    for number, sensor in enumerate(sensors):
        if sensor["type"] not in TYPES and not _USER_TYPE.fullmatch(sensor["type"]):
            known = f"{', '.join(sorted(TYPES))}; or user.NAME for /user/NAME.py"
            raise ConfigError(f"sensors[{number}].type", f"must be one of: {known}")
        is_like = (sensor["type"], sensor.get("name"))
        if is_like in seen:
            raise ConfigError(
                f"sensors[{number}].name", f"is needed: another {sensor['type']} has the same"
            )
        seen.append(is_like)


def _explained(error: Any, config: dict[str, Any]) -> Any:
    """Return the firmware's error with what most often lies behind it."""
    from linkpost.errors import ConfigError

    hint = ""
    value = config.get(error.key)
    if error.key and error.key.endswith(".password"):
        hint = ", or 64 hex digits; left out for a network without"
    elif isinstance(value, str):
        if "endpoint" in error.key:
            hint = _about_endpoint(value.strip())
        if not hint and error.key.strip("-") in _KEYS:
            hint = odd_character(value)
    message = str(error).removeprefix(f"{error.key}: ")
    return ConfigError(error.key, message + hint) if hint else error


def _about_endpoint(value: str) -> str:
    scheme, found, rest = value.partition("://")
    if found and scheme.lower() != "https":
        return f"; not {scheme}://, linkpost speaks HTTPS only"
    host, _, path = (rest if found else value).partition("/")
    if path.strip("/"):
        return "; leave out the path behind the host"
    if ":" in host and host.isprintable() and " " not in host:
        return "; a port is 1 to 65535"
    return ""
