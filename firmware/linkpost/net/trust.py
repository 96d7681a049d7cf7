"""The TLS context: the one place that says whom to trust. There is no way to verify less."""

import tls

from ..loader import load


def make_context(anchors):
    """Return an `SSLContext` that accepts only a peer vouched for by one of `anchors`.

    Args: an iterable of DER certificates (bytes), or a callable that gives one; they may be
    dropped afterwards, mbedTLS has its own copy.
    Raises: TLSError where there is none, or one of them is no certificate.
    Memory: 2 KB and 1.2 KB for each anchor, on rp2 of the heap.
    """
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED  # type: ignore[attr-defined]
    count = 0
    for der in anchors() if callable(anchors) else anchors:
        count += 1
        try:
            # One call for each: of several in one piece only the first would count.
            context.load_verify_locations(der)
        except (OSError, ValueError):
            # mbedTLS says the same when memory ran out. Going on without would then leave out
            # an anchor until the next boot, so this context is thrown away.
            raise load("net.failures").bad_anchor(count)
    if count == 0:
        raise load("net.failures").no_anchor()
    return context
