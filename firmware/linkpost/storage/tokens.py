"""The token on flash: one file, one write per authentication.

An overwrite is atomic on littlefs: after a power cut the file is the old one or the new one
(docs/porting.md, "Flash and littlefs"). Whatever else it may be (missing, empty, cut short,
corrupt, of another device or format) is no token: the device authenticates at one request more.

Loaded for a moment.
"""

import hashlib

from micropython import const

from ..errors import StorageError
from ..loader import load

_KIND = const(0x54)  # "T"; a new layout gets a new kind, and the old one is then no token
_IDENTITY_BYTES = const(16)
_FILE_MAX = const(1024)


class TokenStore:
    """Keeps the token of one identity.

    Args: path of the file; identity, strings that all belong to the token: another product key,
    device name, secret or endpoint makes it void. Only a digest of them is stored.
    """

    def __init__(self, path: str, identity: tuple):
        self._path = path
        parts = "\0".join(identity + ("",))  # each with a zero behind it
        self._identity = hashlib.sha256(parts.encode()).digest()[:_IDENTITY_BYTES]

    def load(self):
        """Return the token (str), or None where there is none that belongs to the identity."""
        try:
            with open(self._path, "rb") as file:
                data = file.read(_FILE_MAX)
        except OSError:
            return None
        payload = load("storage.readings").parse_frame(_KIND, data)
        if payload is None or payload[:_IDENTITY_BYTES] != self._identity:
            return None
        # It becomes a header's value: a line end in it would begin a header of its own.
        token = payload[_IDENTITY_BYTES:]
        if not token or min(token) < 0x21 or max(token) > 0x7E:
            return None
        return str(token, "ascii")

    def save(self, token: str) -> None:
        """Write the token. Raises: StorageError where the flash refuses."""
        frame = load("storage.readings").encode_frame(_KIND, self._identity + token.encode())
        try:
            with open(self._path, "wb") as file:
                file.write(frame)
        except OSError as error:
            raise StorageError("flash failed (error %s)" % error.errno)
