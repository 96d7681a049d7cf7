"""The TLS context: the one place that says whom to trust. There is no way to verify less.

Loaded for the first connection of a boot, and where another root is to be tried (`loader`).
"""

import tls

from ..errors import TLSError
from ..loader import load


def make_context(der: bytes):
    """Return an `SSLContext` that accepts only a peer vouched for by that root.

    Args: one certificate, DER; it may be dropped afterwards, mbedTLS has its own copy.
    Raises: ValueError where it is no certificate or memory ran out: mbedTLS says the same of
    both. OSError where memory ran out. Memory: 3 to 5 KB, on rp2 of the heap.
    """
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED  # type: ignore[attr-defined]
    context.load_verify_locations(der)
    return context


def load_root(connection, error) -> None:
    """Give the connection a context with its root `connection.root`, or the next that can be used.

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
            connection.context = make_context(der)
            return
        except ValueError:
            load("net.connecting").look_at_memory(connection)
            # Where memory is short, a file that is a whole certificate by its length is not why.
            if connection.tight and len(der) > 4 and len(der) == 4 + (der[2] << 8 | der[3]):
                raise MemoryError
        except OSError:
            raise MemoryError
        error = None
        refused = connection.root_name
        connection.root += 1
