"""What MD5 and SHA-1 have in common: blocks of 64 bytes, padding, 32-bit words."""


class BlockDigest:
    """The interface of MicroPython's hashlib objects: `update`, and `digest` once."""

    ORDER = ""  # of the bytes in a word: "little" or "big"
    START = b""  # the first state

    def _block(self, words, state):
        """Return what a block of 16 words makes of the state, before it is added to it."""
        raise NotImplementedError

    def __init__(self, data=b""):
        self._state = self._split(self.START, 0, len(self.START))
        self._rest = b""
        self._length = 0
        self.update(data)

    def _split(self, data, start, end):
        return [int.from_bytes(data[i : i + 4], self.ORDER) for i in range(start, end, 4)]  # type: ignore[arg-type]

    def update(self, data) -> None:
        """Take more of the message."""
        self._length += len(data)
        data = self._rest + bytes(data)
        whole = len(data) & ~63
        for at in range(0, whole, 64):
            state = self._state
            added = self._block(self._split(data, at, at + 64), state)
            self._state = [(state[i] + added[i]) & 0xFFFFFFFF for i in range(len(state))]
        self._rest = data[whole:]

    def digest(self) -> bytes:
        """Return the digest; the object is used up."""
        bits = (self._length * 8) & 0xFFFFFFFFFFFFFFFF
        padding = b"\x80" + b"\0" * ((55 - self._length) % 64)
        self.update(padding + bits.to_bytes(8, self.ORDER))  # type: ignore[arg-type]
        return b"".join([word.to_bytes(4, self.ORDER) for word in self._state])
