"""The blocking driver of the transport's steps. It holds no policy: an asyncio driver awaits where
`wait` polls, and is otherwise the same.
"""

from micropython import const

from ..loader import load
from .transport import READY

# At most this long between two looks at deadline and watchdog, ms. rp2's watchdog ends at 8388.
_SLICE_MS = const(200)


def wait(transport, want: int, deadline, feed) -> None:
    """Wait one slice for what a step wanted. It may return early: then the step just says so.

    Args: deadline, a `clock.Deadline` over the whole request; feed, called once.
    Raises: DeadlineError, with the connection closed.
    """
    transport.poll(want, min(time_left(transport, deadline, feed), _SLICE_MS))


def time_left(transport, deadline, feed) -> int:
    """Do what comes between two steps: feed the watchdog; return the ms left, never 0.

    Raises: DeadlineError, with the connection closed.
    """
    feed()
    left_ms = deadline.left_ms()
    if left_ms == 0:
        error = load("net.failures").deadline_error(transport.host, transport.phase, deadline.ms)
        transport.close()
        raise error
    return left_ms


def connect(transport, deadline) -> None:
    """Open the connection, blocking. Raises: as `connect_step`, and DeadlineError."""
    try:
        # Not begun when the time is over: the name alone may take 14 s, which nothing ends.
        time_left(transport, deadline, transport.feed)
        want = transport.connect_step()
        while want != READY:
            wait(transport, want, deadline, transport.feed)
            want = transport.connect_step()
    except BaseException:
        transport.close()  # an interrupt may come between two steps
        raise


def exchange(transport, head, length: int, body, body_bytes: int, reply, deadline) -> None:
    """Send one request and read its reply, blocking; the arguments are those of the steps.

    Raises: as `write_step` and `read_step`, and DeadlineError.
    """
    try:
        transport.begin(head, length, body, body_bytes)
        want = transport.write_step()
        while want != READY:
            wait(transport, want, deadline, transport.feed)
            want = transport.write_step()
        want = transport.read_step(reply)
        while want != READY:
            wait(transport, want, deadline, transport.feed)
            want = transport.read_step(reply)
    except BaseException:
        transport.close()
        raise
