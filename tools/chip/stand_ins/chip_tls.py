"""`tls` where the computer does TLS for the board (`--tls host`), and verifies.

The board's heap is then what it is on an ESP32, whose TLS lies outside it. Errors are mbedTLS' own
words, as MicroPython raises them.
"""

import errno
import io
import sys

import chip_network
from chip_network import call
from micropython import const

PROTOCOL_TLS_CLIENT = 0
PROTOCOL_TLS_SERVER = 1
CERT_NONE = 0
CERT_OPTIONAL = 1
CERT_REQUIRED = 2

_READ = const(3)
_WRITE = const(4)
_POLL = const(5)
_CLOSE = const(6)
_NEW_CONTEXT = const(10)
_ADD_ANCHOR = const(11)
_START = const(12)
_WHY = const(13)

_MP_STREAM_POLL = const(3)
_MP_STREAM_CLOSE = const(4)


# What MicroPython's ESP32_GENERIC 1.27 was seen to have beside its heap, joined to Wi-Fi and idle.
_BESIDE_BYTES = const(56_000)


def _memory(port):
    # No largest block: none of it is the heap's, which counts its own only (`gc.mem_free`). An
    # ESP32's counts that block in.
    return _BESIDE_BYTES, None


def _use_memory_beside():
    # The firmware asks its port for memory before it connects: here TLS takes none of the heap.
    port = sys.modules.get("linkpost.ports.rp2")
    if port is not None:
        port.RP2Port.tls_memory = _memory


chip_network.on_radio = _use_memory_beside


def _failure(handle, result):
    why = call(_WHY, handle, None, 0)
    if why == 1:
        return ValueError("\nThe certificate is not correctly signed by the trusted CA\n")
    if why == 2:
        return ValueError("\nThe certificate validity has expired\n")
    if why == 3:
        return ValueError("\nThe certificate validity starts in the future\n")
    if why == 4:
        return ValueError(
            "\nThe certificate Common Name (CN) does not match with the expected CN\n"
        )
    if why == 5:
        return OSError(-30592, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE")
    return OSError(-result)


class SSLContext:
    def __init__(self, protocol):
        self.verify_mode = CERT_REQUIRED
        _use_memory_beside()
        self._handle = call(_NEW_CONTEXT, 0, None, 0)
        self._anchors = 0

    def load_verify_locations(self, der):
        # A certificate is a SEQUENCE whose length is in two bytes.
        if len(der) < 4 or der[0] != 0x30 or der[1] != 0x82:
            raise ValueError("invalid cert")
        self._anchors = call(_ADD_ANCHOR, self._handle, der, len(der))

    def get_ciphers(self):
        return []

    def set_ciphers(self, ciphers):
        pass

    def wrap_socket(
        self, sock, *, server_side=False, server_hostname=None, do_handshake_on_connect=True
    ):
        if self.verify_mode == CERT_REQUIRED and server_hostname is None:
            raise ValueError("CERT_REQUIRED requires server_hostname")
        if not self._anchors:
            raise OSError(-30336, "MBEDTLS_ERR_SSL_CA_CHAIN_REQUIRED")
        return _Stream(sock, server_hostname, self._handle)

    def __del__(self):
        call(_CLOSE, self._handle, None, 0)


class _Stream(io.IOBase):
    def __init__(self, below, name, context):
        self._below = below
        name = name.encode()
        # A user's stream between us and the socket has no handle: then the newest socket is meant.
        handle = getattr(below, "_handle", 0)
        self._handle = call(_START, handle, name, len(name), context)

    def readinto(self, buffer, length=None):
        length = len(buffer) if length is None else length
        return self._result(call(_READ, self._handle, buffer, length))

    def write(self, data, offset=0, length=None):
        if length is None:
            offset, length = 0, offset or len(data)
        return self._result(call(_WRITE, self._handle, memoryview(data)[offset:], length))

    def _result(self, result):
        if result == -errno.EAGAIN:
            return None
        if result < 0:
            raise _failure(self._handle, result)
        return result

    def read(self, length=1024):
        data = bytearray(length)
        count = self.readinto(data)
        return None if count is None else bytes(data[:count])

    recv = read

    def readline(self, length=-1):
        line = bytearray()
        while length < 0 or len(line) < length:
            piece = self.read(1)
            if not piece:
                return bytes(line) or piece
            line += piece
            if piece == b"\n":
                break
        return bytes(line)

    def ioctl(self, request, argument):
        if request == _MP_STREAM_POLL:
            return call(_POLL, self._handle, None, 0, argument)
        if request == _MP_STREAM_CLOSE:
            self.close()
        return 0

    def setblocking(self, blocking):
        pass

    def close(self):
        self._below.ioctl(_MP_STREAM_CLOSE, 0)
