"""config.json: what the user sets, checked before anything is done with it.

Every key with its meaning and default stands in the README; the checks are in `config_rules`, and
how a board is spared them in `config_file`.
"""

from .loader import load


class Config:
    """The checked configuration. Attributes are the keys of config.json, with defaults filled in.

    Beside them: host, port_number (of the endpoint), host_header, interval_ms, send_ms, networks
    (list of (ssid, password)), outbox_max_bytes (None: half of the free flash), batch_bytes.
    sensors is None where the config leaves it to the chip (`sensors.building`).
    """

    # Whether the board's limits and pins were looked at already, where the file was written.
    _port_checked = False

    def __init__(self, data: dict):
        """Check `data`, the object in config.json. Raises: ConfigError."""
        load("config_rules").fill(self, data)

    @classmethod
    def load(cls, path: str = "config.json"):
        """Return the Config in that file. Raises: ConfigError, StorageError."""
        return _read(cls, path)

    def check_port(self, port) -> None:
        """Check what only the chip can tell, unless that was done. Raises: ConfigError."""
        if not self._port_checked:
            load("config_rules").check_port(self, port)


def _read(config_class, path):
    # Of its own: `App.run` has its frame where that of Config.load was (`loader.sweep`).
    return load("config_file").read(config_class, path)
