"""What the board knows about itself: why it started, its version, memory and signal."""

from ..loader import load


class System:
    """Reads reset cause, version, uptime, free heap, chip id and Wi-Fi signal where there is one.

    `counters`, set by the app, is a function that returns more values as a dict: dropped and
    quarantined readings, the stream.
    """

    kind = "system"
    OPTIONS = {}

    def __init__(self, port, counters=None):
        self._port = port
        self.counters = counters

    def read(self):
        port = self._port
        values = {
            "reset_cause": port.reset_cause(),
            "version": load("version").VERSION,
            "uptime_s": port.uptime_ms() // 1000,
            "heap_free": port.heap_free(),
            "chip_id": "".join(["%02x" % byte for byte in port.unique_id()]),
        }
        largest = port.heap_largest()
        if largest is not None:
            values["heap_largest"] = largest
        rssi = port.wifi_rssi()
        if rssi is not None:
            values["wifi_rssi"] = rssi
        if self.counters is not None:
            values.update(self.counters())
        return values
