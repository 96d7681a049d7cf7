"""What the board knows about itself: why it started, its version, memory and signal."""

from ..loader import load


class System:
    """Reads reset cause, version, uptime, free heap, chip id and Wi-Fi signal where there is one.

    `app`, where one has it: then it tells the dropped and quarantined readings too, and with
    `alink` the stream.
    """

    kind = "system"
    OPTIONS = {}

    def __init__(self, port, app=None):
        self._port = port
        self.app = app

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
        if self.app:
            outbox = self.app.outbox
            values["dropped"] = outbox.dropped
            values["quarantined"] = outbox.quarantined
            if self.app.config.format == "alink":
                values["stream"] = outbox.stream
        return values
