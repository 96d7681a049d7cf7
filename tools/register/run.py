"""Registering names one after another: what is asked again, what is lost, what ends it all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from ..client.growing_pause import growing_pause
from ..terminal import failures
from ..terminal.failures import CommandError
from .registration import Lost, NotSent, Refused, Registrar, Throttled, failure_of, is_tls
from .secret_list import SecretList

# Each pause is up to twice as long as the one before. Throttling may count per minute or longer.
_FIRST_S = 1.0
_LONGEST_S = 60.0
_TRIES = 8
_NETWORK_TRIES = 4
# So many replies lost in a row are no accident: the rest is left alone.
_LOST_IN_A_ROW = 3
# Codes that are about one name (docs/protocol.md). Of any other, so many alike in a row are about
# the product, or its secret.
_OF_A_NAME = (460, 6100, 6204, 6289)
_ALIKE_IN_A_ROW = 5


class NameFailed(CommandError):
    """One name got no secret; the others may."""

    def __init__(self, name: str, why: str, *, lost: bool):
        super().__init__(f"{name}: {why}", failures.REFUSED)
        self.lost = lost


class Registering:
    """The secrets of a list's names: from the list where they are, else from the platform.

    Args: again: names in the list whose secret was not received are asked for again, because the
    user has reset those devices; pause: waits that many seconds; note: shows each pause.
    """

    def __init__(
        self,
        registrar: Registrar,
        listed: SecretList,
        ca: Path | None,
        *,
        again: bool,
        pause: Callable[[float], None],
        note: Callable[[str], None],
    ):
        self._registrar = registrar
        self._listed = listed
        self._ca = ca
        self._again = again
        self._pause = pause
        self._note = note
        self._lost_in_a_row = 0
        self._refused_alike: list[int] = []
        self._lock = threading.Lock()

    def secret(self, name: str) -> str:
        """Return the secret of a name, which is in the list then. One at a time, from any thread.

        Raises: NameFailed; CommandError for what ends the whole run.
        """
        with self._lock:
            if name in self._listed.received:
                return self._listed.secret_of(name)
            if name in self._listed.lost and not self._again:
                raise _lost(name, "in an earlier run")
            self._pause(0)  # who waited for the lock may have been stopped meanwhile
            self._listed.reserve(name)
            secret = self._ask(name)
            self._listed.put(name, secret)
            return secret

    def is_lost(self, name: str) -> bool:
        """Tell whether a secret of the name may have been given out and was not received."""
        return name in self._listed.lost

    def _ask(self, name: str) -> str:
        try:
            secret = self._ask_until_answered(name)
        except Refused as error:
            self._listed.take_back(name)
            self._note_refusal(name, error)
            raise NameFailed(name, f"refused: {error}", lost=False) from error
        except Lost as error:
            self._lost_in_a_row += 1
            failed = _lost(name, str(error))
            if self._lost_in_a_row >= _LOST_IN_A_ROW:
                raise CommandError(
                    f"{failed}. So were the {self._lost_in_a_row - 1} before it: the rest was not "
                    "asked for",
                    failures.NETWORK,
                ) from error
            raise failed from error
        except CommandError:
            self._listed.take_back(name)
            raise
        except BaseException:  # Ctrl-C: nothing was given out before it was asked for
            if not self._registrar.has_sent:
                self._listed.take_back(name)
            raise
        self._lost_in_a_row = 0
        self._refused_alike.clear()
        return secret

    def _note_refusal(self, name: str, error: Refused) -> None:
        alike = self._refused_alike
        if error.code in _OF_A_NAME or error.code not in alike:
            alike.clear()
        if error.code not in _OF_A_NAME:
            alike.append(error.code)
        if len(alike) >= _ALIKE_IN_A_ROW:
            raise CommandError(
                f"{name} and the {len(alike) - 1} before it are refused alike: {error}. The rest "
                "was not asked for: check the product's secret and the console",
                failures.REFUSED,
            )

    def _ask_until_answered(self, name: str) -> str:
        tries = unsent = 0
        while True:
            try:
                return self._registrar.ask(name)
            except Throttled as error:
                tries += 1
                why = str(error)
                if tries >= _TRIES:
                    raise CommandError(
                        f"{name}: still refused after {tries} times: {why}. Go on later with the "
                        "same command",
                        failures.REFUSED,
                    ) from error
            except NotSent as error:
                unsent += 1
                why = str(error)
                if is_tls(error) or unsent >= _NETWORK_TRIES:
                    raise failure_of(error, self._ca) from error
            wait_s = growing_pause(tries + unsent, _FIRST_S, _LONGEST_S)
            self._registrar.has_sent = False  # or was answered: nothing was given out
            self._note(f"{name}: {why}; again in {wait_s:.0f} s")
            self._pause(wait_s)


def _lost(name: str, why: str) -> NameFailed:
    return NameFailed(
        name, f"asked, not received ({why}): reset it in the console, then use --again", lost=True
    )
