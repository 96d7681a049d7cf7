"""config.json: what the user sets, checked before anything is done with it.

Every key with its meaning and default stands in the README; the checks are in `config_rules`.
"""

from .loader import load
from .storage.files import read_bytes

_FILE_MAX = 8192  # bytes of config.json


class Config:
    """The checked configuration. Attributes are the keys of config.json, with defaults filled in.

    Beside them: host, port_number (of the endpoint), host_header, interval_ms, send_ms, networks
    (list of (ssid, password)), outbox_max_bytes (None: half of the free flash), batch_bytes.
    sensors is None where the config leaves it to the chip (`sensors.building`).
    """

    def __init__(self, data: dict):
        """Check `data`, the object in config.json. Raises: ConfigError."""
        load("config_rules").fill(self, data)

    @classmethod
    def load(cls, path: str):
        """Return the Config in that file. Raises: ConfigError, StorageError."""
        return cls(load("config_rules").parse(read_bytes(path, _FILE_MAX), path))

    def check_port(self, port) -> None:
        """Check what only the chip can tell. Raises: ConfigError."""
        load("config_rules").check_port(self, port)
