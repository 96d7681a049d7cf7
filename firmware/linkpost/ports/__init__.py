"""The chips. `detect()` is the only place in the firmware that branches on `sys.platform`."""

import sys


def detect():
    """Return the port of the chip this runs on; a host port on a desktop."""
    if sys.platform == "esp32":
        from .esp32 import ESP32Port as Detected
    elif sys.platform == "rp2":
        from .rp2 import RP2Port as Detected
    else:
        from .host import HostPort as Detected
    return Detected()
