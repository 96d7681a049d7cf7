"""A port's name that one virtual board has at a time. POSIX."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ..files import locked_file
from ..terminal.failures import CommandError


@contextlib.contextmanager
def own_link(link: Path) -> Iterator[None]:
    """Keep other boards off this name, also while the port is away at a reset or in sleep.

    What a killed board has left there is taken over. Raises: CommandError where another board has
    the name, or something is there that no board has made.
    """
    if os.path.lexists(link) and not (link.is_symlink() and os.readlink(link).startswith("/dev/")):
        raise CommandError(f"--link: {link} already exists: give another name")
    lock = link.with_name(f".{link.name}.lock")
    descriptor = _locked(lock)
    if descriptor is None:
        raise CommandError(
            f"{link} is in use by another virtual board: stop that one, or give another --link"
        )
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(path: Path) -> int | None:
    """Return the descriptor of a lock file that is ours now; None where another has it."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise CommandError(f"--link: cannot make {path}: {error.strerror}") from error
        try:
            locked_file.lock(descriptor)
            # The one before may have removed it between the two.
            if os.fstat(descriptor).st_ino == os.stat(path).st_ino:
                return descriptor
        except locked_file.InUse:
            os.close(descriptor)
            return None
        except FileNotFoundError:
            pass
        os.close(descriptor)
