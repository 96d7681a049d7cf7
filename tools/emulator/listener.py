"""The open connections of the device port: bounded in number, ended at the end."""

from __future__ import annotations

import asyncio
import logging

from .connection import Service, serve
from .tls_stream import TLSStream

_log = logging.getLogger("linkpost.emulator")
_END_S = 3.0  # what open connections get at the end
_SPARE_FILES = 100  # for the database, the console, the listeners


class Connections:
    """Serves each connection in a task of its own.

    Rule: a peer that lets us wait costs nobody else a connection. Where there is no room, the one
    that owes us a handshake or a whole request for the longest is closed for the new one; one
    whose request is being answered never is.
    """

    def __init__(self, service: Service):
        self._service = service
        self._open: dict[asyncio.Task[None], TLSStream] = {}
        self._most = _raise_file_limit(service.most_connections)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = TLSStream(reader, writer, self._service.context)
        self._service.platform.totals.connections += 1
        if len(self._open) >= self._most and not self._close_longest_waiting():
            _log.warning("%d connections are busy; one more was closed", len(self._open))
            await stream.drop(reset=True)
            return
        task = asyncio.current_task()
        if task is not None:
            self._open[task] = stream
            task.add_done_callback(lambda task: self._open.pop(task, None))
        try:
            await serve(stream, self._service)
        except asyncio.CancelledError:  # the emulator ends, or another peer has more to say
            await stream.drop()

    def _close_longest_waiting(self) -> bool:
        """Close the connection we have waited for the longest; False where there is none."""
        waiting = [
            (stream.waits_since, task)
            for task, stream in self._open.items()
            if stream.waits_since is not None
        ]
        if not waiting:
            return False
        _, task = min(waiting, key=lambda pair: pair[0])
        self._open.pop(task)
        task.cancel()
        self._service.platform.totals.evicted += 1
        return True

    async def end(self) -> None:
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_END_S)


def _raise_file_limit(wanted: int) -> int:
    """Return how many connections the system lets us have, at most `wanted`."""
    try:
        import resource
    except ImportError:  # Windows counts none
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    need = wanted + _SPARE_FILES
    if soft < need:
        soft = need if hard == resource.RLIM_INFINITY else min(need, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        except (OSError, ValueError):  # macOS refuses more than its own limit
            soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(1, min(wanted, soft - _SPARE_FILES))
