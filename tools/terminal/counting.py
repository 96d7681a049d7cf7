"""Counts as every command and the console's page word them."""

from __future__ import annotations


def count(number: int, thing: str) -> str:
    """Return "1 reading", "2 readings"."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
