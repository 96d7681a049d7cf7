"""SHA-1 (FIPS 180-4) in Python, for builds whose hashlib has none (webassembly)."""

_START = b"\x67\x45\x23\x01\xef\xcd\xab\x89\x98\xba\xdc\xfe\x10\x32\x54\x76\xc3\xd2\xe1\xf0"


class SHA1:
    """The interface of MicroPython's hashlib objects: `update`, and `digest` once."""

    def __init__(self, data=b""):
        self._words = [int.from_bytes(_START[i : i + 4], "big") for i in range(0, 20, 4)]
        self._rest = b""
        self._length = 0
        self.update(data)

    def update(self, data):
        self._length += len(data)
        data = self._rest + bytes(data)
        whole = len(data) & ~63
        for at in range(0, whole, 64):
            self._block(data, at)
        self._rest = data[whole:]

    def digest(self) -> bytes:
        """Return the 20 bytes; the object is used up."""
        bits = (self._length * 8) & 0xFFFFFFFFFFFFFFFF
        padding = b"\x80" + b"\0" * ((55 - self._length) % 64)
        self.update(padding + bits.to_bytes(8, "big"))
        return b"".join(word.to_bytes(4, "big") for word in self._words)

    def _block(self, data, at):
        # A ring of 16 words for the schedule (FIPS 180-4, 6.1.3) takes a fifth of the heap of 80.
        words = [int.from_bytes(data[i : i + 4], "big") for i in range(at, at + 64, 4)]
        a, b, c, d, e = self._words
        for t in range(80):
            s = t & 15
            if t >= 16:
                x = words[(s + 13) & 15] ^ words[(s + 8) & 15] ^ words[(s + 2) & 15] ^ words[s]
                words[s] = ((x << 1) | (x >> 31)) & 0xFFFFFFFF
            if t < 20:
                f = (d ^ (b & (c ^ d))) + 0x5A827999
            elif t < 40:
                f = (b ^ c ^ d) + 0x6ED9EBA1
            elif t < 60:
                f = ((b & c) | (d & (b | c))) + 0x8F1BBCDC
            else:
                f = (b ^ c ^ d) + 0xCA62C1D6
            f = (((a << 5) | (a >> 27)) + f + e + words[s]) & 0xFFFFFFFF
            e = d
            d = c
            c = ((b << 30) | (b >> 2)) & 0xFFFFFFFF
            b = a
            a = f
        self._words = [
            (old + new) & 0xFFFFFFFF
            for old, new in zip(self._words, (a, b, c, d, e))  # noqa: B905  MicroPython has no strict
        ]
