"""The portable tests and the port contract on a real board that is plugged in.

    python -m host_tests.board_tests PORT [test_x.py ...]

The board is held for that: no app runs and no watchdog. The tests and their firmware are on its
flash as two files at the root, and write in a folder of their own; each file of tests runs after a
reset. All of it is removed, and its other files are compared before and after. Then its app is
started again.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

from host_tests.chip import portable_files
from host_tests.shared import archive
from tools.terminal import failures
from tools.terminal.failures import CommandError
from tools.usb import raw_repl
from tools.usb.board import BoardLost, UsbBoard
from tools.usb.paused_board import paused_board

_OURS = "linkpost_test"  # the folder, and what the files' names begin with
_FIRMWARE = f"{_OURS}.firmware"
_TESTS = f"{_OURS}.tests"
# A test may take that long by the board's own clock: an emulated one goes slower than ours, and
# how much hangs on what else runs there. That is half as much again as in `make test-chip`, for
# modules come slower out of one file, and the flash is fuller. It is then stopped by Ctrl-C. One
# that does not stop either, for that long by our clock, loses the board.
_TEST_MS = 15_000
_LOST_S = 30.0
_MARGIN = 1.25
_AGAIN_S = 1.0
_START_S = 10.0
_RESETS = 4
_TRIES = 3
_SURE_MS = 500  # a test that took that long tells how fast the board is
# An outbox of 64 KB, its folders (4 blocks each, as littlefs counts) and its reserve.
_FREE_BYTES = 240 * 1024
_HOLD = "hold"  # docs/flash-format.md
_CONTRACT = Path(__file__).parent / "contract" / "port_contract.py"
_MEMORY = """
import gc, micropython, sys
gc.collect()
_free = gc.mem_free()
if sys.platform == "esp32":
    import esp32
    # (total, free, largest block, lowest ever) of each region of what Wi-Fi and TLS live in.
    _regions = esp32.idf_heap_info(esp32.HEAP_DATA)
    _largest = max([region[2] for region in _regions])
    print("IDF heap free", sum([region[1] for region in _regions]), "largest block", _largest)
    _free -= _largest  # mem_free counts it, for the heap could grow by it
print("heap free", _free, "of", _free + gc.mem_alloc())
micropython.mem_info()
"""
_FREE = """
import os
_linkpost_stat = os.statvfs('/')
_linkpost_tell(repr(_linkpost_stat[0] * min(_linkpost_stat[3], _linkpost_stat[2])))
"""
_SPEED = """
from time import ticks_ms, ticks_diff
_linkpost_ms = ticks_ms()
for _ in range(100000):
    pass
_linkpost_tell(repr(ticks_diff(ticks_ms(), _linkpost_ms)))
"""
_REMOVE = f"""
import os
def _remove(path):
    try:
        for name in os.listdir(path):
            _remove(path + '/' + name)
    except OSError:
        pass
    try:
        os.remove(path)
    except OSError:
        try:
            os.rmdir(path)
        except OSError:
            pass
_remove('/{_OURS}')
"""
_REMOVE_ALL = f"{_REMOVE}_remove('/{_FIRMWARE}')\n_remove('/{_TESTS}')\n"
# The tests' firmware, whole, in place of the one that is deployed, which a held boot has begun to
# import. They write files where they are: not where the board's own are.
_INSIDE = f"""{_REMOVE}
{archive.ON_BOARD}
for _name in list(sys.modules):
    if _name.split('.')[0] == 'linkpost':
        del sys.modules[_name]
