"""What the console's page and its API do with a running emulator: look, change, break."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

from ..client.devices_csv import Triple, check_product, check_triple
from . import deletion
from .changes import Changes
from .connection import Service
from .faults import Fault, FaultRequest
from .queries import Queries
from .store import Product, Store


class UnknownDeviceError(Exception):
    """No device of that key is registered."""

    def __init__(self, key: str):
        super().__init__(f"no device {key}; write PRODUCT_KEY/DEVICE_NAME")


class UnknownProductError(Exception):
    """No product of that key is registered."""

    def __init__(self, product_key: str):
        super().__init__(f"no product {product_key}")


@dataclass
class Admin:
    """All that the console can show and do. Used in the event loop's thread.

    `queries` reads, `changes` says when there is something new, the methods change something and
    tell `changes`.
    """

    store: Store
    service: Service
    queries: Queries
    changes: Changes
    about: dict[str, str] = field(default_factory=dict)  # label and text, shown on the page

    def add_device(self, product_key: str, device_name: str, device_secret: str = "") -> Triple:
        """Register a device, with a new secret where none is given; return its triple.

        The one place that gives a secret out, and only a new one. Raises ValueError, with a text
        for people, where a part breaks the platform's rules or the device already exists.
        """
        secret = device_secret or secrets.token_hex(16)
        triple = Triple(product_key, device_name, secret)
        problem = check_triple(triple)
        if problem:
            raise ValueError(problem)
        with self.store.transaction():
            if self.store.find_device(product_key, device_name):
                raise ValueError(f"{triple.key} already exists")
            self.store.add_device(triple)
        self.changes.touch(triple.key)
        return triple

    def add_product(self, product_key: str, product_secret: str = "") -> str:
        """Register a product whose secret gives its devices theirs; return that secret.

        A new one is made where none is given. Raises ValueError, with a text for people, where a
        part breaks the rules or the product already exists.
        """
        secret = product_secret or secrets.token_hex(16)
        problem = check_product(product_key, secret)
        if problem:
            raise ValueError(problem)
        with self.store.transaction():
            if self.store.find_product(product_key):
                raise ValueError(f"the product {product_key} already exists")
            self.store.add_product(product_key, secret)
        self.changes.touch()
        return secret

    def set_registration(self, product_key: str, on: bool) -> None:
        """Turn the product's dynamic registration on or off.

        Raises UnknownProductError.
        """
        product = self._find_product(product_key)
        with self.store.transaction():
            self.store.set_registration(product, on)
        self.changes.touch()

    def add_names(self, product_key: str, names: list[str]) -> int:
        """Create devices of the product, without telling their secrets; return how many are new.

        All of them or none. Raises ValueError for a bad name; UnknownProductError.
        """
        self._find_product(product_key)
        triples = [Triple(product_key, name, secrets.token_hex(16)) for name in names]
        for triple in triples:
            problem = check_triple(triple)
            if problem:
                raise ValueError(problem)
        new = 0
        with self.store.transaction():
            for triple in triples:
                if self.store.find_device(product_key, triple.device_name) is None:
                    self.store.add_device(triple)
                    new += 1
        self.changes.touch()
        return new

    def reset_device(self, key: str) -> None:
        """Make the device not activated, so that it can register for a new secret."""
        device = self._find(key)
        with self.store.transaction():
            self.store.reset_device(device)
        self.changes.touch(key)

    def set_enabled(self, key: str, enabled: bool) -> None:
        """Enable or disable the device; disabled is 20000 on /auth and 20003 for its tokens.

        Raises UnknownDeviceError, as does each method that names a device.
        """
        device = self._find(key)
        with self.store.transaction():
            self.store.set_enabled(device, enabled)
        self.changes.touch(key)

    async def remove_device(self, key: str) -> None:
        """Delete the device, and all that was kept of it: messages, values, tokens."""
        device = self._find(key)
        await deletion.remove_device(self.store, device)
        for fault in self.faults():
            if fault.device == key:
                self.remove_fault(fault.id)
        self.changes.touch(key)

    def expire_tokens(self, key: str) -> int:
        """Expire every token of the device: its next message gets 20001. Return how many."""
        device = self._find(key)
        with self.store.transaction():
            expired = self.store.expire_tokens(device, time.time_ns() // 1_000_000)
        self.changes.touch(key)
        return expired

    def faults(self) -> list[Fault]:
        """Return the faults that are set, in the order in which they are tried."""
        return self.service.faults.active()

    def add_fault(self, request: FaultRequest) -> Fault:
        """Set a fault; of several that match a request, the one set first happens."""
        if request.device is not None:
            self._find(request.device)
        fault = self.service.faults.add(request)
        self.changes.touch()
        return fault

    def remove_fault(self, fault_id: int) -> bool:
        """Remove one fault; False where there is none of that id: it may be over."""
        removed = self.service.faults.remove(fault_id)
        self.changes.touch()
        return removed

    def clear_faults(self) -> None:
        """Remove every fault."""
        self.service.faults.clear()
        self.changes.touch()

    def _find_product(self, product_key: str) -> Product:
        product = self.store.find_product(product_key)
        if product is None:
            raise UnknownProductError(product_key)
        return product

    def _find(self, key: str):
        product_key, _, device_name = key.partition("/")
        device = self.store.find_device(product_key, device_name)
        if device is None:
            raise UnknownDeviceError(key)
        return device
