"""`socket` and `network` of the emulated board: its radio is the network of the computer.

The emulator's side, with the same numbers, is in ../emulator/network.mjs. Behaves as lwIP does in
MicroPython's rp2 build: the same errors, the same answers of poll.
"""

import errno
import io
import time

import uctypes
from machine import mem32
from micropython import const

AF_INET = 2
AF_INET6 = 10
SOCK_STREAM = 1
SOCK_DGRAM = 2
SOL_SOCKET = 1
SO_REUSEADDR = 4
IPPROTO_TCP = 6
TCP_NODELAY = 1

_REGISTERS = const(0x5040_0000)
_OPEN = const(1)
_CONNECT = const(2)
_READ = const(3)
_WRITE = const(4)
_POLL = const(5)
_CLOSE = const(6)
_RESOLVE = const(7)
_SEND_TO = const(8)
_RECEIVE_FROM = const(9)
_BIND = const(17)

_MP_STREAM_POLL = const(3)
_MP_STREAM_CLOSE = const(4)

held = None  # what `--heap` takes away
on_radio = None  # is called where a program takes the radio: before it makes a connection


def call(command, handle, buffer, length, argument=0, ip=None):
    """Give the emulator a command; return its result, an error as a negative number."""
    mem32[_REGISTERS + 4] = handle
    if buffer is not None:
        mem32[_REGISTERS + 8] = uctypes.addressof(buffer)
        mem32[_REGISTERS + 12] = length
    mem32[_REGISTERS + 20] = argument
    if ip is not None:
        mem32[_REGISTERS + 24] = ip
    mem32[_REGISTERS] = command
    result = mem32[_REGISTERS + 16]
    return result if result < 0x8000_0000 else result - 0x1_0000_0000


def _to_number(host):
    number = 0
    parts = host.split(".")
    if len(parts) != 4:
        raise ValueError("invalid arguments")
    for part in parts:
        number = number << 8 | int(part)
    return number


def _to_text(number):
    number &= 0xFFFF_FFFF
    return "%d.%d.%d.%d" % (number >> 24, number >> 16 & 255, number >> 8 & 255, number & 255)


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    """Resolve a name; blocks, as lwIP's does. OSError(-2) where there is none."""
    name = host.encode()
    while True:
        result = call(_RESOLVE, 0, name, len(name))
        if result != -errno.EAGAIN:
            break
        time.sleep_ms(1)
    if result < 0:
        raise OSError(result)
    return [(AF_INET, SOCK_STREAM, 0, "", (_to_text(mem32[_REGISTERS + 24]), port))]