mount('{_FIRMWARE}')
mount('{_TESTS}')
os.mkdir('/{_OURS}')
os.chdir('/{_OURS}')
del _remove, _name, mount
"""


def main(arguments: list[str]) -> int:
    """Run the tests; return an exit code."""
    began = time.monotonic()
    port = None if arguments[0] == "auto" else arguments[0]
    paths = [portable_files.PORTABLE / name for name in arguments[1:]] or portable_files.files()
    counts: dict[str, int] = {}
    with paused_board(port, 30) as board:
        print(board.identify())
        before = board.hashes("")
        # A run that was broken off has left its files, and the board held.
        left = {path for path in before if path.startswith(_OURS)}
        was_held = board.is_held() and not left
        board.hold()
        try:
            board.run(_REMOVE_ALL, _LOST_S)
            print(board.run(_MEMORY))
            # The whole firmware: what is deployed has only what its config uses.
            _put(board, _FIRMWARE, portable_files.firmware_modules())
            tests = _Tests(board)
            for path in paths:
                _run_file(tests, path, counts)
            contract = board.run(_INSIDE + _CONTRACT.read_text(), _LOST_S)
            print(contract)
            _reset(board)
            print(board.run(_MEMORY))
        finally:
            _reset(board)
            board.run(_REMOVE_ALL, _LOST_S)
            after = board.hashes("")
            if not was_held:
                board.release()
    changed = {path for path, digest in after.items() if before.get(path) != digest} - {_HOLD}
    changed |= before.keys() - after.keys() - left - {_HOLD}
    passed, ran = counts.get(portable_files.PASSED, 0), sum(counts.values())
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    print(f"{passed} of {ran} portable tests passed, {passed / ran:.1%}")
    print(f"files not as before: {', '.join(sorted(changed)) or 'none'}")
    print(f"{(time.monotonic() - began) / 60:.0f} minutes")
    return 1 if changed or counts.get("failed") or ", 0 failed" not in contract else failures.DONE


def _put(board: UsbBoard, name: str, modules: dict[str, bytes]) -> None:
    files = {path.removeprefix("lib/"): content for path, content in modules.items()}
    packed = archive.pack(files)
    if name == _FIRMWARE:
        free, needed = board.ask_value(_FREE), len(packed) + _FREE_BYTES
        if free < needed:
            raise CommandError(
                f"the tests need {needed // 1024} KB of the flash on {board.port}, and "
                f"{free // 1024} KB are free: remove files of your own, or save and delete its "
                "waiting readings (linkpost outbox)",
                failures.USAGE,
            )
    board.write(name, packed)


def _run_file(tests: _Tests, path: Path, counts: dict[str, int]) -> None:
    began = time.monotonic()
    outcome = portable_files.outcome_of(path, tests.boot)
    for name, text in outcome.tests.items():
        what = text if text in portable_files.KNOWN else "failed"
        counts[what] = counts.get(what, 0) + 1
        if what != portable_files.PASSED:
            print(f"{path.name} {name}: {text}")
    print(f"{path.name}: {len(outcome.tests)} tests, {time.monotonic() - began:.0f} s", flush=True)


class _Tests:
    """Runs tests on a board, each for as long as it may take by the board's clock."""

    def __init__(self, board: UsbBoard):
        self._board = board
        began = time.monotonic()
        ms = board.ask_value(_SPEED)
        # Of our seconds in one of the board's.
        self._slowness = (time.monotonic() - began) * 1000 / max(ms, 1)

    def boot(self, modules: dict[str, str], tests: list[tuple[str, str]]) -> tuple[bytes, str]:
        """Run tests; return what they printed, and what it ended with. The board is reset."""
        _put(self._board, _TESTS, portable_files.test_modules(modules))
        output, why = "", ""
        for _ in range(_TRIES):
            try:
                printed, why = self._follow(_INSIDE + portable_files.script(tests).decode())
                output += printed
            except BoardLost as error:
                self._board.reconnect()
                return output.encode(), str(error)
            finally:
                _reset(self._board)
            # Ours is no clock to fail a test by. A Ctrl-C between two tests ends them all.
            again = portable_files.stopped_early(output, _TEST_MS)
            if "KeyboardInterrupt" in why:
                again |= {name for _, name in tests if f"\x01{name}\r" not in output}
            tests = [test for test in tests if test[1] in again]
            if not tests:
                break
        return output.encode(), why

    def _follow(self, script: str) -> tuple[str, str]:
        """Return what a script prints, and its traceback; stop a test that takes too long."""
        transport = self._board.linked()
        raw_repl.start(transport, script, _START_S)
        output = b""
        times = 0
        began = time.monotonic()
        stop_at, lost_at = began + _LOST_S, began + 2 * _LOST_S
        # Its output and its traceback, each with an end of its own.
        while output.count(b"\x04") < 2:
            waiting = transport.serial.inWaiting()
            piece = transport.serial.read(waiting) if waiting else b""
            output += piece
            now = time.monotonic()
            taken = re.findall(rb"\x06(\d+)\r?\n", output) if piece else []
            if len(taken) > times:
                times = len(taken)
                if int(taken[-1]) >= _SURE_MS:
                    self._slowness = (now - began) * 1000 / int(taken[-1])
            if b"\x01" in piece:  # the next test
                began = now
                stop_at = now + _TEST_MS / 1000 * max(self._slowness, 1) * _MARGIN
                lost_at = stop_at + _LOST_S * max(self._slowness, 1)
            elif now > lost_at:
                raise BoardLost(self._board.port, "does not stop by Ctrl-C")
            elif now > stop_at:
                transport.serial.write(b"\x03")
                stop_at = now + _AGAIN_S * max(self._slowness, 1)  # one may be lost
            if not piece:
                time.sleep(0.01)
        printed, why, _ = output.decode(errors="replace").split("\x04", 2)
        return printed, why


def _reset(board: UsbBoard) -> None:
    """Reset the board; one that took longer to come back than a board does is waited for."""
    for _ in range(_RESETS - 1):
        try:
            board.reset()
            return
        except BoardLost:
            board.reconnect()
    board.reset()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:] or ["auto"]))
    except CommandError as failure:
        print(f"linkpost: {failure}", file=sys.stderr)
        sys.exit(failure.exit_code)
    except KeyboardInterrupt:  # the board is as before, and runs
        sys.exit(failures.INTERRUPTED)
