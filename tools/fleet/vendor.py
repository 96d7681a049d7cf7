"""Hosts of the vendor: a load tool has no business there."""

from __future__ import annotations

import socket

from ..terminal.failures import CommandError

_DOMAINS = (
    "aliyuncs.com", "aliyun.com", "aliyun-inc.com", "alibabacloud.com", "alibabacloudcs.com",
    "alibaba.com", "alibaba-inc.com", "aliyuncs.cn", "aliyun.cn",
)  # fmt: skip


def refuse_vendor(host: str) -> None:
    """Raise CommandError where the host is the vendor's, by its name or by what it stands for.

    An address in figures tells nothing of whose it is, and passes.
    """
    if is_vendors(host) or any(map(is_vendors, _aliases(host))):
        raise CommandError(
            f"{host}: that is the vendor's platform; the fleet is for an emulator or a backend of"
            " your own"
        )


def _aliases(host: str) -> list[str]:
    """Return the names that the host's stands for: a domain of one's own may lead elsewhere."""
    try:
        found = socket.getaddrinfo(host, None, flags=socket.AI_CANONNAME)
    except (OSError, UnicodeError):
        return []  # connecting will say so
    return [entry[3] for entry in found if entry[3]]


def is_vendors(name: str) -> bool:
    """Tell whether the name is in one of the vendor's domains."""
    try:
        plain = name.encode("idna").decode()
    except UnicodeError:
        plain = name
    plain = plain.lower().rstrip(".")
    return any(plain == domain or plain.endswith("." + domain) for domain in _DOMAINS)
