"""Long runs of our own that a person ends with Ctrl-C: no traceback, exit code 130."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor


@contextlib.contextmanager
def workers(count: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool; where the block ends early, what has not begun never does."""
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def end_quietly(main: Callable[[], int]) -> None:
    """Run `main`, and exit with its code; 130 after Ctrl-C, which its children have had too."""
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
