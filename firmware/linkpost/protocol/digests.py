"""MD5 (RFC 1321) and SHA-1 (FIPS 180-4) in Python, for chips whose hashlib lacks one of them.

Pico W has no MD5 before MicroPython 1.27, the webassembly build neither. Loaded when such a
device authenticates (`loader`), and deployed only to boards that need it.
"""

from array import array

# Integer parts of abs(sin(i + 1)) * 2**32, RFC 1321 section 3.4, little-endian as all these chips:
# 64 big integers in a tuple would cost a chip 1.3 KB of heap.
_SINES = array(
    "I",
    b"\x78\xa4\x6a\xd7\x56\xb7\xc7\xe8\xdb\x70\x20\x24\xee\xce\xbd\xc1"
    b"\xaf\x0f\x7c\xf5\x2a\xc6\x87\x47\x13\x46\x30\xa8\x01\x95\x46\xfd"
    b"\xd8\x98\x80\x69\xaf\xf7\x44\x8b\xb1\x5b\xff\xff\xbe\xd7\x5c\x89"
    b"\x22\x11\x90\x6b\x93\x71\x98\xfd\x8e\x43\x79\xa6\x21\x08\xb4\x49"
    b"\x62\x25\x1e\xf6\x40\xb3\x40\xc0\x51\x5a\x5e\x26\xaa\xc7\xb6\xe9"
    b"\x5d\x10\x2f\xd6\x53\x14\x44\x02\x81\xe6\xa1\xd8\xc8\xfb\xd3\xe7"
    b"\xe6\xcd\xe1\x21\xd6\x07\x37\xc3\x87\x0d\xd5\xf4\xed\x14\x5a\x45"
    b"\x05\xe9\xe3\xa9\xf8\xa3\xef\xfc\xd9\x02\x6f\x67\x8a\x4c\x2a\x8d"
    b"\x42\x39\xfa\xff\x81\xf6\x71\x87\x22\x61\x9d\x6d\x0c\x38\xe5\xfd"
    b"\x44\xea\xbe\xa4\xa9\xcf\xde\x4b\x60\x4b\xbb\xf6\x70\xbc\xbf\xbe"
    b"\xc6\x7e\x9b\x28\xfa\x27\xa1\xea\x85\x30\xef\xd4\x05\x1d\x88\x04"
    b"\x39\xd0\xd4\xd9\xe5\x99\xdb\xe6\xf8\x7c\xa2\x1f\x65\x56\xac\xc4"
    b"\x44\x22\x29\xf4\x97\xff\x2a\x43\xa7\x23\x94\xab\x39\xa0\x93\xfc"
    b"\xc3\x59\x5b\x65\x92\xcc\x0c\x8f\x7d\xf4\xef\xff\xd1\x5d\x84\x85"
    b"\x4f\x7e\xa8\x6f\xe0\xe6\x2c\xfe\x14\x43\x01\xa3\xa1\x11\x08\x4e"
    b"\x82\x7e\x53\xf7\x35\xf2\x3a\xbd\xbb\xd2\xd7\x2a\x91\xd3\x86\xeb",
)
# Rotations of the four rounds, four of each in turn.
_ROTATIONS = b"\x07\x0c\x11\x16\x05\x09\x0e\x14\x04\x0b\x10\x17\x06\x0a\x0f\x15"


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


class MD5(BlockDigest):
    """MD5: `update`, and `digest` once, 16 bytes.

    Tried for speed, bytes a second on the 32-bit webassembly build: one loop with four branches
    195,000; a loop a round 248,000; with the sines in an array 280,000, which it is. Words in
    16-bit halves, so that no big integer is made: 195,000. 64 unrolled steps would cost too much
    heap.
    """

    ORDER = "little"
    START = b"\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10"

    def _block(self, words, state):
        a, b, c, d = state
        sines = _SINES
        rotations = _ROTATIONS
        for i in range(16):
            turn = rotations[i & 3]
            a = (a + (d ^ (b & (c ^ d))) + words[i] + sines[i]) & 0xFFFFFFFF
            a, b, c, d = d, (b + ((a << turn) | (a >> (32 - turn)))) & 0xFFFFFFFF, b, c
        for i in range(16, 32):
            turn = rotations[4 + (i & 3)]
            a = (a + (c ^ (d & (b ^ c))) + words[(5 * i + 1) & 15] + sines[i]) & 0xFFFFFFFF
            a, b, c, d = d, (b + ((a << turn) | (a >> (32 - turn)))) & 0xFFFFFFFF, b, c
        for i in range(32, 48):
            turn = rotations[8 + (i & 3)]
            a = (a + (b ^ c ^ d) + words[(3 * i + 5) & 15] + sines[i]) & 0xFFFFFFFF
            a, b, c, d = d, (b + ((a << turn) | (a >> (32 - turn)))) & 0xFFFFFFFF, b, c
        for i in range(48, 64):
            turn = rotations[12 + (i & 3)]
            a = (a + (c ^ (b | (d ^ 0xFFFFFFFF))) + words[7 * i & 15] + sines[i]) & 0xFFFFFFFF
            a, b, c, d = d, (b + ((a << turn) | (a >> (32 - turn)))) & 0xFFFFFFFF, b, c
        return a, b, c, d


class SHA1(BlockDigest):
    """SHA-1: `update`, and `digest` once, 20 bytes.

    Tried for speed, as MD5: as it is 147,000; with a schedule of 80 words 157,000, at five times
    their heap; with a loop for each constant 155,000.
    """

    ORDER = "big"
    START = b"\x67\x45\x23\x01\xef\xcd\xab\x89\x98\xba\xdc\xfe\x10\x32\x54\x76\xc3\xd2\xe1\xf0"

    def _block(self, words, state):
        # The words become a ring (FIPS 180-4, 6.1.3): a fifth of the heap of a schedule of 80.
        a, b, c, d, e = state
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
        return a, b, c, d, e
