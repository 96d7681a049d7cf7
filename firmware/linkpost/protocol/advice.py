"""Words about a refusal: the platform's, and what a person can do, in one line.

Loaded when needed (`loader`): words cost heap.
"""

import json

# Of a secret as the platform issues it (32 characters) the end tells two of them apart and gives
# nothing away; of a short one it would.
_SECRET_LONG = 16
_SECRET_SHOWN = 4


def refused(device_secret: str) -> str:
    """Return what to check, in this order, when authentication is refused."""
    ending = ""
    if len(device_secret) >= _SECRET_LONG:
        ending = " (ends in ..%s)" % device_secret[-_SECRET_SHOWN:]
    return (
        "Authentication refused. Check in this order: endpoint belongs to this device's "
        "instance; product_key; device_name; device_secret%s; device enabled" % ending
    )


def throttled(message: str) -> str:
    """Return the platform's words, and how to ask less of it."""
    return (
        message + ": too often for this device or instance; raise interval_s or send_s, or set "
        "outbox.batch_bytes"
    )


def words(quoted) -> str:
    """Return a JSON string of a reply, bytes with its quotes, as text for people.

    The code decides what happens; words that are no text (another encoding, half of a surrogate
    pair, which no UTF-8 can hold) must not turn a refusal into something else.
    """
    try:
        text = json.loads(str(quoted, "utf-8"))
    except ValueError:  # UnicodeError is one
        return "its words are no text"
    return "".join(["?" if 0xD800 <= ord(c) < 0xE000 else c for c in text])
