"""The portable tests on the chip's own build: as .mpy on its flash, started over its REPL.

A file is loaded as a whole. What runs out of memory there is tried again alone, with only what
the file defines beside its tests. What does not fit even then, or takes more than 10 s of the
chip's time (the desktop's tests loop thousands of times), is told as such.

    python -m host_tests.chip.portable_files [test_x.py ...]
"""

from __future__ import annotations

import ast
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from host_tests.shared import byte_code
from tools.chip import flash
from tools.chip.process import ChipProcess
from tools.chip.repl import ChipRepl
from tools.firmware.mpy import compile_mpy
from tools.terminal.failures import CommandError

HOST_TESTS = Path(__file__).parent.parent
PORTABLE = HOST_TESTS / "portable"
PASSED = "passed"
DOES_NOT_FIT = "does not fit"
TOO_LONG = "takes too long"
NOT_FOR_CHIPS = "is not for a chip"
# Of these the reason lies in what they test, not in room.
_NOT_FOR_CHIPS = {
    "test_clock_desktop_is_right": "a chip's clock is not set when it starts",
    "test_pure_digests_every_length_equal_native": "this build has no md5 to compare with",
    "test_pure_digests_fed_in_pieces_equal_whole": "this build has no md5 to compare with",
}
KNOWN = (PASSED, DOES_NOT_FIT, TOO_LONG, NOT_FOR_CHIPS)
RUNNER = (Path(__file__).parent / "on_chip" / "portable_runner.py").read_bytes()
_FILE_TIMEOUT_S = 1500
_TEST_CHIP_MS = 10_000
_AGAIN_CHIP_MS = 2000


@dataclass
class Outcome:
    """What became of the tests of one file: by name PASSED, DOES_NOT_FIT or the traceback."""

    tests: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)  # by reason, as the file says
    chip_ms: float = 0.0


def files() -> list[Path]:
    """Return the portable test files."""
    return sorted(PORTABLE.glob("test_*.py"))


def run_file(path: Path, on_output: Callable[[bytes], None] = lambda data: None) -> Outcome:
    """Run one file's tests on a fresh chip. Args: on_output is given what comes, as it comes."""
    chip_ms = 0.0

    def boot(modules: dict[str, str], tests: list[tuple[str, str]]) -> tuple[bytes, str]:
        nonlocal chip_ms
        output, why, ms = _boot(modules, tests, on_output)
        chip_ms += ms
        return output, why

    outcome = outcome_of(path, boot)
    outcome.chip_ms = chip_ms
    return outcome


def outcome_of(
    path: Path, boot: Callable[[dict[str, str], list[tuple[str, str]]], tuple[bytes, str]]
) -> Outcome:
    """Return what became of a file's tests; what does not fit is tried again alone.

    Args: boot: runs (modules by name, tests as (module, name)) after a boot of its own: what one
    leaves, the next has not to live with. Returns what RUNNER printed, and what it ended with.
    """
    source = path.read_text()
    outcome = Outcome(skipped=_skips(ast.parse(source)))
    names = tests_of(path)

    def run(modules: dict[str, str], tests: list[tuple[str, str]]) -> None:
        output, why = boot(modules, tests)
        outcome.tests.update(
            parse(output.decode(errors="replace"), [name for _, name in tests], why)
        )

    run({path.stem: source}, [(path.stem, name) for name in names])
    left = [name for name in names if outcome.tests[name] == DOES_NOT_FIT]
    for number, name in enumerate(left):
        run({f"t{number}": _only(source, name)}, [(f"t{number}", name)])
    return outcome


def _boot(
    modules: dict[str, str],
    tests: list[tuple[str, str]],
    on_output: Callable[[bytes], None],
) -> tuple[bytes, str, float]:
    with tempfile.TemporaryDirectory(prefix="linkpost-portable-") as folder:
        path = Path(folder) / "flash"
        flash.refresh(path, {**firmware_modules(), **test_modules(modules)})
        with ChipProcess(path) as board:
            watch = _Watch(board, on_output)
            repl = ChipRepl(board, on_event=watch.look)
            repl.enter()
            output = b""
            try:
                output, error = repl.run(script(tests), _FILE_TIMEOUT_S, watch.take)
            except CommandError as stopped:
                output, error = repl.heard, str(stopped).encode()
            return output, error.decode(errors="replace"), board.chip_ms


def script(tests: list[tuple[str, str]]) -> bytes:
    """Return what runs these tests, as (module, name), at a raw REPL."""
    return RUNNER + f"\nrun({tests!r})\n".encode()


def parse(output: str, names: list[str], why: str = "") -> dict[str, str]:
    """Return what became of each test, from what the runner printed.

    Args: why: what the script ended with, for those that it did not come to.
    """
    found = {}
    for part in output.split("\x01")[1:]:
        name, text, passed, ms = _parts(part)
        if passed:
            found[name] = PASSED
        elif "KeyboardInterrupt" in text or (ms >= _TEST_CHIP_MS and _was_stopped(text)):
            found[name] = TOO_LONG
        else:
            found[name] = DOES_NOT_FIT if "MemoryError" in text else text + why
            if name in _NOT_FOR_CHIPS:
                found[name] = NOT_FOR_CHIPS
    for name in names:
        found.setdefault(name, DOES_NOT_FIT if "MemoryError" in why else f"not run: {why}")
    return found


