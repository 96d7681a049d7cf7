"""What went over the wire, with the secrets masked: token, signature, device secret."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Iterable

KEEP_BYTES = 4096  # of a request's head and body, and of a reply
_SECRET_HEADERS = re.compile(
    rb"^((?:password|authorization|proxy-authorization|cookie)[ \t]*:[ \t]*)([^\r\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
_SIGN = re.compile(rb'("(?:sign|deviceSecret|password|token)"\s*:\s*")((?:[^"\\]|\\.)*)')
_FORM_SIGN = re.compile(rb"((?:^|&)(?:sign|productSecret|deviceSecret)=)([^&]*)")
# Whatever it is, a long run of hex digits in a request is a token, a signature or a secret.
_HEX = re.compile(rb"[0-9A-Fa-f]{24,}")
_SHORTEST = 4  # a shorter secret is found in every word, and is none


def mask_head(head: bytes, secrets: Iterable[str]) -> bytes:
    """Return a request's head with the token, and every other secret, masked."""
    masked = _SECRET_HEADERS.sub(lambda found: found[1] + _stars(found[2]), head)
    return _HEX.sub(lambda found: _stars(found[0]), _mask_all(masked, secrets))


def mask_body(body: bytes, secrets: Iterable[str]) -> bytes:
    """Return the body of /auth with the signature, and every other secret, masked."""
    if b"\\" in body:
        # A name or value may be spelled with escapes: show what it means instead.
        try:
            body = json.dumps(json.loads(body), ensure_ascii=False).encode(errors="replace")
        except (ValueError, RecursionError):
            return _stars(body)
    masked = _SIGN.sub(lambda found: found[1] + _stars(found[2]), body)
    return _HEX.sub(lambda found: _stars(found[0]), _mask_all(masked, secrets))


def mask_form(body: bytes, secrets: Iterable[str]) -> bytes:
    """Return the body of /auth/register/device with the signature and every secret masked."""
    if b"%" in body:
        # A name or value may be spelled with escapes: show what it means instead.
        body = urllib.parse.unquote_to_bytes(body)
    masked = _FORM_SIGN.sub(lambda found: found[1] + _stars(found[2]), body)
    return _HEX.sub(lambda found: _stars(found[0]), _mask_all(masked, secrets))


def mask_text(text: str, secrets: Iterable[str]) -> str:
    """Return a text for people, a reason or a path, without the secrets."""
    masked = _mask_all(text.encode(errors="replace"), secrets)
    return _HEX.sub(lambda found: _stars(found[0]), masked).decode(errors="replace")


def mask_reply(reply: bytes, given_out: str | None) -> bytes:
    """Return a reply with the secret that it gives out, if any, masked."""
    return _mask_all(reply, [given_out] if given_out else [])


def _mask_all(data: bytes, secrets: Iterable[str]) -> bytes:
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            data = data.replace(secret.encode(errors="replace"), b"*" * len(secret))
    return data


def _stars(value: bytes) -> bytes:
    return b"*" * len(value)
