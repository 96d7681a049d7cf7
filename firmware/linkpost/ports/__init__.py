"""The chips. `detect()` is the only place in the firmware that branches on `sys.platform`."""

import sys

_port = None


def detect():
    """Return the port of the chip this runs on; a host port on a desktop.

    It is one object for all who ask, as there is one chip: it knows whether the watchdog was
    started, and counts the time. Nothing is touched before somebody asks.
    """
    global _port
    if _port is None:
        if sys.platform == "esp32":
            from .esp32 import ESP32Port as Detected
        elif sys.platform == "rp2":
            from .rp2 import RP2Port as Detected
        else:
            from .host import HostPort as Detected
        _port = Detected()
    return _port
