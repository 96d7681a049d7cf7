"""config.json: what the user sets, checked before anything is done with it.

Every key with its meaning and default stands in the README; the checks are in `config_rules`. The
tools that write a config.json have applied them already, and say so in a file beside it
(config.json.checked), so that a board need not hold the rules to start:

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


class Config:
    """The checked configuration. Attributes are the keys of config.json, with defaults filled in.

    Beside them: host, port_number (of the endpoint), host_header, interval_ms, send_ms, networks
    (list of (ssid, password)), outbox_max_bytes (None: half of the free flash), batch_bytes.
    sensors is None where the config leaves it to the chip (`sensors.building`).
    """

    def __init__(self, data: dict, checked=None):
        """Check `data`, the object in config.json. Raises: ConfigError.

        Args: checked, what the rules made of it elsewhere, which spares that.
        """
        self._port_checked = checked is not None
        if checked is None:
            load("config_rules").fill(self, data)
            return
        for name in checked:
            setattr(self, name, checked[name])
        self.device_secret = data["device_secret"]
        wifi = data.get("wifi") or ()
        self.networks = [
            (network["ssid"], network.get("password", ""))
            for network in ([wifi] if isinstance(wifi, dict) else wifi)
        ]

    @classmethod
    def load(cls, path: str = "config.json"):
        """Return the Config in that file. Raises: ConfigError, StorageError."""
        read_bytes = load("storage.files").read_bytes
        text = read_bytes(path, _FILE_MAX)
        try:
            checked = _checked(text, read_bytes(path + CHECKED_SUFFIX, _FILE_MAX))
        except StorageError:
            checked = None
        if checked is None:
            return cls(load("config_rules").parse(text, path))
        return cls(json.loads(text), checked)

    def check_port(self, port) -> None:
        """Check what only the chip can tell, unless that was done. Raises: ConfigError."""
        if not self._port_checked:
            load("config_rules").check_port(self, port)


def first_line(text: bytes, values: bytes, board: str) -> bytes:
    """Return the first line of the file beside a config.json, `values` being its second."""
    digest = sha256(text)
    digest.update(values)
    return "{} {} {}".format(_RULES, board, str(hexlify(digest.digest()), "ascii")).encode()


def _checked(text, beside):
    """Return the values that stand beside config.json, or None where they are not of this one."""
    if text is None or beside is None:
        return None
    head, _, values = beside.partition(b"\n")
    board = getattr(sys.implementation, "_build", sys.platform)
    return json.loads(values) if head == first_line(text, values, board) else None
