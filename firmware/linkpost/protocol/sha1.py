"""SHA-1 (FIPS 180-4) in Python, for builds whose hashlib has none (webassembly).

Tried for speed, bytes a second on the 32-bit webassembly build: as it is 147,000; with a schedule
of 80 words 157,000, at five times their heap; with a loop for each constant 155,000.
"""

from ..loader import load

BlockDigest = load("protocol.block_digest").BlockDigest  # goes with this


class SHA1(BlockDigest):  # type: ignore[valid-type,misc]
    """SHA-1: `update`, and `digest` once, 20 bytes."""

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
