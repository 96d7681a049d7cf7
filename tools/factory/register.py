"""The factory's devices by registration: a board that is plugged in gets its secret then."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..client.devices_csv import Triple, check_product, read_names
from ..files.json_files import read_object
from ..firmware.boards import Board
from ..firmware.config_check import check_config
from ..image.build import config_for
from ..register.command import product_secret
from ..register.registration import HOST, Registrar, check_clock
from ..register.run import NameFailed, Registering
from ..register.secret_list import SecretList
from ..terminal.failures import CommandError
from .boot import Stopped

# Stands in where a config is checked before there is a device.
_STAND_IN = "x" * 32


class BenchEnds(CommandError):
    """What is wrong for every board: no other one is begun."""


@dataclass(frozen=True)
class Options:
    """What the command line says of registration."""

    product_key: str
    out: Path
    secret_file: Path | None = None
    names_csv: Path | None = None  # None: a board's name is its MAC
    host: str = HOST
    ca: Path | None = None


class FactoryRegistration:
    """Names for boards, and their secrets when they are needed.

    Attributes: configs, config.json by `Triple.key`: of each device that has its secret, and under
    "" one that stands in for all.
    """

    def __init__(
        self,
        options: Options,
        template: dict[str, Any],
        board: Board,
        user: Collection[str] | None = None,
    ):
        self._template = template
        self._product_key = options.product_key
        names = read_names(options.names_csv) if options.names_csv else []
        self._listed = [Triple(options.product_key, name, "") for name in names]
        self._registering: Registering | None = None
        sample = config_for(template, Triple(options.product_key, "stand-in", _STAND_IN))
        check_config(sample, board, user=user)
        self.configs = {"": sample}

    @contextlib.contextmanager
    def open(
        self, options: Options, stop: threading.Event, note: Callable[[str], None]
    ) -> Iterator[None]:
        """Have the list of secrets open meanwhile. Raises: CommandError."""
        secret = product_secret(options.secret_file)
        problem = check_product(options.product_key, secret)
        if problem:
            raise CommandError(problem)
        check_clock()
        registrar = Registrar(options.host, options.product_key, secret, options.ca)

        def pause(seconds: float) -> None:
            if stop.wait(seconds):
                raise Stopped

        with SecretList(options.out, options.product_key) as listed:
            self._registering = Registering(
                registrar, listed, options.ca, again=False, pause=pause, note=note
            )
            yield

    @property
    def listed(self) -> list[Triple]:
        """Return the devices of the list of names; none where boards are named by their MAC."""
        return self._listed

    def choices(self, mac: str) -> list[Triple]:
        """Return which devices a board may become."""
        return self._listed or [Triple(self._product_key, name_of(mac), "")]

    def prepare(self, triple: Triple) -> None:
        """Get the device's secret, from the list or the platform, and its config.

        Raises: NameFailed for this one; BenchEnds.
        """
        if triple.key in self.configs:
            return
        assert self._registering is not None  # noqa: S101  `open` is around it
        try:
            secret = self._registering.secret(triple.device_name)
        except NameFailed:
            raise
        except CommandError as error:
            raise BenchEnds(str(error), error.exit_code) from error
        whole = Triple(triple.product_key, triple.device_name, secret)
        self.configs[triple.key] = config_for(self._template, whole)


def name_of(mac: str) -> str:
    """Return the device name of a board without one: its MAC, 12 hex digits."""
    return mac.replace(":", "").lower()


def template_of(config: Path) -> dict[str, Any]:
    """Return the template. Raises: CommandError."""
    return read_object(config, "--config")[1]
