"""The portable tests and the port contract on a real board that is plugged in.

    python -m host_tests.board_tests PORT [test_x.py ...]

The tests go into a folder of their own on its flash, one file after the other, and are removed;
its other files are compared before and after. Its app is stopped for that and restarted then.
"""

from __future__ import annotations

import sys
from pathlib import Path

from host_tests.chip import portable_files
from tools.terminal import failures
from tools.terminal.failures import CommandError
from tools.usb.board import UsbBoard
from tools.usb.paused_board import paused_board

_FOLDER = "linkpost_test"
_SILENT_S = 600.0
_LIB = f"{_FOLDER}/lib"
_CONTRACT = Path(__file__).parent / "contract" / "port_contract.py"
_MEMORY = """
import gc, micropython
gc.collect()
print("heap free", gc.mem_free(), "of", gc.mem_free() + gc.mem_alloc())
micropython.mem_info()
"""
# What a file of tests has imported is forgotten again: the next needs the heap.
_WITH_PATH = f"""
import sys
sys.path.insert(0, '/{_LIB}')
_modules = set(sys.modules)
"""
_TIDY = """
for _name in set(sys.modules) - _modules:
    del sys.modules[_name]
sys.path.pop(0)
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
_remove('/{_FOLDER}')
"""


def main(arguments: list[str]) -> int:
    """Run the tests; return an exit code."""
    port = None if arguments[0] == "auto" else arguments[0]
    wanted = [portable_files.PORTABLE / name for name in arguments[1:]]
    counts: dict[str, int] = {}
    with paused_board(port, 30) as board:
        print(board.identify())
        print(board.run(_MEMORY))
        before = board.hashes("")
        try:
            # The whole firmware: what is deployed has only what its config uses.
            for name, content in portable_files.firmware_modules().items():
                board.write(f"{_FOLDER}/{name}", content)
            for path in wanted or portable_files.files():
                _run_file(board, path, counts)
            contract = board.run(_WITH_PATH + _CONTRACT.read_text() + _TIDY, _SILENT_S)
        finally:
            board.run(_REMOVE)
        print(contract)
        print(board.run(_MEMORY))
        changed = {path for path, digest in board.hashes("").items() if before.get(path) != digest}
        changed |= before.keys() - board.hashes("").keys()
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    if changed:
        print(f"these files are not as before: {', '.join(sorted(changed))}")
    return 1 if changed or counts.get("failed") or ", 0 failed" not in contract else failures.DONE


def _run_file(board: UsbBoard, path: Path, counts: dict[str, int]) -> None:
    modules = {path.stem: path.read_text()}
    tests = portable_files.tests_of(path)
    written = portable_files.test_modules(modules)
    for name, content in written.items():
        board.write(f"{_FOLDER}/{name}", content)
    script = _WITH_PATH + portable_files.RUNNER.decode()
    script += f"\nrun({[(path.stem, name) for name in tests]!r})\n" + _TIDY
    try:
        output = board.run(script, _SILENT_S)
    except CommandError as error:
        output = str(error)
    outcomes = portable_files.parse(output, tests)
    for name, text in outcomes.items():
        what = text if text in portable_files.KNOWN else "failed"
        counts[what] = counts.get(what, 0) + 1
        if what != portable_files.PASSED:
            print(f"{path.name} {name}: {text}")
    board.remove(*(f"{_FOLDER}/{name}" for name in written))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["auto"]))
