"""Names and descriptions of the faults. `tools.emulator.faults` says what each does in detail."""

from __future__ import annotations

# kind: its label, and what the board sees.
KINDS: dict[str, tuple[str, str]] = {
    "code": ("Refuse with a code", "The platform answers with that code and accepts nothing."),
    "delay": ("Slow reply", "Accepted; the reply comes that much later."),
    "close_before": ("Close without a reply", "Nothing is accepted; the connection closes."),
    "close_after": (
        "Accept, then close",
        "Accepted, but without a reply: the board sends it again.",
    ),
    "close_middle": ("Cut the reply", "Accepted; the reply ends after that many bytes."),
    "drip": ("Reply byte by byte", "The reply comes one byte at a time, each in a TLS record."),
    "drip_record": ("TLS record byte by byte", "The reply's TLS record leaves a byte at a time."),
    "drip_handshake": ("Handshake byte by byte", "The TLS handshake, for everyone who connects."),
    "stall": ("No reply at all", "Nothing is accepted; the board has to time out."),
    "garbage": ("Garbage", "Random bytes come where a reply is expected."),
    "chunked": ("Chunked reply", "Accepted; the reply comes with chunked encoding."),
    "no_content_length": ("No Content-Length", "Accepted; the reply ends with the connection."),
    "oversize_head": ("Huge head", "Accepted; the reply's head is filled up to that many bytes."),
    "oversize_body": ("Huge body", "Accepted; the reply's body is filled up to that many bytes."),
    "redirect": ("Redirect", "A board must not follow it: that would give its token away."),
    "status": ("HTTP status", "That HTTP status with an empty body; nothing is accepted."),
}
ENDPOINTS = {
    "": "all endpoints",
    "topic": "reports (/topic)",
    "auth": "authentication (/auth)",
    "register": "registration (/auth/register/device)",
}
OFTEN = {"once": "once", "times": "several times", "always": "until removed"}
PARAMETER_LABELS = {
    "code": "code",
    "ms": "ms",
    "interval_ms": "ms per byte",
    "bytes": "bytes",
    "status": "status",
    "location": "to",
    "reset": "reset",
}
QUICK: dict[str, dict[str, object]] = {
    "Token expired (20001)": {"kind": "code", "code": 20001},
    "Throttled (40000)": {"kind": "code", "code": 40000},
    "Publish refused (30001)": {"kind": "code", "code": 30001},
    "No reply": {"kind": "stall"},
    "Accept, then close": {"kind": "close_after"},
    "HTTP 500": {"kind": "status", "status": 500},
}
