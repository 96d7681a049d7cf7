"""What a person can do about a refusal, in one line. Borrowed (`borrow`): words cost heap."""

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
