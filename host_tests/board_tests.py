"""The portable tests and the port contract on a real board that is plugged in.

    python -m host_tests.board_tests PORT [test_x.py ...]

The board is held for that: no app runs and no watchdog. The tests go into a folder of their own on
its flash, one file after the other, each after a reset, and are removed; its other files are
compared before and after. Then its app is started again.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from host_tests.chip import portable_files
from tools.terminal import failures
from tools.terminal.failures import CommandError
from tools.usb import raw_repl
from tools.usb.board import BoardLost, UsbBoard
from tools.usb.paused_board import paused_board

_FOLDER = "linkpost_test"
_LIB = f"{_FOLDER}/lib"
# A test that takes longer is stopped by Ctrl-C; one that does not stop either loses the board.
_TEST_S = 20.0
_LOST_S = 30.0
_START_S = 10.0
_RESETS = 4
_HOLD = "hold"  # docs/flash-format.md
_CONTRACT = Path(__file__).parent / "contract" / "port_contract.py"
_MEMORY = """
import gc, micropython
gc.collect()
print("heap free", gc.mem_free(), "of", gc.mem_free() + gc.mem_alloc())
micropython.mem_info()
"""
_REMOVE = """
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
_remove('/%s')
"""
# The tests' firmware, whole, in place of the one that is deployed, which a held boot has begun to
# import. They write files where they are: not where the board's own are.
_INSIDE = (
    _REMOVE % f"{_FOLDER}/home"
    + f"""
import sys
for _name in list(sys.modules):
    if _name.split('.')[0] == 'linkpost':
        del sys.modules[_name]
sys.path.insert(0, '/{_LIB}')
os.mkdir('/{_FOLDER}/home')
os.chdir('/{_FOLDER}/home')
"""
)


def main(arguments: list[str]) -> int:
    """Run the tests; return an exit code."""
    port = None if arguments[0] == "auto" else arguments[0]
    paths = [portable_files.PORTABLE / name for name in arguments[1:]] or portable_files.files()
    counts: dict[str, int] = {}
    with paused_board(port, 30) as board:
        print(board.identify())
        before = board.hashes("")
        # A run that was broken off has left its folder, and the board held.
        left = {path for path in before if path.startswith(f"{_FOLDER}/")}
        was_held = board.is_held() and not left
        board.hold()
        print(board.run(_MEMORY))
        try:
            # The whole firmware: what is deployed has only what its config uses.
            for name, content in portable_files.firmware_modules().items():
                board.write(f"{_FOLDER}/{name}", content)
            _reset(board)
            for path in paths:
                _run_file(board, path, counts)
            contract = board.run(_INSIDE + _CONTRACT.read_text(), _LOST_S)
            print(contract)
            _reset(board)
            print(board.run(_MEMORY))
        finally:
            _reset(board)
            board.run(_REMOVE % _FOLDER, _LOST_S)
            after = board.hashes("")
            if not was_held:
                board.release()
    changed = {path for path, digest in after.items() if before.get(path) != digest} - {_HOLD}
    changed |= before.keys() - after.keys() - left - {_HOLD}
    passed, ran = counts.get(portable_files.PASSED, 0), sum(counts.values())
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    print(f"{passed} of {ran} portable tests passed, {passed / ran:.1%}")
    print(f"files not as before: {', '.join(sorted(changed)) or 'none'}")
    return 1 if changed or counts.get("failed") or ", 0 failed" not in contract else failures.DONE


def _run_file(board: UsbBoard, path: Path, counts: dict[str, int]) -> None:
    began = time.monotonic()

    def boot(modules: dict[str, str], tests: list[tuple[str, str]]) -> tuple[bytes, str]:
        written = portable_files.test_modules(modules)
        for name, content in written.items():
            board.write(f"{_FOLDER}/{name}", content)
        try:
            return _follow(board, _INSIDE + portable_files.script(tests).decode()), ""
        except BoardLost as error:
            board.reconnect()
            return b"", str(error)
        finally:
            _reset(board)
            board.remove(*(f"{_FOLDER}/{name}" for name in written))

    outcome = portable_files.outcome_of(path, boot)
    for name, text in outcome.tests.items():
        what = text if text in portable_files.KNOWN else "failed"
        counts[what] = counts.get(what, 0) + 1
        if what != portable_files.PASSED:
            print(f"{path.name} {name}: {text}")
    print(f"{path.name}: {len(outcome.tests)} tests, {time.monotonic() - began:.0f} s", flush=True)


def _reset(board: UsbBoard) -> None:
    """Reset the board; one that took longer to come back than a board does is waited for."""
    for _ in range(_RESETS - 1):
        try:
            board.reset()
            return
        except BoardLost:
            board.reconnect()
    board.reset()


def _follow(board: UsbBoard, script: str) -> bytes:
    """Return what a script prints; a test that takes too long is stopped by Ctrl-C."""
    transport = board.linked()
    raw_repl.start(transport, script, _START_S)
    output = b""
    stop_at = time.monotonic() + _TEST_S
    lost_at = stop_at + _LOST_S
    # Its output and its traceback, each with an end of its own.
    while output.count(b"\x04") < 2:
        waiting = transport.serial.inWaiting()
        piece = transport.serial.read(waiting) if waiting else b""
        output += piece
        now = time.monotonic()
        if b"\x01" in piece:  # the next test
            stop_at = now + _TEST_S
            lost_at = stop_at + _LOST_S
        elif now > lost_at:
            raise BoardLost(board.port, "does not stop by Ctrl-C")
        elif now > stop_at:
            transport.serial.write(b"\x03")
            stop_at = lost_at
        if not piece:
            time.sleep(0.01)
    return output.replace(b"\x04", b"")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:] or ["auto"]))
    except CommandError as failure:
        print(f"linkpost: {failure}", file=sys.stderr)
        sys.exit(failure.exit_code)
    except KeyboardInterrupt:  # the board is as before, and runs
        sys.exit(failures.INTERRUPTED)
