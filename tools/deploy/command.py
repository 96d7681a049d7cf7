"""`linkpost deploy`: the firmware onto a board, over USB.

Rules, true at every byte at which it may be cut (power, cable, Ctrl-C, kill):

  1. While files change there is no main.py, so that a boot ends at the REPL: importing a .mpy that
     is cut short hangs a board for good. main.py comes last, by a rename.
  2. What is on the board counts, not what we believe to have written: its hashes say what to copy,
     and are compared again before main.py comes. So deploying again repairs whatever was left.
  3. Only main.py and the folders of OWNED_FOLDERS are ours. Config, token, outbox and the
     user's own files are not touched, nor a main.py that the user edited.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import click

from .. import firmware
from ..firmware.board_files import OWNED_FOLDERS, files_for, root_certificates
from ..firmware.boards import board_of_build
from ..firmware.config_check import CHECKED, CONFIG
from ..terminal import failures, next_step
from ..terminal.counting import count
from ..terminal.failures import CommandError
from ..terminal.finite_range import FiniteRange
from ..usb import heap_text, options
from ..usb.board import BoardLost, Identity, OnBoardError, UsbBoard
from . import plan as deploy_plan
from .plan import EDITED, KEPT, MAIN, NONE, OTHER, OURS, Plan, is_kept_ca
from .progress import Progress
from .watch import Start, watch

_NO_SPACE = 28


@click.command()
@options.port
@click.option(
    "--ca",
    type=click.Path(path_type=Path),
    help="PEM file of CAs to trust beside the platform's own, e.g. the emulator's. It stays on "
    "the board until another, --no-ca, or `provision` with another endpoint.",
)
@click.option("--no-ca", is_flag=True, help="Remove the CA of an earlier --ca from the board.")
@click.option(
    "--replace-main",
    is_flag=True,
    help="Replace a main.py that was edited on the board; it is kept as main.old.py.",
)
@options.wait(20.0)
@click.option(
    "--boot-wait",
    "boot_s",
    type=FiniteRange(min=0),
    default=30.0,
    show_default=True,
    help="Seconds to wait for the first report of the new boot; 0: do not.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def deploy(
    port: str | None,
    ca: Path | None,
    no_ca: bool,
    replace_main: bool,
    wait_s: float,
    boot_s: float,
    as_json: bool,
) -> int:
    """Put the firmware on a board over USB, and see its first report accepted.

    Copies what changed, removes what is no longer part, compares hashes, and restarts the board.
    The config, the token, waiting readings and your own files (user/) are not touched; a main.py
    that you edited is kept. Interrupted, the board starts to its REPL: deploy again.

    \b
    Exit codes: 0 the first report was accepted, or a reading was stored where
    reports are due later; 2 configuration, 3 authentication refused, 4 network or
    TLS, 5 refused by the service, 6 none of it in time, 7 no board or no answer.
    The board goes on running in any case.

    \b
    Example: linkpost deploy --port /dev/ttyUSB0
    Against an emulator: linkpost deploy --ca ca.pem
    """
    if ca is not None and no_ca:
        raise click.UsageError("give --ca or --no-ca, not both")
    root_certificates(ca)  # a --ca that cannot be read: said before a board is stopped
    with UsbBoard(_chosen(port), wait_s, _note) as board:
        deployment = _Deployment(board, ca, replace_main, keeps_ca=not no_ca)
        done = deployment.run()
        start = watch(board, boot_s, deployment.config, done["kept_main"])
    if as_json:
        print(json.dumps({**done, "runs": start.runs, "report": start.report, "heap": start.heap}))
    if start.exit_code != failures.DONE:
        raise CommandError(f"all files are copied, but {start.message}", start.exit_code)
    if not as_json:
        print(_summary(done, start))
        if "free" in start.heap:
            print(f"memory: {heap_text.heap(start.heap)}, with the app")
            print(f"your own code {heap_text.left_by_log(start.heap)}")
    return failures.DONE


class _Deployment:
    """One deploy onto a board whose program is stopped."""

    def __init__(
        self, board: UsbBoard, ca: Path | None, replace_main: bool, keeps_ca: bool = True
    ):
        self._board = board
        self._ca = ca
        self._keeps_ca = keeps_ca and ca is None
        self._replace_main = replace_main
        self._is_changing = False
        self._keeps_main = False
        self._files: dict[str, bytes] = {}
        self._checked = b""
        self.config: dict[str, Any] = {}  # the board's, once it was read

    def run(self) -> dict[str, Any]:
        """Deploy; return what was done. The board is ready to be restarted."""
        try:
            who = self._board.identify()
            _note(f"{self._board.port}: {who}")
            self._files = self._wanted(who)
            self._look_at_main(who)
            self._board.hold()
            plan = self._change()
            self._board.release()
        except BaseException as error:
            self._leave(error)
            raise
        return {
            "port": self._board.port,
            "machine": who.machine,
            "version": firmware.version(),
            "copied": [*plan.copy, *[MAIN] * plan.writes_main],
            "removed": plan.remove,
            "unchanged": plan.unchanged,
            "kept_main": self._keeps_main,
        }

    def _wanted(self, who: Identity) -> dict[str, bytes]:
        """Return the files for this very board; nothing is written before that is known."""
        if who.chip is None:
            raise CommandError(
                f"linkpost runs on ESP32 and Pico W; this board is {who}. Nothing was written.",
                failures.USAGE,
            )
        self.config, self._checked = deploy_plan.parse_config(
            self._board.read(CONFIG), self._board.port, board_of_build(who.build)
        )
        files = files_for(
            self.config,
            chip=who.chip,
            native_digests=who.native_digests,
            ca=self._ca,
            with_aio=True,
        )
        deploy_plan.check_micropython(files, who.mpy_version, who.micropython)
        return files

    def _look_at_main(self, who: Identity) -> None:
        """Put a main.py that is not ours out of the way: the next boot is to be quiet."""
        board = self._board
        names = board.files(MAIN, KEPT)
        content = board.read(MAIN) if MAIN in names else None
        known = {who.main_sha256, deploy_plan.sha256(self._files[MAIN])}
        whose = deploy_plan.whose_main(content, known)
        if whose == OURS:
            return
        self._keeps_main = not self._replace_main and (whose == EDITED or KEPT in names)
        if whose == OTHER and not (self._replace_main or self._is_agreed()):
            raise CommandError(
                "main.py on the board is another program's. Nothing was written. To replace it, "
                f"keeping it as main.old.py: {self._again('deploy --replace-main')}",
                failures.USAGE,
            )
        if whose == NONE:
            if KEPT in names and self._replace_main:
                self._keep_as_old(KEPT)
        elif self._keeps_main:
            if KEPT in names:
                self._keep_as_old(KEPT)
            self._is_changing = True
            board.rename(MAIN, KEPT)
        else:
            self._is_changing = True
            self._keep_as_old(MAIN)

    def _keep_as_old(self, name: str) -> None:
        """Rename it to a name that is free."""
        used = self._board.files("")
        number = 1
        while (free := f"main.old{number if number > 1 else ''}.py") in used:
            number += 1
        self._board.rename(name, free)
        _note(f"{name} is kept on the board as {free}")

    def _is_agreed(self) -> bool:
        if not sys.stdin.isatty():
            return False
        return click.confirm(
            "main.py on the board is another program's. Replace it (it is kept as main.old.py)?",
            err=True,
        )

    def _change(self) -> Plan:
        """Make the board's files ours, main.py last."""
        board = self._board
        on_board = board.hashes(MAIN, *OWNED_FOLDERS)
        if self._keeps_ca:
            kept = [path for path, digest in on_board.items() if is_kept_ca(path, digest)]
            for path in kept:
                del on_board[path]
            if kept:
                _note("the CA of an earlier --ca stays on the board; --no-ca removes it")
        plan = deploy_plan.plan(self._files, on_board, keeps_main=self._keeps_main)
        if not plan.is_empty:
            self._check_room(plan)
            self._is_changing = True
            # All that changes goes first, main.py before the rest: their blocks are needed, and
            # littlefs would free those of an overwritten file only after it is written.
            board.remove(MAIN, *plan.remove, *(path for path in plan.copy if path in on_board))
            for path in plan.remove:
                _note(f"removed {path}")
            self._copy(plan)
        if self._checked and board.read(CHECKED) != self._checked:
            board.write(CHECKED, self._checked, atomic=True)
        if self._keeps_main:
            board.rename(KEPT, MAIN)
        return plan

    def _check_room(self, plan: Plan) -> None:
        board = self._board
        missing = deploy_plan.missing_bytes(
            plan, board.files(*OWNED_FOLDERS), board.identify().free_bytes
        )
        if missing:
            raise self._full(f"about {missing // 1024 + 1} KB are missing. Nothing was written")

    def _copy(self, plan: Plan) -> None:
        main = {MAIN: self._files[MAIN]} if plan.writes_main else {}
        sizes = [len(data) for data in (plan.copy | main).values()]
        with Progress(sum(sizes), len(sizes)) as progress:
            for path, data in plan.copy.items():
                self._write(path, data, progress)
            self._compare()
            for path, data in main.items():
                self._write(path, data, progress)

    def _write(self, path: str, data: bytes, progress: Progress) -> None:
        progress.start(path, len(data))
        try:
            self._board.write(path, data, atomic=path == MAIN, progress=progress.advance)
        except OnBoardError as error:
            if error.errno != _NO_SPACE:
                raise
            raise self._full(f"{path} did not fit") from error

    def _compare(self) -> None:
        """Compare what is on the board with what was meant, by hashes made there."""
        found = self._board.hashes(*OWNED_FOLDERS)
        wrong = [
            path
            for path, data in self._files.items()
            if path != MAIN and found.get(path) != deploy_plan.sha256(data)
        ]
        if wrong:
            raise CommandError(
                f"{', '.join(wrong)} arrived damaged. Deploy again, with another USB cable if it "
                "happens again",
                failures.NO_BOARD,
            )

    def _again(self, words: str) -> str:
        if self._replace_main:
            words += " --replace-main"
        if not self._keeps_ca and self._ca is None:
            words += " --no-ca"
        return next_step.command(words, self._board.port, self._ca)

    def _full(self, what: str) -> CommandError:
        return CommandError(
            f"The board's flash is full: {what}. Make room (linkpost outbox lists "
            "waiting readings; user/ holds your own files) or lower outbox.max_bytes, and deploy "
            "again",
            failures.NO_BOARD,
        )

    def _leave(self, error: BaseException) -> None:
        """After a failure: let a board that was not changed run on, else say how it stands."""
        if self._is_changing:
            _note(
                "the deploy is incomplete: the board starts to its REPL; its config and "
                f"readings are untouched. Repeat: {self._again('deploy')}"
            )
        elif not isinstance(error, BoardLost):
            with contextlib.suppress(CommandError):
                self._board.reconnect()  # Ctrl-C may have cut a command in two
                self._board.release()
                self._board.leave_running()


def _chosen(port: str | None) -> str:
    if port is not None:
        return port
    from ..usb.serial_ports import find_port

    return find_port()


def _summary(done: dict[str, Any], start: Start) -> str:
    parts = [f"{count(len(done['copied']), 'file')} copied", f"{done['unchanged']:,} unchanged"]
    if done["removed"]:
        parts.append(f"{len(done['removed']):,} removed")
    if done["kept_main"]:
        parts.append("your own main.py kept (--replace-main replaces it)")
    return f"linkpost {done['version']} is on {done['port']}: {', '.join(parts)}; {start.message}"


def _note(line: str) -> None:
    print(f"linkpost: {line}", file=sys.stderr)
