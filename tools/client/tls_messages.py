"""The firmware's messages on a peer that cannot be verified, where this computer is the client.

They name a board's clock and roots. Here both are this computer's.
"""

from __future__ import annotations

from pathlib import Path


def explain(message: str, reason: str | None, ca: Path | None) -> str:
    """Return what to say of a failed request.

    Args: message and reason of the firmware's error, None where it has none; ca: what was given.
    """
    if reason in ("expired", "not yet valid"):
        text = message.replace("The board's clock", "This computer's clock")
        return f"{text}. Is that clock wrong? Set it"
    if reason == "untrusted" and ca is None:
        return f"{message} (an emulator's CA, or a proxy's, is given with --ca)"
    return message
