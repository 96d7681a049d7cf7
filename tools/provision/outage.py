"""How long an outage may last before readings are dropped, by what its sensors usually give."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from .. import firmware
from ..terminal.counting import count

# By type of sensor. As long in JSON as what it reads in a room.
_VALUES: dict[str, dict[str, Any]] = {
    "aht20": {"temperature": 21.57, "humidity": 45.32},
    "analog": {"voltage": 1.234},
    "bme280": {"temperature": 21.57, "humidity": 45.32, "pressure": 1013.25},
    "dht11": {"temperature": 21.5, "humidity": 45.3},
    "dht22": {"temperature": 21.5, "humidity": 45.3},
    "ds18x20": {"temperature": 21.5625},
    "onchip": {"temperature": 31.5},
    "sht3x": {"temperature": 21.57, "humidity": 45.32},
    "simulated": {"temperature": 21.5, "humidity": 45.3},
    "system": {
        "reset_cause": "power on", "version": "0.1.0", "uptime_s": 86400, "heap_free": 61440,
        "chip_id": "0123456789abcdef", "rssi": -61, "dropped": 0, "quarantined": 0,
    },
}  # fmt: skip
# Flash that a reading takes beyond its values as JSON; more than measured, so that the hours hold.
_STORED_BESIDE_VALUES = 24
_OF_ONES_OWN = {"value": 21.57}


def outage_text(config: Any, free_bytes: int) -> str:
    """Return how long an outage may last, for people; "" where that cannot be said.

    Args: config: linkpost's Config; free_bytes: flash for files that is free once the firmware is
        on the board, or in the outbox already; 0: not known.
    """
    firmware.enable_imports()
    from linkpost.sensors import read_all
    from linkpost.storage import growing

    granted = config.outbox_max_bytes or free_bytes // 2
    if not config.interval_ms or not granted:
        return ""
    max_bytes = growing.max_bytes(SimpleNamespace(granted_bytes=granted))
    # In a frame the values are about as long as in JSON.
    values = json.dumps(read_all(_sensors(config.sensors)))
    readings = max_bytes // (len(values) + _STORED_BESIDE_VALUES)
    hours = readings * config.interval_ms // 3_600_000
    return f"an outage may last about {count(hours, 'hour')} ({count(readings, 'reading')})"


def _sensors(specs: list[dict[str, Any]] | None) -> list[tuple[str, Any]]:
    """Return what stands in for the config's sensors, with their names."""
    return [
        (spec.get("name") or "", _Usual(spec["type"])) for spec in specs or [{"type": "onchip"}]
    ]


class _Usual:
    def __init__(self, kind: str):
        self.kind = kind

    def read(self) -> dict[str, Any]:
        return _VALUES.get(self.kind, _OF_ONES_OWN)