def stopped_early(output: str, limit_ms: int) -> set[str]:
    """Return the tests that Ctrl-C ended before they had that time by the board's clock."""
    early = {}
    for part in output.split("\x01")[1:]:
        name, text, _, ms = _parts(part)
        early[name] = _was_stopped(text) and ms < limit_ms
    return {name for name, is_early in early.items() if is_early}


def _was_stopped(text: str) -> bool:
    # A file system in Python that is interrupted while a module is looked for: MicroPython takes
    # that for "not there".
    return "KeyboardInterrupt" in text or "ImportError" in text


def _parts(part: str) -> tuple[str, str, bool, int]:
    # Of one test: its name, what was printed, whether it passed, how many ms it took.
    name, _, report = part.partition("\n")
    report, _, ms = report.partition("\x06")
    text, passed, _ = report.partition("\x02")
    digits = ms.split("\n")[0].strip()
    return name.strip(), text, bool(passed), int(digits) if digits.isdigit() else 0


class _Watch:
    """Ends a test by Ctrl-C that takes too long."""

    def __init__(self, board: ChipProcess, on_output: Callable[[bytes], None]):
        self._board = board
        self._on_output = on_output
        self._began_ms = 0.0

    def take(self, data: bytes) -> None:
        if b"\x01" in data:
            self._began_ms = self._board.chip_ms
        if data.rfind(b"\x06") > data.rfind(b"\x01"):
            self._began_ms = 0.0  # it has ended: one typed now would end what comes behind it
        self._on_output(data)

    def look(self) -> None:
        if self._began_ms and self._board.chip_ms - self._began_ms > _TEST_CHIP_MS:
            self._began_ms += _AGAIN_CHIP_MS  # one may be lost, as `_was_stopped` says
            self._board.type(b"\x03")


def firmware_modules() -> dict[str, bytes]:
    """Return the whole firmware as byte code, by path on a board."""
    return {f"lib/linkpost/{name}": content for name, content in byte_code.firmware().items()}


def _with_imports(modules: dict[str, str]) -> dict[str, str]:
    """Return the modules and those of the tests' own that they import; nothing else, for the
    flash is small, and some tests look at what is free."""
    found: dict[str, str] = {}
    left = list(modules.items())
    while left:
        name, text = left.pop()
        found[name] = text
        for node in ast.walk(ast.parse(text)):
            names = []
            if isinstance(node, ast.Import):
                names = [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
            for one in names:
                path = one.replace(".", "/")
                for folder in (PORTABLE, HOST_TESTS):
                    source = folder / f"{path}.py"
                    if source.exists() and path not in found and "power" not in path:
                        left.append((path, source.read_text()))
    return found


def test_modules(modules: dict[str, str]) -> dict[str, bytes]:
    """Return those test modules and what they import of ours, by path on a board."""
    return {
        f"lib/{name}.mpy": compile_mpy(text.encode(), f"{name}.py", asserts=True)
        for name, text in _with_imports(modules).items()
    }


def tests_of(path: Path) -> list[str]:
    """Return the names of a file's tests that run on MicroPython."""
    tree = ast.parse(path.read_text())
    skips = _skips(tree)
    return [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and node.name not in skips
    ]


def _skips(tree: ast.Module) -> dict[str, str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "SKIP":
            found = ast.literal_eval(node.value)
            return {n: reason for n, (where, reason) in found.items() if where != "cpython"}
    return {}


def _only(source: str, name: str) -> str:
    """Return the file with that one test, and only those of its own definitions it uses."""
    tree = ast.parse(source)
    functions = {
        node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    wanted: set[str] = set()
    left = [name]
    while left:
        one = left.pop()
        if one in functions and one not in wanted:
            wanted.add(one)
            left += [n.id for n in ast.walk(functions[one]) if isinstance(n, ast.Name)]
    # What the module itself calls at import is needed too.
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            left += [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
    while left:
        one = left.pop()
        if one in functions and one not in wanted:
            wanted.add(one)
            left += [n.id for n in ast.walk(functions[one]) if isinstance(n, ast.Name)]
    tree.body = [
        node
        for node in tree.body
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name in wanted
    ]
    return ast.unparse(tree)


def _show(data: bytes) -> None:
    sys.stderr.write(data.decode(errors="replace"))
    sys.stderr.flush()


def main(arguments: list[str]) -> int:
    """Run files and print what became of their tests."""
    wanted = [PORTABLE / name for name in arguments] or files()
    counts: dict[str, int] = {}
    chip_ms = 0.0
    for path in wanted:
        outcome = run_file(path, _show)
        chip_ms += outcome.chip_ms
        counts["skipped"] = counts.get("skipped", 0) + len(outcome.skipped)
        print(f"{path.name}: {outcome.chip_ms / 1000:.1f} s of chip", flush=True)
        for name, text in outcome.tests.items():
            what = text if text in KNOWN else "failed"
            counts[what] = counts.get(what, 0) + 1
            if what != PASSED:
                print(f"  {name}: {text}", flush=True)
    print(
        ", ".join(f"{n} {what}" for what, n in counts.items()), f"{chip_ms / 1000:.0f} s of chip"
    )
    return 1 if counts.get("failed") else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
