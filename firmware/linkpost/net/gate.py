"""What stands between mbedTLS and the socket: a bound on what one call may take in.

mbedTLS goes on inside one C call for as long as there is something to read. Before it knows its
peer, that peer can send warning alerts, which it reads and ignores: 21 MB of them held one call
for 7 s with a deadline of 1.5 s. So it reads through this gate, which says "nothing there yet"
when a step has had its share; the driver then looks after deadline and watchdog, and goes on.
"""

import errno
import io

from micropython import const

# mbedTLS reads a record in two: its head, then the rest. The longest flight of an honest peer is
# 5 records, so a step that is cut short costs one more poll and nothing else.
_READS = const(16)


class Gate(io.IOBase):
    """A socket as mbedTLS sees it. `open()` before each step that calls into TLS.

    Nothing may be raised through mbedTLS' frames, which would not tidy up: an OSError is given
    back as its number, anything else (Ctrl-C, no memory) is kept in `raised`.
    """

    def __init__(self, sock):
        self._socket = sock
        self._left = 0
        self.raised = None

    def open(self) -> None:
        """Let the next call read its share."""
        self._left = _READS

    def readinto(self, buffer):
        if self._left == 0:
            return None
        self._left -= 1
        try:
            return self._socket.readinto(buffer)
        except BaseException as error:
            return self._number_of(error)

    def write(self, buffer):
        try:
            return self._socket.write(buffer)
        except BaseException as error:
            return self._number_of(error)

    def _number_of(self, error):
        # MicroPython's OSError has whatever came first as its errno.
        if isinstance(error, OSError) and isinstance(error.errno, int):
            return -error.errno
        self.raised = error
        return -errno.EIO

    def ioctl(self, request, argument):
        return 0  # the transport closes the socket itself, and polls it
