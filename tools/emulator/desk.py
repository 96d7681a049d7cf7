"""What the console's page and its API work with: one running emulator, seen from inside."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools.emulator.connection import Service
from tools.emulator.store import Store


@dataclass
class Desk:
    """All that a person at the console may look at and touch. Used in the event loop's thread."""

    store: Store
    service: Service
    about: dict[str, str] = field(default_factory=dict)  # label and text, shown on the page
