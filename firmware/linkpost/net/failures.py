"""What sockets raise, and memory that does not suffice, turned into our errors.

With texts a person can act on. Loaded when something fails (`loader`): a board on which all goes
well does not pay for the texts. What TLS raises is in `tls_failures`.
"""

import errno

from micropython import const

from ..errors import DeadlineError, DNSError, NetworkError, TLSError

_EAI_MEMORY = -203  # lwIP's netdb.h, negated as esp32 raises it

_NETWORK = (
    (errno.ECONNREFUSED, "refused the connection: nothing listens on the endpoint's port"),
    (errno.ECONNRESET, "broke the connection"),
    (errno.ECONNABORTED, "broke the connection"),
    (errno.ETIMEDOUT, "does not answer"),
    (errno.EHOSTUNREACH, "cannot be reached: is the network up?"),
    (errno.ENOBUFS, "was not reached: no network buffers are free"),
)

_HANDSHAKE = const(2)  # as `connection` has it
# By Connection.phase.
_PHASES = (
    "was not reached",
    "did not accept the connection",
    "did not finish the TLS handshake",
    "did not take the whole request",
    "did not finish its reply",
)


def dns_error(error, host: str):
    """Return what `getaddrinfo` raised as a DNSError, or a TLSError where memory ran out."""
    # The chips raise OSError(-2) and the like, the unix port OSError("[addrinfo error -2]").
    number = error.args[0] if error.args and isinstance(error.args[0], int) else None
    if number in (_EAI_MEMORY, errno.ENOMEM):
        return no_memory(host, number, None)
    return DNSError(
        "The name %s was not found (%s). Check the endpoint, letter by letter, and that this "
        "network reaches the internet" % (host, error),
        number,
    )


def network_error(error, host: str):
    """Return an OSError of a socket as a NetworkError; None: the name has no address.

    A TLSError where memory ran out.
    """
    if error is None:
        return NetworkError("%s has no address" % host)
    number = error.errno
    if number == errno.ENOMEM:
        return no_memory(host, number, None)
    for known, text in _NETWORK:
        if number == known:
            return NetworkError("%s %s (errno %s)" % (host, text, number), number)
    return NetworkError("The connection to %s failed: %s" % (host, error), number)


def closed(host: str) -> NetworkError:
    """Return the error of a peer that closed where its reply should have begun."""
    return NetworkError("%s closed the connection before it answered" % host, errno.ECONNRESET)


def no_memory(host: str, number, memory) -> TLSError:
    """Return the error of too little memory for TLS, whoever noticed.

    Args: number, what was raised, or None; memory, (free bytes, largest block or None) as they
    were before the handshake, or None where nobody can tell.
    """
    message = "Out of memory for TLS to %s" % host
    if memory is not None:
        message += ": %d bytes free" % memory[0]
        if memory[1] is not None:
            message += ", %d of them in one piece" % memory[1]
    message += ". It takes 33000, 17000 of them in one piece"
    if number is not None:
        message += " (error %s)" % number
    return TLSError(message, "memory", number)


def deadline_error(host: str, phase: int, ms: int, memory):
    """Return the error of a deadline of `ms` that passed in that phase of the connection.

    Args: memory, as `no_memory` has it, where it was short before the handshake: that may hang.
    """
    if memory is not None and phase == _HANDSHAKE:
        return no_memory(host, errno.ETIMEDOUT, memory)
    return DeadlineError("%s %s within %d ms" % (host, _PHASES[phase], ms), errno.ETIMEDOUT)
