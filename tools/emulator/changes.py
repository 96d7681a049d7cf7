"""Says when something changed, so that a page is updated then, and only then."""

from __future__ import annotations

import asyncio


class Changes:
    """A counter that can be waited for. All calls come from the event loop's thread."""

    def __init__(self) -> None:
        self.version = 0
        self._of_device: dict[str, int] = {}
        self._waiting: set[asyncio.Future[None]] = set()

    def touch(self, device: str | None = None) -> None:
        """Something of the device ("ProductKey/DeviceName") changed, or of no one device."""
        self.version += 1
        if device is not None:
            self._of_device[device] = self.version
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def of_device(self, device: str) -> int:
        """Return the version at which the device changed last; 0 before the first time."""
        return self._of_device.get(device, 0)

    async def wait(self, seen: int, pause_s: float = 0.3) -> int:
        """Return the version as soon as it is no longer `seen`.

        `pause_s` after a change comes first, so that a burst counts as one:

            seen = -1                                    # read once at the beginning
            while True:
                seen = await changes.wait(seen)
                ... read ...
        """
        while self.version == seen:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await waiter
            finally:
                self._waiting.discard(waiter)
            await asyncio.sleep(pause_s)
        return self.version
