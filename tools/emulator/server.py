"""The emulator put together: two ports, one event loop, a ready file, a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from ..client.devices_csv import Triple
from ..files import whole_file
from ..terminal.failures import DONE, INTERRUPTED, NETWORK, CommandError
from . import addresses, certs, page, wire
from .access import LOCAL_NAMES, AccessControl
from .admin import Admin
from .api import make_api
from .changes import Changes
from .connection import Service
from .faults import FaultList
from .listener import Connections
from .platform import Platform, Policy
from .queries import Queries
from .retention import Keep, Retention
from .store import Store

_log = logging.getLogger("linkpost.emulator")


@dataclass
class Options:
    """What the command line says."""

    host: str
    port: int
    console_host: str
    console_port: int
    db: Path
    cert_dir: Path
    devices: list[Triple] = field(default_factory=list)
    products: tuple[tuple[str, str], ...] = ()  # key, secret
    names_made: list[tuple[str, str]] = field(default_factory=list)  # product key, device name
    names: tuple[str, ...] = ()
    policy: Policy = field(default_factory=Policy)
    bounds: wire.Bounds = field(default_factory=wire.Bounds)
    most_connections: int = Service.most_connections
    legacy_ciphers: bool = False
    keep_alive: bool = False
    ready_file: Path | None = None
    keep: Keep = field(default_factory=Keep)
    console_password: str | None = None  # None: none is chosen


def run(options: Options, announce: Callable[[dict[str, str]], None]) -> int:
    """Run until Ctrl-C or SIGTERM; return the exit code.

    Args: announce is called once both ports listen, with what the ready file holds.
    Raises CommandError where it cannot start.
    """
    if options.ready_file:
        _remove_stale(options.ready_file)
    names = options.names
    if options.host not in ("0.0.0.0", "::"):  # noqa: S104
        names = (*names, options.host)
    ca_path, server_path = certs.ensure_certificates(options.cert_dir, names)
    store = Store(options.db)
    try:
        changes = Changes()
        platform = Platform(store, options.policy, changed=changes.touch)
        platform.start(options.devices, options.products, options.names_made)
        service = Service(
            context=certs.make_context(server_path, legacy_ciphers=options.legacy_ciphers),
            platform=platform,
            faults=FaultList(),
            keep_alive=options.keep_alive,
            bounds=options.bounds,
            most_connections=options.most_connections,
            legacy_ciphers=options.legacy_ciphers,
        )
        queries = Queries(options.db)
        try:
            admin = Admin(store, service, queries, changes)
            return asyncio.run(_run(options, admin, ca_path, announce))
        finally:
            queries.close()
    finally:
        store.close()
        if options.ready_file:
            options.ready_file.unlink(missing_ok=True)


async def _run(
    options: Options,
    admin: Admin,
    ca_path: Path,
    announce: Callable[[dict[str, str]], None],
) -> int:
    end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    platform_sockets = addresses.listen(options.host, options.port, "--port")
    console_host = options.console_host
    console_sockets = addresses.listen(console_host, options.console_port, "--console-port")
    port = platform_sockets[0].getsockname()[1]
    console_port = console_sockets[0].getsockname()[1]
    ready = {
        "platform": addresses.reachable(options.host, "localhost", port),
        "console": f"http://{addresses.reachable(console_host, '127.0.0.1', console_port)}",
        "ca": str(ca_path.absolute()),
        "db": str(options.db.absolute()),
    }
    password = options.console_password
    if password is None and not addresses.is_loopback(console_host):
        password = secrets.token_urlsafe(12)
    if password is not None:
        ready["console_password"] = password
    connections = Connections(admin.service)
    servers = [
        await asyncio.start_server(connections.accept, sock=listener)
        for listener in platform_sockets
    ]
    admin.about = {
        "platform": f"https://{ready['platform']}",
        "CA": ready["ca"],
        "database": ready["db"],
    }
    app = make_api(admin)
    page.attach(app, admin)
    names = (*LOCAL_NAMES, console_host.lower(), *options.names)
    console = _Console(AccessControl(app, password, names))
    retention = Retention(admin.store, admin.queries, options.keep, admin.changes.touch)
    retention_task = asyncio.create_task(retention.run())
    console_task = asyncio.create_task(console.serve(console_sockets))
    with _signals(end):
        console_task.add_done_callback(lambda task: _settle(end, NETWORK))
        await console.has_started.wait()
        if options.ready_file:
            write_ready_file(options.ready_file, ready)
        announce(ready)
        if not admin.store.has_devices():
            _log.warning("no device is registered; add one with --device PK,DN,SECRET")
        code = await end
    retention_task.cancel()
    for server in servers:
        server.close()
    await connections.end()
    console.should_exit = True
    await console_task
    return code


class _Console(uvicorn.Server):
    """uvicorn in our loop: it says when it has started, and leaves the signals to us."""

    def __init__(self, app):
        super().__init__(
            uvicorn.Config(
                app, log_level="warning", access_log=False, lifespan="on", log_config=None,
                timeout_graceful_shutdown=1,
            )
        )  # fmt: skip
        self.has_started = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.has_started.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.contextmanager
def _signals(end: asyncio.Future[int]) -> Iterator[None]:
    """End with 0 on SIGTERM and 130 on Ctrl-C. A second signal finds the system's own answer."""
    loop = asyncio.get_running_loop()
    before = {}

    def stop(number: int, frame: object = None) -> None:
        code = INTERRUPTED if number == signal.SIGINT else DONE
        signal.signal(number, signal.SIG_DFL)
        loop.call_soon_threadsafe(_settle, end, code)

    # Not loop.add_signal_handler: Windows has none.
    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _settle(end: asyncio.Future[int], code: int) -> None:
    if not end.done():
        end.set_result(code)


def _remove_stale(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise CommandError(f"--ready-file {path}: {error.strerror}") from error
    if not path.parent.is_dir():
        raise CommandError(f"--ready-file {path}: there is no such directory")


def write_ready_file(path: Path, ready: dict[str, str]) -> None:
    """Write the ready file whole: a reader sees all of it or none.

    It may hold the console's password, so it is for its owner only.
    """
    whole_file.replace(path, json.dumps(ready).encode() + b"\n")
