"""`linkpost fleet`: the command line."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console as Terminal

from ..client.devices_csv import Triple, read_devices
from ..firmware.board_files import load_config, root_certificates
from ..terminal import failures
from ..terminal.failures import CommandError
from ..terminal.finite_range import FiniteRange
from .console import Console
from .vendor import refuse_vendor

_SPARE_FILES = 64
_FROM_TEMPLATE = ("format", "sign_method", "topic")
# `select` on Windows takes 512 sockets, some of which are not ours.
_WINDOWS_MAX = 400


@dataclass(frozen=True)
class _Target:
    """Where the boards report to."""

    endpoint: str
    roots: list[bytes]
    console: Console | None


@click.command()
@click.option(
    "--boards",
    type=click.IntRange(1, 20_000),
    default=10,
    show_default=True,
    help="Simulated devices.",
)
@click.option(
    "--interval",
    "interval_s",
    type=FiniteRange(0, 86_400),
    default=5.0,
    show_default=True,
    help="Seconds between a board's readings; 0: each as soon as the one before is accepted.",
)
@click.option(
    "--duration",
    "duration_s",
    type=FiniteRange(0, 10**7),
    default=30.0,
    show_default=True,
    help="Seconds; 0: until Ctrl-C.",
)
@click.option("--endpoint", metavar="HOST[:PORT]", help="A backend of your own; needs --csv.")
@click.option(
    "--ca", type=click.Path(path_type=Path), help="PEM file of CAs to trust beside the platform's."
)
@click.option(
    "--console",
    "console_url",
    metavar="URL",
    help="Report to the emulator with this console: it gives endpoint and CA, devices are created"
    " and deleted there, and what arrived is compared.  [default: an emulator of its own for"
    " this run]",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="A config.json as template: endpoint, format, topic, sign_method.",
)
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(path_type=Path),
    help="Devices, as the platform's console gives them out; as many as --boards.",
)
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
def fleet(
    boards: int,
    interval_s: float,
    duration_s: float,
    endpoint: str | None,
    ca: Path | None,
    console_url: str | None,
    config: Path | None,
    csv_file: Path | None,
    as_json: bool,
) -> int:
    """Simulate many devices that report at once, to test an emulator or your own backend.

    They use the firmware's own session and transport over verified TLS, many in one process;
    readings wait in RAM until they are accepted. The vendor's hosts are refused.

    \b
    Exit codes: 0 no problem, 3 only refused authentications, 4 no answer,
    5 readings lost or refused, 130 Ctrl-C.

    \b
    Example: linkpost fleet --boards 100 --interval 5 --duration 60
             linkpost fleet --boards 100 --console http://127.0.0.1:8080
    """
    template = load_config(config)[1] if config else {}
    endpoint = endpoint or template.get("endpoint")
    _raise_file_limit(boards)
    with (
        _target(endpoint, ca, console_url, own_allowed=csv_file is None) as target,
        _devices(boards, csv_file, target) as triples,
    ):
        # After the imports above, and not before them: `--help` needs no firmware.
        from . import report
        from .board import Counters
        from .run import Fleet

        counters = Counters()
        made = _make_boards(template, target, triples, interval_s, counters)
        fleet_run = Fleet(made, counters)
        with report.Progress(duration_s or None) as progress:
            interrupted = fleet_run.run(interval_s, duration_s or None, progress.show)
        numbers = fleet_run.numbers()
        compared = fleet_run.compare(target.console) if target.console else None
    if as_json:
        click.echo(json.dumps(report.as_json(numbers, compared)))
    else:
        Terminal(highlight=False, width=100).print(report.make_table(numbers, compared))
    if numbers.last_error:
        click.echo(f"the last error: {numbers.last_error}", err=True)
    if interrupted:
        return failures.INTERRUPTED
    if compared is not None and compared.lost:
        raise CommandError(
            f"{compared.lost} readings that were accepted are not there: "
            + ", ".join(compared.lost_of[:5]),
            failures.REFUSED,
        )
    if numbers.made and not numbers.accepted:
        raise CommandError("nothing was accepted", _code_of(numbers.refused))
    return failures.REFUSED if numbers.dropped else failures.DONE


def _code_of(refused: dict[str, int]) -> int:
    """Return the exit code where nothing was accepted; `refused` by code, or kind of error."""
    if refused.keys() == {"20000"}:
        return failures.AUTH_REFUSED
    return failures.REFUSED if all(map(str.isdigit, refused)) else failures.NETWORK


def _make_boards(
    template: dict[str, Any],
    target: _Target,
    triples: list[Triple],
    interval_s: float,
    counters: Any,
) -> list[Any]:
    from .board import Board
    from .driver import Publisher, make_context

    from linkpost.config import Config  # isort: skip
    from linkpost.ports.host import HostPort  # isort: skip

    port = HostPort()
    context = make_context(target.roots)
    made = []
    for number, triple in enumerate(triples):
        known = {key: template[key] for key in _FROM_TEMPLATE if key in template}
        config = Config({**vars(triple), **known, "endpoint": target.endpoint})
        publisher = Publisher(config, context, port)
        made.append(Board(number, triple.key, config, publisher, interval_s, counters))
    return made


@contextlib.contextmanager
def _target(
    endpoint: str | None, ca: Path | None, console_url: str | None, *, own_allowed: bool
) -> Iterator[_Target]:
    """Find out where to report to; an emulator that is started for it ends with the block."""
    if endpoint:
        refuse_vendor(_host(endpoint))
        console = _console(console_url) if console_url else None
        yield _Target(endpoint, list(root_certificates(ca).values()), console)
        return
    if console_url is None:
        if not own_allowed:
            raise CommandError("--csv needs --endpoint, or --console of an emulator")
        from ..emulator.process import RunningEmulator

        with (
            tempfile.TemporaryDirectory(prefix="linkpost-fleet-") as folder,
            RunningEmulator(Path(folder), [], options=("--quiet",)) as platform,
        ):
            yield _known(Console(platform.console), ca)
        return
    yield _known(_console(console_url), ca)


def _known(console: Console, ca: Path | None) -> _Target:
    about = console.about()
    refuse_vendor(_host(about["platform"]))
    with tempfile.TemporaryDirectory(prefix="linkpost-fleet-") as folder:
        path = Path(folder) / "ca.pem"
        path.write_text(about["ca"])
        trusted = {**root_certificates(path), **root_certificates(ca)}
    click.echo(f"reporting to {about['platform']}, console {console.url}", err=True)
    return _Target(about["platform"], list(trusted.values()), console)


def _console(url: str) -> Console:
    if not url.startswith(("http://", "https://")):
        raise CommandError(f"--console {url}: write it as http://HOST:PORT")
    return Console(url)


def _host(endpoint: str) -> str:
    plain = endpoint.partition("://")[2] or endpoint
    plain = plain.partition("/")[0].rpartition("@")[2]
    if plain.startswith("["):
        return plain[1:].partition("]")[0]
    return plain.partition(":")[0]


@contextlib.contextmanager
def _devices(boards: int, csv_file: Path | None, target: _Target) -> Iterator[list[Triple]]:
    """Yield the devices of the list, or new ones, which are deleted again at the end."""
    if csv_file is not None:
        triples = read_devices(csv_file)
        if len(triples) < boards:
            raise CommandError(f"{csv_file}: {len(triples)} devices, --boards says {boards}")
        yield triples[:boards]
        return
    if target.console is None:
        raise CommandError("--endpoint needs the devices: give --csv, or --console of an emulator")
    try:
        yield target.console.add_devices(boards)
    finally:
        with contextlib.suppress(CommandError):  # the emulator is gone, and they with it or not
            target.console.remove_devices()


def _raise_file_limit(boards: int) -> None:
    """Each board has a socket."""
    if os.name == "nt":
        if boards > _WINDOWS_MAX:
            raise CommandError(f"on Windows one process drives at most {_WINDOWS_MAX} boards")
        return
    import resource

    wanted = boards + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:
        raise CommandError(
            f"{boards} boards need {wanted} open files, this session allows {soft}; raise it with"
            f" `ulimit -n {wanted}`"
        ) from error
