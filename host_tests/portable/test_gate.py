"""The gate between mbedTLS and the socket: how much one step may read, and what it may raise."""

import errno

from linkpost.net.gate import Gate


class FakeSocket:
    """Gives and takes one byte a call, or does what `script` says first."""

    def __init__(self, script=()):
        self._script = list(script)
        self.calls = 0

    def readinto(self, buffer):
        self.calls += 1
        what = self._script.pop(0) if self._script else 1
        if isinstance(what, BaseException):
            raise what
        return what

    write = readinto


def test_reading_has_an_end_until_the_gate_is_opened_again():
    sock = FakeSocket()
    gate = Gate(sock)
    buffer = bytearray(5)
    assert gate.readinto(buffer) is None  # shut at first
    for _ in range(3):
        gate.open()
        reads = 0
        while gate.readinto(buffer) is not None:
            reads += 1
            assert reads < 100
        # Two for each of the 5 records of a handshake's longest flight, and some.
        assert 10 <= reads <= 32
    assert gate.readinto(buffer) is None


def test_writing_is_never_held_back():
    gate = Gate(FakeSocket())
    for _ in range(100):
        assert gate.write(b"x") == 1


def test_what_the_socket_says_passes_unchanged():
    gate = Gate(FakeSocket([None, 0, 3]))
    gate.open()
    assert [gate.readinto(bytearray(5)) for _ in range(3)] == [None, 0, 3]
    gate = Gate(FakeSocket([None, 3]))
    assert [gate.write(b"12345") for _ in range(2)] == [None, 3]


def test_socket_error_is_given_back_as_its_number():
    for call in ("readinto", "write"):
        gate = Gate(FakeSocket([OSError(errno.ECONNRESET, "x")]))
        gate.open()
        assert getattr(gate, call)(bytearray(1)) == -errno.ECONNRESET
        assert gate.raised is None


def test_anything_else_raised_is_kept_not_raised_through_mbedtls():
    for error in (KeyboardInterrupt(), MemoryError(), OSError("no number")):
        for call in ("readinto", "write"):
            gate = Gate(FakeSocket([error]))
            gate.open()
            assert getattr(gate, call)(bytearray(1)) == -errno.EIO
            assert gate.raised is error
