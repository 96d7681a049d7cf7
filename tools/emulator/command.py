"""`linkpost emulator`: the command line."""

from __future__ import annotations

import logging
import os
import shlex
import string
import sys
from pathlib import Path

import click

from ..client.devices_csv import Triple, check_product, check_triple, read_devices, read_names
from ..terminal.failures import DONE, CommandError
from ..terminal.finite_range import FiniteRange
from . import default_paths, rules, wire
from .export_command import export
from .platform import TOKEN_TTL_S, Policy
from .retention import KEEP_MESSAGES, Keep

_PASSWORD_MIN = 8
_PORT = click.IntRange(0, 65535)


@click.group(
    invoke_without_command=True,
    epilog="Default paths: the user's data directory, which is $XDG_DATA_HOME/linkpost or"
    " ~/.local/share/linkpost on Linux, ~/Library/Application Support/linkpost on macOS,"
    " %LOCALAPPDATA%\\linkpost on Windows.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address for devices.")
@click.option("--port", type=_PORT, default=8443, show_default=True, help="0: a free one.")
@click.option(
    "--console-host",
    default="127.0.0.1",
    show_default=True,
    help="Address of the console. Away from loopback it asks for a password.",
)
@click.option("--console-port", type=_PORT, default=8080, show_default=True, help="0: a free one.")
@click.option(
    "--device",
    "device_texts",
    metavar="PK,DN,SECRET",
    multiple=True,
    help="A throw-away test device; repeatable. Real secrets belong in --devices.",
)
@click.option(
    "--devices",
    "devices_file",
    type=click.Path(path_type=Path),
    help="The console's device list: CSV with DeviceName, DeviceSecret, ProductKey.",
)
@click.option(
    "--product",
    "product_texts",
    metavar="PK,SECRET",
    multiple=True,
    help="A throw-away product for dynamic registration (linkpost register); repeatable.",
)
@click.option(
    "--names",
    "names_file",
    type=click.Path(path_type=Path),
    help="CSV with DeviceName: devices of the one --product, for registration.",
)
@click.option(
    "--db",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Devices, tokens, messages. Default: emulator/emulator.db in the data directory.",
)
@click.option(
    "--cert-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="CA and server certificate. Default: emulator/certs in the data directory.",
)
@click.option(
    "--san",
    "names",
    metavar="NAME",
    multiple=True,
    help="Name or IP address by which boards reach this machine; repeatable. Always included:"
    " localhost, 127.0.0.1, ::1.",
)
@click.option(
    "--token-ttl",
    type=click.IntRange(1, 10**9),
    default=TOKEN_TTL_S,
    show_default=True,
    help="Seconds that a token is valid.",
)
@click.option("--void-old-tokens", is_flag=True, help="A new token voids the device's others.")
@click.option(
    "--topic",
    "topics",
    metavar="PATTERN",
    multiple=True,
    help="Topics that a device may publish to; + is one level, # the rest; repeatable."
    "  [default: the device's own, and the system's of docs/protocol.md]",
)
@click.option(
    "--rate-limit",
    type=FiniteRange(0, min_open=True),
    help="Requests per second of a device; 40000 above it.  [default: none]",
)
@click.option("--keep-alive", is_flag=True, help="Keep connections open (the service does not).")
@click.option(
    "--legacy-ciphers",
    is_flag=True,
    help="Also accept TLS 1.2 with static RSA and AES-CBC, which the vendor's C SDKs need.",
)
@click.option(
    "--request-timeout",
    type=FiniteRange(0.1, 3600),
    default=wire.Bounds.request_s,
    show_default=True,
    help="Seconds for a handshake, and for a request from first byte to last.",
)
@click.option(
    "--idle-timeout",
    type=FiniteRange(0.1, 3600),
    default=wire.Bounds.idle_s,
    show_default=True,
    help="Seconds that a connection may wait for a request.",
)
@click.option(
    "--max-connections",
    type=click.IntRange(1, 100_000),
    default=1000,
    show_default=True,
    help="Connections of devices at a time; beyond it the longest idle one is closed.",
)
@click.option(
    "--keep-messages",
    type=click.IntRange(0),
    default=KEEP_MESSAGES,
    show_default=True,
    help="How many messages are kept, the newest; 0: all.",
)
@click.option(
    "--keep-days",
    type=FiniteRange(0, 36500, min_open=True),
    help="For how many days messages are kept.  [default: for good]",
)
@click.option(
    "--console-password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Its first line is the console's password; or set $LINKPOST_CONSOLE_PASSWORD. By default"
    " one is generated and printed where needed.",
)
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Written once both ports listen: JSON with platform, console, ca, db, and"
    " console_password if there is one; readable by its owner only.",
)
@click.option("--quiet", is_flag=True, help="No line per request on standard error.")
@click.pass_context
def emulator(
    context: click.Context,
    host: str,
    port: int,
    console_host: str,
    console_port: int,
    device_texts: tuple[str, ...],
    devices_file: Path | None,
    product_texts: tuple[str, ...],
    names_file: Path | None,
    db: Path | None,
    cert_dir: Path | None,
    names: tuple[str, ...],
    token_ttl: int,
    void_old_tokens: bool,
    topics: tuple[str, ...],
    rate_limit: float | None,
    keep_alive: bool,
    legacy_ciphers: bool,
    request_timeout: float,
    idle_timeout: float,
    max_connections: int,
    keep_messages: int,
    keep_days: float | None,
    console_password_file: Path | None,
    ready_file: Path | None,
    quiet: bool,
) -> int:
    """The platform on this machine, over TLS, with a console.

    Devices, tokens and messages survive a restart, and so does the CA.

    \b
    Example: linkpost emulator --device a1B2c3D4e5F,sensor01,0123456789abcdef
    For boards on your Wi-Fi:
             linkpost emulator --host 0.0.0.0 --san 192.168.1.20
    """
    if context.invoked_subcommand is not None:
        return DONE
    from . import server  # pays for FastAPI, which `--help` does not need

    logging.basicConfig(
        stream=sys.stderr,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        level=logging.WARNING if quiet else logging.INFO,
    )
    devices = [_parse_device(text) for text in device_texts]
    if devices_file:
        devices += read_devices(devices_file)
    products = tuple(_parse_product(text) for text in product_texts)
    if names_file and len(products) != 1:
        raise CommandError("--names belongs to one --product: give that too")
    names_made = [(products[0][0], name) for name in read_names(names_file)] if names_file else []
    options = server.Options(
        host=host,
        port=port,
        console_host=console_host,
        console_port=console_port,
        db=db or default_paths.default_db(),
        cert_dir=cert_dir or default_paths.default_cert_dir(),
        devices=devices,
        products=products,
        names_made=names_made,
        names=names,
        policy=Policy(
            token_ttl_s=token_ttl,
            void_old_tokens=void_old_tokens,
            topics=tuple(_check_pattern(topic) for topic in topics) or rules.DEFAULT_TOPICS,
            requests_per_s=rate_limit,
        ),
        bounds=wire.Bounds(request_s=request_timeout, idle_s=idle_timeout),
        legacy_ciphers=legacy_ciphers,
        keep_alive=keep_alive,
        ready_file=ready_file,
        most_connections=max_connections,
        keep=Keep(keep_messages or None, keep_days),
        console_password=_read_password(console_password_file),
    )

    def announce(ready: dict[str, str]) -> None:
        click.echo(f"platform: https://{ready['platform']}")
        click.echo(f"console:  {ready['console']}")
        if "console_password" in ready and options.console_password is None:
            click.echo(f"password: {ready['console_password']} (for the console; shown once)")
        click.echo(f"CA:       {ready['ca']}")
        click.echo(f"database: {ready['db']}")
        if host in ("0.0.0.0", "::") and not names:  # noqa: S104
            click.echo("hint: boards check the name they connect to; add it with --san", err=True)
        elif names:
            # For a real board: the name it is to use, and the command that makes it trust us.
            endpoint = f"{names[0]}:{ready['platform'].rpartition(':')[2]}"
            click.echo(f"a board:  linkpost provision (endpoint {endpoint}), then")
            click.echo(f"          linkpost deploy --ca {shlex.quote(ready['ca'])}")

    return server.run(options, announce)


