"""`linkpost register`: the secrets of a list of names, by their product's secret, at the bench."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click

from ..client.devices_csv import check_name, check_product, read_names
from ..terminal import failures
from ..terminal.counted_progress import Counter, counted
from ..terminal.failures import CommandError
from .registration import HOST, Registrar, check_clock
from .run import NameFailed, Registering
from .secret_list import SecretList

SECRET_VARIABLE = "LINKPOST_PRODUCT_SECRET"  # noqa: S105  its name


@click.command()
@click.option("--product-key", required=True, help="The product's key.")
@click.option(
    "--product-secret-file",
    type=click.Path(path_type=Path),
    help=f"Its first line is the product's secret; or set ${SECRET_VARIABLE}.  [default: asked]",
)
@click.option(
    "--csv", "csv_path", type=click.Path(path_type=Path), help="CSV with a column DeviceName."
)
@click.option("--name", "single", multiple=True, help="A device name; may be repeated.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The device list with the secrets; an existing list is continued.",
)
@click.option("--host", default=HOST, show_default=True, help="Name, or name:port.")
@click.option(
    "--ca",
    type=click.Path(path_type=Path),
    help="PEM file of CAs to trust beside the platform's own, e.g. the emulator's.",
)
@click.option(
    "--again",
    is_flag=True,
    help="Ask again for secrets that were not received, after a reset of the devices.",
)
def register(
    product_key: str,
    product_secret_file: Path | None,
    csv_path: Path | None,
    single: tuple[str, ...],
    out: Path,
    host: str,
    ca: Path | None,
    again: bool,
) -> int:
    """Get a secret for each device of a list, by their product's secret.

    The product's secret stays here: no board ever sees it. The names must exist in the console,
    and the product's dynamic registration must be on. The platform gives each secret once: the
    list is the only copy, readable by its owner only. If stopped, run the same command again.

    The vendor offers this in Shanghai only, and advises against it on devices: do it at a desk.

    \b
    Exit codes: 0 every name has its secret, 2 configuration, 3 wrong product
    secret, 4 network or TLS, 5 some were refused or not received.

    \b
    Example: linkpost register --product-key a1B2c3D4e5F --csv names.csv
             --out devices.csv
    """
    names = _names(csv_path, single)
    secret = product_secret(product_secret_file)
    problem = check_product(product_key, secret)
    if problem:
        raise CommandError(problem)
    check_clock()
    registrar = Registrar(host, product_key, secret, ca)
    with SecretList(out, product_key) as listed:
        done = sum(name in listed.received for name in names)
        with counted("registered", len(names), done) as counter:
            work = Registering(
                registrar, listed, ca, again=again, pause=time.sleep, note=counter.note
            )
            failed = _run(work, [one for one in names if one not in listed.received], counter)
        left = [name for name in names if name not in listed.received]
    for line in failed:
        print(line)
    print(f"{len(names) - len(left):,} of {len(names):,} names have their secret in {out}")
    return failures.REFUSED if left else failures.DONE


def _names(csv_path: Path | None, single: tuple[str, ...]) -> list[str]:
    names = read_names(csv_path) if csv_path else []
    for name in single:
        problem = check_name(name)
        if not problem and name in names:
            problem = f"{name} appears twice"
        if problem:
            raise CommandError(f"--name: {problem}")
        names.append(name)
    if not names:
        raise click.UsageError("give the names with --csv or with --name")
    return names


def _run(work: Registering, names: list[str], counter: Counter) -> list[str]:
    """Ask for one name after another; return a line for each that got no secret."""
    failed = []
    asked = ""
    try:
        for name in names:
            asked = name
            try:
                work.secret(name)
            except NameFailed as error:
                failed.append(str(error))
            counter.advance()
    except KeyboardInterrupt:
        if work.is_lost(asked):
            counter.note(f"stopped while {asked} was asked for: it may be lost. Reset it in the "
                         "console, then use --again")  # fmt: skip
        counter.note("stopped; the same command continues")
        raise
    except CommandError:
        for line in failed:
            print(line)
        raise
    return failed


def product_secret(file: Path | None) -> str:
    """Return the product's secret: of a file, the environment, or typed. Raises: CommandError."""
    if file is not None:
        try:
            return file.read_text(encoding="utf-8-sig").partition("\n")[0].strip()
        except OSError as error:
            raise CommandError(
                f"--product-secret-file: cannot read {file}: {error.strerror}"
            ) from error
        except UnicodeDecodeError as error:
            raise CommandError(f"--product-secret-file: {file} is no text") from error
    given = os.environ.get(SECRET_VARIABLE)
    if given is not None:
        return given.strip()
    if not sys.stdin.isatty():
        raise CommandError(
            f"give the product's secret with --product-secret-file, or in ${SECRET_VARIABLE}"
        )
    return click.prompt("The product's secret", hide_input=True, err=True).strip()
