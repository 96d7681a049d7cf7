"""How fast MD5, SHA-1 and HMAC are here: ours in Python, and hashlib's as the floor.

Runs on the unix port. Prints one JSON object: bytes per second, and hex of what was computed, for
CPython's own to compare.
"""

import binascii
import hashlib
import json
import time

from linkpost.protocol.signing import hmac
from linkpost.protocol.digests import MD5, SHA1

_MESSAGE = bytes(range(256)) * 64
_LEAST_US = 300_000


def speed(new):
    """Return (bytes per second, hex) of hashing the message again and again."""
    count = 0
    start = time.ticks_us()
    while True:
        digest = new()
        digest.update(_MESSAGE)
        value = digest.digest()
        count += 1
        us = time.ticks_diff(time.ticks_us(), start)
        if us > _LEAST_US:
            return len(_MESSAGE) * count * 1_000_000 // us, binascii.hexlify(value).decode()


def hmac_us(digest, key, message):
    """Return (us, hex) of one HMAC over what a device signs."""
    count = 200
    start = time.ticks_us()
    for _ in range(count):
        value = hmac(digest, key, message)
    us = time.ticks_diff(time.ticks_us(), start) // count
    return us, binascii.hexlify(value).decode()


def main():
    found = {
        "md5 pure": speed(MD5),
        "sha1 pure": speed(SHA1),
        "md5 native": speed(hashlib.md5),
        "sha1 native": speed(hashlib.sha1),
    }
    key = b"0123456789abcdef0123456789abcdef"
    message = b"clientIda1B2c3D4e5F.sensor01deviceNamesensor01productKeya1B2c3D4e5F"
    for digest in ("md5", "sha1"):
        found["hmac " + digest] = hmac_us(digest, key, message)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
