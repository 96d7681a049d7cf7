"""What one boot carries over to the next in memory that outlives reset and deep sleep.

No flash is written for it. After a loss of power it is all zeros, which is the right start. 12
bytes: rp2 has no more (ports/rp2.py). Loaded when needed (`loader`): nobody keeps the object.
"""

import struct

# crashes, attempts, flags, sample_in_ms, send_in_ms
_LAYOUT = "<BBHII"


class Retained:
    """crashes      boots in a row that did not prove healthy; `boot_work` counts, `app` clears
    attempts       failures of sending in a row, of `backoff`
    memory_reset   1: a reset has tried to make the heap whole, and no report came since
    sample_in_ms   after a deep sleep, ms until the next reading
    send_in_ms     after a deep sleep, ms until the next send
    """

    def __init__(self, port):
        self._port = port
        data = port.retained()
        if len(data) >= struct.calcsize(_LAYOUT):
            (
                self.crashes,
                self.attempts,
                self.memory_reset,
                self.sample_in_ms,
                self.send_in_ms,
            ) = struct.unpack_from(_LAYOUT, data)
        else:
            self.crashes = self.attempts = self.memory_reset = 0
            self.sample_in_ms = self.send_in_ms = 0

    def keep(self) -> None:
        """Hand the attributes to the port, where it retains anything."""
        if self._port.retained_bytes >= struct.calcsize(_LAYOUT):
            data = struct.pack(
                _LAYOUT,
                min(self.crashes, 255),
                min(self.attempts, 255),
                self.memory_reset,
                min(self.sample_in_ms, 0xFFFFFFFF),
                min(self.send_in_ms, 0xFFFFFFFF),
            )
            self._port.retain(data)
