"""The TLS context: the one place that says whom to trust. There is no way to verify less.

Loaded for the first connection of a boot, and where another root is to be tried (`loader`).
"""

import tls

from ..loader import load


def make_context(der: bytes):
    """Return an `SSLContext` that accepts only a peer vouched for by that root.

    Args: one certificate, DER; it may be dropped afterwards, mbedTLS has its own copy.
    Raises: ValueError, OSError where it is no certificate or memory ran out: mbedTLS says the
    same of both. Memory: 3 to 5 KB, on rp2 of the heap.
    """
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED  # type: ignore[attr-defined]
    context.load_verify_locations(der)
    return context


def load_root(connection, error) -> None:
    """Give the connection a context with its root `connection.root`, or the next that can be used.

    Raises: `error`, where it is not None and there is no other; TLSError for the last that cannot
    be used, out of memory at once. The next time then begins with the first again.
    """
    connection.context = None
    connection.context_bytes = 0
    before = connection.port.tls_memory()
    while True:
        anchor = connection.anchors().read(connection.root)
        if anchor is None:
            connection.root = 0
            raise error or load("net.tls_failures").no_anchor()
        try:
            connection.context = make_context(anchor[1])
        except (OSError, ValueError) as raised:
            error = load("net.tls_failures").bad_anchor(anchor, raised, connection.host, before)
            if error.reason == "memory":
                raise error
            connection.root += 1
            continue
        connection.root_name = anchor[0]
        connection.context_bytes = max(0, before[0] - connection.port.tls_memory()[0])
        return