class socket(io.IOBase):
    """A TCP or UDP socket over IPv4, and a stream that `tls` and `select` take."""

    def __init__(self, family=AF_INET, type=SOCK_STREAM, proto=0):
        self._handle = call(_OPEN, 0, None, 0, type)
        self._ms = None  # None: waits for ever; 0: never

    def _wait(self, command, buffer, length):
        start = time.ticks_ms()
        while True:
            result = call(command, self._handle, buffer, length)
            if result >= 0:
                return result
            if result != -errno.EAGAIN or self._ms == 0:
                raise OSError(-result)
            if self._ms is not None and time.ticks_diff(time.ticks_ms(), start) >= self._ms:
                raise OSError(errno.ETIMEDOUT)
            time.sleep_ms(1)

    def connect(self, address):
        result = call(_CONNECT, self._handle, None, 0, address[1], _to_number(address[0]))
        if result != -errno.EINPROGRESS or self._ms == 0:
            raise OSError(-result)
        start = time.ticks_ms()
        while not call(_POLL, self._handle, None, 0, 4):
            if self._ms is not None and time.ticks_diff(time.ticks_ms(), start) >= self._ms:
                raise OSError(errno.ETIMEDOUT)
            time.sleep_ms(1)
        try:
            self._peek()
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise

    def _peek(self):
        flags = call(_POLL, self._handle, None, 0, 4)
        if flags & 8:
            raise OSError(-call(_READ, self._handle, b"", 0) or errno.ECONNRESET)

    def setblocking(self, blocking):
        self._ms = None if blocking else 0

    def settimeout(self, seconds):
        self._ms = None if seconds is None else int(seconds * 1000)

    def setsockopt(self, level, option, value):
        pass

    def bind(self, address):
        result = call(_BIND, self._handle, None, 0, address[1])
        if result < 0:
            raise OSError(-result)

    def makefile(self, *args):
        return self

    def ioctl(self, request, argument):
        if request == _MP_STREAM_POLL:
            return call(_POLL, self._handle, None, 0, argument)
        if request == _MP_STREAM_CLOSE:
            self.close()
        return 0

    def close(self):
        if self._handle:
            call(_CLOSE, self._handle, None, 0)
            self._handle = 0

    def readinto(self, buffer, length=None):
        try:
            return self._wait(_READ, buffer, len(buffer) if length is None else length)
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return None
            raise

    def recv(self, length):
        data = bytearray(length)
        count = self._wait(_READ, data, length)
        return bytes(data[:count])

    def read(self, length=-1):
        data = bytearray()
        while length < 0 or len(data) < length:
            try:
                piece = self.recv(1024 if length < 0 else length - len(data))
            except OSError as error:
                if error.errno == errno.EAGAIN:
                    return bytes(data) or None
                raise
            if not piece:
                break
            data += piece
        return bytes(data)

    def readline(self):
        line = bytearray()
        while not line.endswith(b"\n"):
            piece = self.read(1)
            if not piece:
                break
            line += piece
        return bytes(line)

    def send(self, data):
        return self._wait(_WRITE, data, len(data))

    def write(self, data, length=None):
        length = len(data) if length is None else length
        try:
            count = self._wait(_WRITE, data, length)
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return None
            raise
        while self._ms != 0 and count < length:
            count += self._wait(_WRITE, memoryview(data)[count:], length - count)
        return count

    def sendall(self, data):
        self.write(data)

    def sendto(self, data, address):
        result = call(_SEND_TO, self._handle, data, len(data), address[1], _to_number(address[0]))
        if result < 0:
            raise OSError(-result)
        return result

    def recvfrom(self, length):
        data = bytearray(length)
        count = self._wait(_RECEIVE_FROM, data, length)
        return bytes(data[:count]), (_to_text(mem32[_REGISTERS + 24]), mem32[_REGISTERS + 20])

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class _WLAN:
    """A station that joins any network at once."""

    IF_STA = 0
    IF_AP = 1
    PM_NONE = 16
    PM_PERFORMANCE = 10555714
    PM_POWERSAVE = 17

    def __init__(self, interface=0):
        if on_radio is not None:
            on_radio()

    def active(self, on=None):
        if on is None:
            return network.is_active
        network.is_active = bool(on)
        if not on:
            network.ssid = None
        return None

    def connect(self, ssid=None, key=None, **others):
        network.ssid = ssid

    def disconnect(self):
        network.ssid = None

    def deinit(self):
        self.active(False)

    def isconnected(self):
        return network.ssid is not None

    def status(self, what=None):
        if what == "rssi":
            return -50
        return 3 if network.ssid is not None else 0

    def config(self, what=None, **settings):
        if what in ("ssid", "essid"):
            return network.ssid or ""
        if what == "mac":
            return b"\x28\xcd\xc1\x00\x00\x01"
        return None if what is None else 0

    def ifconfig(self, settings=None):
        address = "192.0.2.2" if network.ssid is not None else "0.0.0.0"  # noqa: S104
        return (address, "255.255.255.0", "192.0.2.1", "192.0.2.1")

    def ipconfig(self, *names, **settings):
        return self.ifconfig()[:2]

    def scan(self):
        return [(b"linkpost", b"\x02\0\0\0\0\1", 1, -50, 4, 1)]


class network:
    """The module `network`: a class stands in for it, which costs less heap than a file."""

    WLAN = _WLAN
    STA_IF = 0
    AP_IF = 1
    is_active = False
    ssid = None

    @staticmethod
    def country(code=None):
        return code or "XX"

    @staticmethod
    def hostname(name=None):
        return name or "PicoW"
