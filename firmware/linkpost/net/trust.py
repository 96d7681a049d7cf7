"""The TLS context: the one place that says whom to trust. There is no way to verify less.

Loaded for the first connection of a boot, and where another root is to be tried (`loader`).
"""

import tls

from ..errors import TLSError
from ..loader import load


def load_root(connection, error) -> None:
    """Give the connection a context with its root `connection.root`, or the next that can be used.

    It accepts only a peer vouched for by that one root. Memory: 3 to 5 KB, on rp2 of the heap.

    Raises: `error`, where it is not None and there is no other; TLSError where one could not be
    used, or there is none; MemoryError. The next time then begins with the first again.
    """
    connection.context = None
    refused = "none is there"
    while True:
        anchor = connection.anchors().read(connection.root)
        if anchor is None:
            connection.root = 0
            raise error or TLSError(
                "No root certificate in /certs to use (%s). Run: linkpost deploy" % refused,
                "no anchor",
            )
        connection.root_name, der = anchor
        try:
            context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
            context.verify_mode = tls.CERT_REQUIRED  # type: ignore[attr-defined]
            context.load_verify_locations(der)
            connection.context = context
            return
        except ValueError:
            # mbedTLS says this of what is no certificate, and where memory ran out. Where that is
            # short, a file that is a whole certificate by its length is not why.
            load("net.connecting").look_at_memory(connection)
            if connection.tight and len(der) == 4 + int.from_bytes(der[2:4], "big"):
                raise MemoryError
        except OSError:
            raise MemoryError
        error = None
        refused = connection.root_name
        connection.root += 1