def _parse_device(text: str) -> Triple:
    parts = [part.strip() for part in text.split(",", 2)]
    if len(parts) != 3:
        raise CommandError("--device needs PRODUCT_KEY,DEVICE_NAME,DEVICE_SECRET")
    triple = Triple(*parts)
    problem = check_triple(triple)
    if problem:
        raise CommandError(f"--device: {problem}")
    return triple


def _parse_product(text: str) -> tuple[str, str]:
    product_key, comma, secret = (part.strip() for part in text.partition(","))
    if not comma:
        raise CommandError("--product needs PRODUCT_KEY,PRODUCT_SECRET")
    problem = check_product(product_key, secret)
    if problem:
        raise CommandError(f"--product: {problem}")
    return product_key, secret


def _read_password(file: Path | None) -> str | None:
    """Return the password a person chose for the console, or None."""
    chosen = os.environ.get("LINKPOST_CONSOLE_PASSWORD")
    if file is not None:
        try:
            chosen = file.read_text(encoding="utf-8-sig").partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"--console-password-file {file}: cannot be read") from error
    if chosen is None:
        return None
    if len(chosen) < _PASSWORD_MIN:
        raise CommandError(f"the console's password needs {_PASSWORD_MIN} characters or more")
    return chosen


def _check_pattern(pattern: str) -> str:
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(pattern) if name is not None}
    except ValueError:
        fields = {pattern}
    levels = pattern.split("/")
    is_wrong = levels[0] or "" in levels[1:] or levels[1:2] == ["topic"] or "$" in pattern
    if is_wrong or fields - {"product_key", "device_name"}:
        raise CommandError(
            f"--topic {pattern!r}: write it as /{{product_key}}/{{device_name}}/user/update"
        )
    if "#" in pattern[:-1] or (pattern.endswith("#") and levels[-1] != "#"):
        raise CommandError(f"--topic {pattern!r}: # stands alone and last")
    return pattern


emulator.add_command(export)
