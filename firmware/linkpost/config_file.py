"""Reading a config.json, with the rules only where they were not applied before.

The tools that write a config.json have applied them already, and say so in a file beside it
(config.json.checked), so that a board need not load the rules to start:

    0.1.0 RPI_PICO_W 5f0a...e1
    {"endpoint": "...", ...}

Version of the rules, the board whose limits and pins were looked at, and the SHA-256 of
config.json and the second line; that line is what the rules make of config.json, without its
secrets. Where the first line is any other (an edited config.json, another board or firmware), the
rules are applied here, and say what they say there.
"""

import json
import sys
from binascii import hexlify
from hashlib import sha256

from micropython import const

from .errors import StorageError
from .loader import load

_FILE_MAX = const(8192)  # bytes of config.json, and of the file beside it
# The version of the rules is the release's (a test compares the two): they change with no other.
_RULES = const("0.1.0")
CHECKED_SUFFIX = ".checked"


def read(config_class, path: str):
    """Return the Config in that file. Raises: ConfigError, StorageError."""
    read_bytes = load("storage.files").read_bytes
    text = read_bytes(path, _FILE_MAX)
    try:
        beside = read_bytes(path + CHECKED_SUFFIX, _FILE_MAX) or b""
    except StorageError:
        beside = b""
    head, _, values = beside.partition(b"\n")
    board = getattr(sys.implementation, "_build", sys.platform)
    if text is None or head != first_line(text, values, board):
        return config_class(load("config_rules").parse(text, path))
    return trusted(config_class, json.loads(text), json.loads(values))


def trusted(config_class, data: dict, checked: dict):
    """Return the Config of what config.json holds and of what the rules made of it elsewhere."""
    config = object.__new__(config_class)
    config._port_checked = True
    for name in checked:
        setattr(config, name, checked[name])
    config.device_secret = data["device_secret"]
    wifi = data.get("wifi") or ()
    config.networks = [
        (network["ssid"], network.get("password", ""))
        for network in ([wifi] if isinstance(wifi, dict) else wifi)
    ]
    return config


def first_line(text: bytes, values: bytes, board: str) -> bytes:
    """Return the first line of the file beside a config.json, `values` being its second."""
    digest = sha256(text)
    digest.update(values)
    return "{} {} {}".format(_RULES, board, str(hexlify(digest.digest()), "ascii")).encode()
