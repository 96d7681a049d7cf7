"""Numbers, times and bytes as text for people. Pure."""

from __future__ import annotations

import contextlib
import json
import time

from ...terminal.counting import count as count

_LONGEST_SHOWN = 32 * 1024  # bytes of a payload; the export has the rest

# What to do about a refusal; the platform's own reason says what was wrong.
ADVICE = {
    10000: "Temporary: the board keeps its readings and retries.",
    10001: "The request breaks one of the platform's rules.",
    20000: "Check product_key, device_name and device_secret in its config.json.",
    20001: "The board authenticates again by itself.",
    20002: "The board authenticates again by itself.",
    20003: "The board authenticates again by itself.",
    20004: "Temporary: the board retries.",
    30001: "Check the topic: a device may publish to its own topics only.",
    40000: "Too many requests: the board waits and retries.",
}


def duration(ms: float) -> str:
    """Return a length of time in the unit that people would use."""
    seconds = max(0.0, ms / 1000)
    if seconds < 0.95:
        return f"{round(seconds, 1):g} s"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def interval(interval_ms: int) -> str:
    """Return how often something comes."""
    return "several times a second" if interval_ms < 200 else f"every {duration(interval_ms)}"


def ago(then_ms: int | None, now_ms: int) -> str:
    """Return how long ago that was."""
    if then_ms is None:
        return "never"
    passed_ms = now_ms - then_ms
    return "just now" if passed_ms < 1000 else f"{duration(passed_ms)} ago"


def local_time(time_ms: int) -> str:
    """Return the local date and time, to the millisecond."""
    second = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time_ms / 1000))
    return f"{second}.{time_ms % 1000:03d}"


def codes(refused: dict[int, int]) -> str:
    """Return refusals by code in one line."""
    return (
        ", ".join(
            f"{code}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}{times:,}"
            for code, times in sorted(refused.items())
        )
        or "none"
    )


def preview(payload: bytes, size: int, most: int = 160) -> str:
    """Return the beginning of a payload in one line, as text where it is text."""
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        # A list holds the first bytes only, which may end inside a character.
        cut = size > len(payload) and error.start >= len(payload) - 3
        text = payload[: error.start].decode() if cut else f"{size} bytes: {payload[:24].hex(' ')}"
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= most and size <= len(payload) else f"{text[:most]}…"


def payload_views(payload: bytes) -> dict[str, str]:
    """Return the payload as JSON, text and hex, each where it can be that; the first fits best."""
    shown = payload[:_LONGEST_SHOWN]
    left = len(payload) - len(shown)
    more = f"\n… and {left} bytes more" if left else ""
    views: dict[str, str] = {}
    if not left:
        with contextlib.suppress(ValueError, RecursionError):
            views["JSON"] = json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    with contextlib.suppress(UnicodeDecodeError):
        # The cut may be inside a character.
        views["text"] = shown.decode(errors="ignore" if left else "strict") + more
    views["hex"] = _hex_dump(shown) + more
    return views


def _hex_dump(data: bytes) -> str:
    lines = []
    for start in range(0, len(data), 16):
        row = data[start : start + 16]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{start:06x}  {row.hex(' '):<47}  {shown}")
    return "\n".join(lines)


def wire_text(data: bytes) -> str:
    """Return what was on the wire, with what is not printable made visible."""
    text = data.decode(errors="backslashreplace").replace("\r\n", "\n")
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
